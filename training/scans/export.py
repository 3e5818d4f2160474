"""An evaluated scan run → the .tflite file and its card, as the clinic page loads them.

It never trains, and changes nothing in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.common import check_own_card, log, read_json, write_json, write_whole
from training.scans.judge import FORMAT, open_model

FILE = 'scan_model'


def export_scans(folder: Path, out: Path, provenance: Mapping[str, Any]) -> None:
    """Write out/scan_model.tflite and .json.

    Raises:
        TrainingError: not evaluated, not usable, or `out` holds other files of those names.
    """
    check_own_card(out / f'{FILE}.tflite', (FORMAT,))
    figures = read_json(folder / 'evaluation.json', 'evaluate')
    about = read_json(folder / 'run.json', 'train')
    model = open_model(folder)
    card = {**model.card, 'figures': figures,
            'figures_on': f'{figures["patients"]} {figures["split"]} patients of the dataset below',
            'patients_trained_on': about['patients_trained_on'], 'data': about['dataset'],
            'poolings': about['poolings'], **provenance}
    content = (folder / 'model.tflite').read_bytes()
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / f'{FILE}.tflite', content)
    write_json(out / f'{FILE}.json', card)
    log.info('exported %s (%.1f MB)', out / f'{FILE}.tflite', len(content) / 1e6)
