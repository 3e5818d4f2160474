"""MediaPipe without its drawing, and all of it for whoever asks, in processes of their own."""

import subprocess
import sys

import pytest


def run(program):
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_node_loads_neither_matplotlib_nor_other_solutions():
    loaded = run('import sys; import stroke_side_monitor.ros.monitor; '
                 'from stroke_side_monitor.pipeline import Pipeline; print(*sys.modules)')
    assert 'mediapipe.python.solutions.face_mesh' in loaded
    unwanted = {'matplotlib', 'mediapipe.python.solutions.hands', 'mediapipe.tasks'}
    assert not unwanted.intersection(loaded)


@pytest.mark.parametrize('first', ['import mediapipe',
                                   'import stroke_side_monitor.perception.face_mesh'])
def test_others_in_the_process_have_all_of_mediapipe(first):
    said = run(f'{first}; import stroke_side_monitor.perception.face_mesh as ours; '
               'import mediapipe as mp; '
               'print(mp.__version__, mp.solutions.face_mesh is ours.light_mediapipe.face_mesh); '
               'print(mp.solutions.hands.Hands.__name__, mp.solutions.drawing_utils.__name__, '
               'mp.ImageFormat.SRGB, mp.tasks.__name__)')
    assert said[1:4] == ['True', 'Hands', 'mediapipe.python.solutions.drawing_utils']
    assert said[-1] == 'mediapipe.tasks.python'
