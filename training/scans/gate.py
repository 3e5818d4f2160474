"""`python -m training.scans.gate OLD NEW --data PREPARED`: may NEW take the place of OLD?

Both SAVED files judge the same test patients, those of the old training set, whom neither has seen.
Status 1, and one line why, where the new one loses more than is allowed. It installs nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from training.common import TrainingError, log, run_command
from training.scans.dataset import ScanDataset, load
from training.scans.figures import auc, patient_figures, text
from training.scans.judge import Verdict, judge_patient, open_model_file


class LostError(TrainingError):
    """The new model may not take the old one's place."""


def gate(old: Path, new: Path, data: Path, most_lost: float) -> None:
    """Compare two models on the test patients of `data`.

    Args:
        most_lost: points of accuracy, and hundredths of AUC, that may be lost.

    Raises:
        TrainingError: a model or the data cannot be used; or more is lost than that.
    """
    dataset = load(data)
    patients = dataset.of('test')
    if not patients:
        raise TrainingError(f'{data} holds no test patient')
    stroke = np.array([one.stroke for one in patients])
    names = [one.name for one in patients]
    figures = []
    for path in (old, new):
        said = np.array([one.probability for one in _verdicts(path, dataset)])
        found = patient_figures(names, stroke, said)
        figures.append((100 * found['accuracy']['value'], 100 * auc(stroke, said)))
        log.info('%s: %s, %d test patients', path, text(found), len(patients))
    for what, before, after in zip(('accuracy', 'AUC'), *figures, strict=True):
        if before - after > most_lost:
            raise LostError(f'{new} loses {before - after:.1f} points of {what} on the old test '
                        f'patients, at most {most_lost:g} allowed; keep {old}')
    log.info('%s may take the place of %s', new, old)


def _verdicts(path: Path, dataset: ScanDataset) -> list[Verdict]:
    model = open_model_file(path)
    return [judge_patient(model, dataset, patient) for patient in dataset.of('test')]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.scans.gate', description=__doc__)
    parser.add_argument('old', type=Path, help='the .tflite in use, its .json beside it')
    parser.add_argument('new', type=Path, help='the one that may take its place')
    parser.add_argument('--data', type=Path, required=True,
                        help='prepared folder of the OLD training set')
    parser.add_argument('--most-lost', type=float, default=2.0,
                        help='points of accuracy and of AUC that may be lost')
    given = parser.parse_args()
    lost = ''

    def compare() -> None:
        nonlocal lost
        try:
            gate(given.old, given.new, given.data, given.most_lost)
        except LostError as error:
            lost = f'refused: {error}'

    status = run_command(compare)
    if lost:
        sys.stdout.write(f'{lost}\n')
    return status or int(bool(lost))


if __name__ == '__main__':
    raise SystemExit(main())
