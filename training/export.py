"""export: a finished, evaluated run → the .tflite file and its card, if float and int8 agree.

It never trains or tunes. The node refuses a file whose card does not fit it.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import yaml
from numpy.typing import NDArray

from stroke_side_monitor.perception.side_classifier import CARD_FORMAT, SideClassifier
from stroke_side_monitor.perception.tflite import ModelError
from training import class_network
from training.antisymmetric import float_scores
from training.common import (
    TrainingError,
    check_own_card,
    log,
    read_json,
    run_command,
    write_json,
    write_whole,
)
from training.dataset import Dataset, answerable, load
from training.predictors import Run, answers, open_run
from training.scans.dataset import is_scan_dataset
from training.scans.export import export_scans
from training.tasks import Row

# Limits below which an export fails [own]. Signs are compared outside the dead band, where the
# robot uses them; inside it they decide nothing.
LEAST_CORRELATION, LEAST_SIGN_AGREEMENT, LARGEST_ACCURACY_LOSS = 0.97, 0.98, 0.02
_PICTURES = 600


def export(folder: Path, data: Path, out: Path, about: Path | None) -> None:
    """Write out/<name>.tflite and .json.

    Args:
        about: YAML with provenance: sources (name, licence, credit), licence, notes.

    Raises:
        TrainingError: not evaluated, or int8 strays too far from float.
    """
    run = open_run(folder)
    name = 'side_classifier' if run.kind == 'antisymmetric' else run.name
    check_own_card(out / f'{name}.tflite', (CARD_FORMAT, class_network.FORMAT))
    figures = read_json(folder / 'evaluation.json', 'evaluate')
    dataset = load(data)
    rows, labels = answerable(dataset.split('test'), run.task)
    step = max(1, len(rows) // _PICTURES)
    found = parity(run, dataset, rows[::step], labels[::step])
    check_parity(found)
    content = (folder / 'model.tflite').read_bytes()
    card = {**_core(run, content), 'parity_float_int8': found, 'figures': _short(figures),
            'figures_on': f'{figures["split"]} people of the dataset below; generators healthy, '
                          'spline, bump, half and mesh are simulated, not patients',
            'data': {**dataset.manifest, 'pictures_trained_on': run.about['pictures_trained_on']},
            **provenance(about)}
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / f'{name}.tflite', content)
    write_json(out / f'{name}.json', card)
    _try(run, out / f'{name}.tflite')
    log.info('exported %s (%.2f MB), correlation %.4f, sign agreement %.4f',
             out / f'{name}.tflite', len(content) / 1e6, found['correlation'],
             found['sign_agreement'])


def parity(run: Run, dataset: Dataset, rows: Sequence[Row], labels: NDArray[np.int64]
           ) -> dict[str, Any]:
    """Float against int8 on the same pictures: correlation, sign (class) agreement, accuracy."""
    if run.kind == 'landmarks':
        raise TrainingError('a landmark model is not a picture model; there is nothing to export')
    if run.kind == 'antisymmetric':
        return _score_parity(run, dataset, rows)
    both = [class_network.Network(run.folder / name)
            for name in ('model_float.tflite', 'model.tflite')]
    exact, rounded = (np.array([one.probabilities(crop) for crop in dataset.crops(rows)])
                      for one in both)
    chosen = exact.argmax(axis=1), rounded.argmax(axis=1)
    return _figures(exact[:, -1], rounded[:, -1], float((chosen[0] == chosen[1]).mean()),
                    [one == labels for one in chosen])


def _score_parity(run: Run, dataset: Dataset, rows: Sequence[Row]) -> dict[str, Any]:
    rounded = answers(run, dataset, rows).scores
    assert rounded is not None
    exact = float_scores(keras.models.load_model(run.folder / 'model.keras'),
                         np.load(run.folder / 'head.npy'), dataset.crops(rows),
                         run.about['config']['size'])
    exact = exact / run.about['calibration']['dead_band']
    sign = np.array([{'left': 1, 'right': -1}.get(row['label'], 0) for row in rows])
    weak = sign != 0
    outside = (np.abs(exact) > 1) | (np.abs(rounded) > 1)
    same = np.sign(exact) == np.sign(rounded)
    found = _figures(exact, rounded, float(same[outside].mean()),
                     [(np.sign(one) == sign)[weak] for one in (exact, rounded)])
    return {**found, 'sign_agreement_everywhere': round(float(same.mean()), 4),
            'difference_sd_in_dead_bands': round(float(np.std(exact - rounded)), 4)}


def _figures(exact: NDArray[np.float64], rounded: NDArray[np.float64], agreement: float,
             right: Sequence[NDArray[np.bool_]]) -> dict[str, Any]:
    return {'correlation': round(float(np.corrcoef(exact, rounded)[0, 1]), 5),
            'sign_agreement': round(agreement, 4), 'accuracy_float': round(right[0].mean(), 4),
            'accuracy_int8': round(right[1].mean(), 4), 'pictures': len(exact),
            'right_float': int(right[0].sum()), 'right_int8': int(right[1].sum()),
            'pictures_with_a_side': len(right[0])}


def check_parity(found: dict[str, Any]) -> None:
    """Raise TrainingError where int8 strays too far from float."""
    lost = found['right_float'] - found['right_int8']
    # One picture is the least step there is; on few pictures it may be more than the limit.
    allowed = max(1, int(LARGEST_ACCURACY_LOSS * found['pictures_with_a_side']))
    for what, bad in (
            (f'correlation {found["correlation"]} < {LEAST_CORRELATION}',
             not found['correlation'] >= LEAST_CORRELATION),
            (f'agreement {found["sign_agreement"]} < {LEAST_SIGN_AGREEMENT}',
             not found['sign_agreement'] >= LEAST_SIGN_AGREEMENT),
            (f'{lost} of {found["pictures_with_a_side"]} fewer right, at most {allowed} allowed',
             lost > allowed)):
        if bad:
            raise TrainingError(f'int8 strays from float ({what}); train on more varied pictures '
                                'so that ranges are known, or quantisation-aware')


def _core(run: Run, content: bytes) -> dict[str, Any]:
    if run.kind == 'antisymmetric':
        return dict(read_json(run.folder / 'model.json', 'train'))
    return {'format': class_network.FORMAT, 'name': run.name,
            'sha256': hashlib.sha256(content).hexdigest(), 'labels': list(run.task.classes),
            'label_frame': 'patient', 'crop_version': run.about['dataset']['crop_version'],
            'input': {'size': [224, 224], 'channels': 'RGB', 'scaling': 'uint8, 0 to 255'}}


def _short(figures: dict[str, Any]) -> dict[str, Any]:
    kept = ('accuracy', 'side', 'mirror', 'classes')
    return {name: figures[name] for name in kept if name in figures}


def provenance(about: Path | None) -> dict[str, Any]:
    """What a card says of sources and licence, from a YAML file.

    Raises:
        TrainingError: the file cannot be read.
    """
    if about is None:
        return {'licence': 'not stated'}
    try:
        content = yaml.safe_load(about.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise TrainingError(f'cannot read provenance {about}: {error}') from error
    return {'provenance': content, 'licence': content.get('licence', 'not stated')}


def _try(run: Run, path: Path) -> None:
    if run.kind == 'antisymmetric':
        try:
            SideClassifier(path)
        except ModelError as error:
            raise TrainingError(f'the robot would refuse this export: {error}') from error


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.export', description=__doc__)
    parser.add_argument('run', type=Path, help='run folder, evaluated')
    parser.add_argument('--data', type=Path, required=True, help='folder made by prepare')
    parser.add_argument('--out', type=Path, required=True, help='e.g. models/')
    parser.add_argument('--about', type=Path, help='YAML with sources, credit and licence')
    given = parser.parse_args()
    return run_command(lambda: _export_what_it_is(given))


def _export_what_it_is(given: argparse.Namespace) -> None:
    if is_scan_dataset(given.data):
        export_scans(given.run, given.out, provenance(given.about))
    else:
        export(given.run, given.data, given.out, given.about)


if __name__ == '__main__':
    raise SystemExit(main())
