"""`python -m training.scans.gate OLD NEW --data ... --new-data ...`: may NEW take the place of OLD?

Both SAVED files judge the same test patients, those of the old training set, whom neither has seen:
that the new one was trained on none of them is checked, by patient and by picture.
Status 1, and one line why, where the new one loses more than is allowed. It installs nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.common import TrainingError, log, run_command
from training.scans.dataset import Patient, ScanDataset, load
from training.scans.figures import auc, patient_figures, text
from training.scans.judge import ScanModel, judge_patient, open_model_file


class LostError(TrainingError):
    """The new model may not take the old one's place."""


def gate(old: Path, new: Path, data: Path, new_data: Path, most_lost: float) -> None:
    """Compare two models on the test patients of `data`.

    Args:
        data, new_data: what prepare made for the old model and for the new one.
        most_lost: points of accuracy, and hundredths of AUC, that may be lost.

    Raises:
        TrainingError: a model or the data cannot be used, the new one knows a test patient, or more
            is lost than that.
    """
    dataset, new_dataset = load(data), load(new_data)
    models = [_trained_on(old, dataset), _trained_on(new, new_dataset)]
    patients = dataset.of('test')
    if not patients:
        raise TrainingError(f'{data} holds no test patient')
    known = _known(patients, new_dataset)
    if known:
        raise LostError(f'{new} was trained on {len(known)} of the {len(patients)} old test '
                        f'patients (the first is {known[0]}), so they cannot judge it; prepare its '
                        f'scans with --earlier {data} and train it again')
    stroke = np.array([one.stroke for one in patients])
    names = [one.name for one in patients]
    figures = []
    for path, model in zip((old, new), models, strict=True):
        said = np.array([judge_patient(model, dataset, one).probability for one in patients])
        found = patient_figures(names, stroke, said)
        figures.append((100 * found['accuracy']['value'], 100 * auc(stroke, said)))
        log.info('%s: %s, %d test patients', path, text(found), len(patients))
    for what, before, after in zip(('accuracy', 'AUC'), *figures, strict=True):
        if before - after > most_lost:
            raise LostError(f'{new} loses {before - after:.1f} points of {what} on the old test '
                        f'patients, at most {most_lost:g} allowed; keep {old}')
    log.info('%s may take the place of %s', new, old)


def _trained_on(path: Path, dataset: ScanDataset) -> ScanModel:
    """The model, whose card names no other dataset."""
    model = open_model_file(path)
    stated = model.card.get('data')  # provenance may say it in words
    if isinstance(stated, dict) and stated != dataset.manifest:
        raise TrainingError(f'{path} was trained on another dataset than {dataset.folder}')
    return model


def _known(patients: Sequence[Patient], trained: ScanDataset) -> list[str]:
    """Those who stand, by name or by a picture, among those that `trained` trains on."""
    seen = {row[what] for one in trained.of('train', 'validation') for row in one.rows
            for what in ('patient', 'exact')}
    return [one.name for one in patients
            if any(row['patient'] in seen or row['exact'] in seen for row in one.rows)]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.scans.gate', description=__doc__)
    parser.add_argument('old', type=Path, help='the .tflite in use, its .json beside it')
    parser.add_argument('new', type=Path, help='the one that may take its place')
    parser.add_argument('--data', type=Path, required=True,
                        help='prepared folder of the OLD training set')
    parser.add_argument('--new-data', type=Path, required=True,
                        help='prepared folder that the new one was trained on')
    parser.add_argument('--most-lost', type=float, default=2.0,
                        help='points of accuracy and of AUC that may be lost')
    given = parser.parse_args()
    lost = ''

    def compare() -> None:
        nonlocal lost
        try:
            gate(given.old, given.new, given.data, given.new_data, given.most_lost)
        except LostError as error:
            lost = f'refused: {error}'

    status = run_command(compare)
    if lost:
        sys.stdout.write(f'{lost}\n')
    return status or int(bool(lost))


if __name__ == '__main__':
    raise SystemExit(main())
