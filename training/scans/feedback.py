"""`python -m training.scans.feedback`: what confirmed cases of a second scanner do for a model.

PHANTOMS of scanner "a" train a model, the same with 40 of another scanner as confirmed cases train
the next; both SAVED files are asked about others of either scanner, whom neither has seen. A
figure of it says nothing of patients.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from training.common import log, run_command, write_json
from training.demo import ROOT, given_weights, run_step
from training.scans.dataset import load
from training.scans.figures import patient_figures, text
from training.scans.judge import REVIEW, judge_patient, open_model
from training.scans.phantom import SCANNERS

# Folder: scanner ('' for the second), patients, seed.
DRAWN = {'first': ('a', 82, 5), 'confirmed': ('', 40, 33),
         'others_first': ('a', 60, 6), 'others_second': ('', 100, 34)}


def feedback(out: Path, scanner: str, seed: int) -> None:
    """Run every step as a user would, in the environment that it needs; write feedback.json.

    Raises:
        TrainingError: an environment or the weights are missing, or a step failed.
    """
    for name, (of, patients, drawn) in DRAWN.items():
        if not (out / name / 'labels.csv').is_file():
            run_step('.venv', 'scans', '--out', out / name, '--patients', patients, '--format',
                     'png', '--scanner', of or scanner, '--seed', drawn)
    figures = {'old': _figures(out, 'old', ['first'], seed),
               'new': _figures(out, 'new', ['first', 'confirmed'], seed)}
    write_json(out / 'feedback.json', {'second': scanner, 'seed': seed, **figures})
    for name in ('others_first', 'others_second'):
        old, new = (figures[model][name]['accuracy']['value'] for model in ('old', 'new'))
        log.info('%s: accuracy %.3f before, %.3f after (%+.1f points)', name, old, new,
                 100 * (new - old))


def _figures(out: Path, model: str, trained_on: list[str], seed: int) -> dict[str, Any]:
    run = out / f'{model}_{seed}'
    if not (run / 'run.json').is_file():
        run_step('.venv', 'prepare', *(out / name for name in trained_on),
                 '--out', out / f'{model}_data')
        run_step('.venv-train', 'train', ROOT / 'training/configs/scan_mobilenet.yaml',
                 out / f'{model}_data', '--out', run, '--seed', seed,
                 *given_weights())
    return {name: _asked(out, run, name) for name in ('others_first', 'others_second')}


def _asked(out: Path, run: Path, name: str) -> dict[str, Any]:
    prepared = out / f'{name}_data'
    if not (prepared / 'manifest.json').is_file():
        run_step('.venv', 'prepare', out / name, '--out', prepared)
    data, model = load(prepared), open_model(run)
    verdicts = [judge_patient(model, data, patient) for patient in data.patients]
    found = {**patient_figures([one.name for one in data.patients],
                               np.array([one.stroke for one in data.patients]),
                               np.array([one.probability for one in verdicts])),
             'flagged': sum(one.answer == REVIEW for one in verdicts)}
    log.info('%s asked about %s: %s, flagged %d of %d', run.name, name, text(found),
             found['flagged'], len(verdicts))
    return found


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.scans.feedback', description=__doc__)
    parser.add_argument('--out', type=Path, default=ROOT / 'out' / 'scan_feedback')
    parser.add_argument('--scanner', choices=sorted(set(SCANNERS) - {'a'}), default='c',
                        help='the second one')
    parser.add_argument('--seed', type=int, default=7, help='of the training')
    given = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return run_command(lambda: feedback(given.out.resolve() / given.scanner, given.scanner,
                                        given.seed))


if __name__ == '__main__':
    raise SystemExit(main())
