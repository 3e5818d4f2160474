"""demo: simulate, prepare, train, evaluate and export end to end on a few dozen people.

It shows that the chain works; its figures are of simulated palsies and of few people.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from training.common import TrainingError, log, run_command

ROOT = Path(__file__).resolve().parents[1]
_WEIGHTS = 'mobilenet_v2_1.0_224_no_top_imagenet.weights.h5'
_RUNS = (('antisymmetric', ()), ('notebook_mobilenet', ('--epochs', '2')),
         ('landmarks_logistic', ()))


def demo(out: Path, people: int) -> None:
    """Run every step as a user would, in the environment that it needs."""
    shared = _shared()
    photographs = [folder for name in ('london_faces', 'canada_faces')
                   if (folder := shared / 'data' / name).is_dir()]
    if not photographs:
        raise TrainingError(f'no healthy photographs in {shared}/data; set STROKE_SIDE_SHARED, or '
                            'follow docs/training.md with your own pictures')
    sims, data, runs = out / 'simulated', out / 'dataset', out / 'runs'
    run_step('.venv', 'simulate', *photographs, '--out', sims, '--most', people, '--per-photo', 2)
    run_step('.venv', 'prepare', sims, '--out', data)
    for name, options in _RUNS:
        if not (runs / name / 'run.json').is_file():
            weights = () if name.startswith('landmarks') else given_weights()
            run_step('.venv-train', 'train', ROOT / f'training/configs/{name}.yaml', data, '--out',
                     runs / name, *options, *weights)
    run_step('.venv-train', 'evaluate', *(runs / name for name, _ in _RUNS), '--data', data,
         '--out', out / 'report')
    run_step('.venv-train', 'export', runs / 'antisymmetric', '--data', data, '--out',
         out / 'models', '--about', ROOT / 'training/configs/provenance.yaml')


def given_weights() -> tuple[str, ...]:
    """The trainer's option for the weights in the shared folder, nothing where they are not."""
    weights = _shared() / 'weights' / _WEIGHTS
    return ('--weights', str(weights)) if weights.is_file() else ()


def _shared() -> Path:
    return Path(os.environ.get('STROKE_SIDE_SHARED') or ROOT.parent / 'shared')


def run_step(environment: str, step: str, *arguments: object) -> None:
    """Run `python -m training.STEP` in an environment of its own.

    Raises:
        TrainingError: the environment is missing, or the step failed.
    """
    log.info('\n== %s', step)
    python = ROOT / environment / 'bin' / 'python'
    if not python.is_file():
        raise TrainingError(f'{environment} is missing; run "make setup train-setup" first')
    quiet = {'TF_CPP_MIN_LOG_LEVEL': '3', 'GLOG_minloglevel': '3', 'CUDA_VISIBLE_DEVICES': '-1'}
    status = subprocess.run(
        [python, '-m', f'training.{step}', *map(str, arguments)], cwd=ROOT, check=False,
        env={**os.environ, **quiet}).returncode
    if status:
        raise TrainingError(f'{step} ended with status {status}; its message stands above')


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.demo', description=__doc__)
    parser.add_argument('--out', type=Path, default=ROOT / 'out' / 'train_demo')
    parser.add_argument('--people', type=int, default=24, help='at most, per set of photographs')
    given = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return run_command(lambda: demo(given.out.resolve(), given.people))


if __name__ == '__main__':
    raise SystemExit(main())
