"""A tiny prepared dataset of real crops, for the tests that need TensorFlow (make train-demo)."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def shared():
    named = os.environ.get('STROKE_SIDE_SHARED')
    folder = Path(named) if named else ROOT.parent / 'shared'
    if not (folder / 'data').is_dir():
        if os.environ.get('STROKE_SIDE_REQUIRE_SHARED') == '1':
            pytest.fail(f'no photographs in {folder}')
        pytest.skip(f'no photographs in {folder}; set STROKE_SIDE_SHARED')
    return folder


@pytest.fixture(scope='session')
def weights(shared):
    return str(shared / 'weights/mobilenet_v2_1.0_224_no_top_imagenet.weights.h5')


@pytest.fixture(scope='session')
def dataset(shared, tmp_path_factory):
    """Simulated with the runtime environment, as a user would."""
    folder = tmp_path_factory.mktemp('trainer')
    python = ROOT / '.venv/bin/python'
    for arguments in (
            ['simulate', shared / 'data/london_faces', shared / 'data/canada_faces',
             '--most', '24', '--per-photo', '2', '--generators', 'healthy', 'spline', 'bump',
             '--out', folder / 'sim'],
            ['prepare', folder / 'sim', '--out', folder / 'data']):
        subprocess.run([python, '-m', f'training.{arguments[0]}', *map(str, arguments[1:])],
                       cwd=ROOT, check=True)
    return folder / 'data'
