"""`make scan-demo`: phantoms → prepare → train → evaluate → export, and where the heat maps point.

It shows that the chain works on drawn heads; a figure of it says nothing of patients.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.common import log, run_command, write_json
from training.demo import ROOT, given_weights, run_step
from training.scans.dataset import Row, ScanDataset, load, to_original
from training.scans.head import SIZE
from training.scans.judge import ScanModel, heat, judge_patient, open_model_file

# A lesion of fewer prepared pixels cannot be pointed at by a map of 7 x 7 cells [own].
LEAST_PIXELS = 250
# Infarcts, blood in ventricles and under the arachnoid are for longer trainings than a demo's.
KINDS = ('haemorrhage', 'contusion', 'subdural', 'epidural')


def demo(out: Path, patients: int) -> None:
    """Run every step as a user would, in the environment that it needs.

    Raises:
        TrainingError: an environment or the weights are missing, or a step failed.
    """
    phantoms, data, run = out / 'phantoms', out / 'dataset', out / 'run'
    if not (phantoms / 'labels.csv').is_file():
        run_step('.venv', 'scans', '--out', phantoms, '--patients', patients, '--format', 'nifti',
                 '--seed', 21, '--kinds', *KINDS)
    run_step('.venv', 'prepare', phantoms, '--out', data)
    if not (run / 'run.json').is_file():
        run_step('.venv-train', 'train', ROOT / 'training/configs/scan_mobilenet.yaml', data,
                 '--out', run, '--show-leak', *given_weights())
    run_step('.venv-train', 'evaluate', run, '--data', data, '--out', out / 'report')
    run_step('.venv-train', 'export', run, '--data', data, '--out', out / 'models')
    model = open_model_file(out / 'models' / 'scan_model.tflite')
    pointing = pointing_game(model, load(data), phantoms)
    write_json(out / 'pointing.json', pointing)
    log.info('heat maps: the hottest place lies on the drawn lesion in %d of %d slices judged a '
             'stroke with a lesion of %d pixels or more', pointing['hits'], pointing['slices'],
             LEAST_PIXELS)
    log.info('report: %s\non the page: .venv-clinic/bin/python -m clinic.manage '
             'install_scan_model %s', out / 'report/report.html', out / 'models/scan_model.tflite')


def pointing_game(model: ScanModel, data: ScanDataset, phantoms: Path) -> dict[str, int]:
    """How often the map's maximum lies on the lesion (Zhang et al. 2018, with their tolerance of
    15 pixels), over the slices of all patients that the model itself scores as a stroke."""
    hits = slices = 0
    tolerance = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (31, 31))
    for patient in data.patients:  # nothing was ever trained on where lesions lie
        if not patient.stroke:
            continue
        verdict = judge_patient(model, data, patient)
        for row, look, score in zip(patient.rows, verdict.looks, verdict.scores, strict=True):
            truth = _truth(row, phantoms)
            if score < 0.5 or truth.sum() < LEAST_PIXELS or look.logit <= 0:
                continue
            place = np.unravel_index(int(heat(look, *data.slice(row)).argmax()), truth.shape)
            slices += 1
            hits += int(cv2.dilate(truth, tolerance)[place])
    return {'hits': hits, 'slices': slices}


def _truth(row: Row, phantoms: Path) -> NDArray[np.uint8]:
    """The drawn lesion as it lies in the prepared slice, uint8 (224, 224)."""
    volume, _, index = row['original'].rpartition('#')
    name = Path(volume).name.removesuffix('.nii.gz')
    truth = np.load(phantoms / 'truth' / f'{name}.npz')['truth'][int(index)]
    # The matrix leads from the prepared slice to the original, which is what "inverse" means here.
    return np.asarray(cv2.warpAffine(truth.astype(np.uint8), to_original(row), (SIZE, SIZE),
                                     flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP), np.uint8)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.scans.demo', description=__doc__)
    parser.add_argument('--out', type=Path, default=ROOT / 'out' / 'scan_demo')
    parser.add_argument('--patients', type=int, default=90)
    given = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return run_command(lambda: demo(given.out.resolve(), given.patients))


if __name__ == '__main__':
    raise SystemExit(main())
