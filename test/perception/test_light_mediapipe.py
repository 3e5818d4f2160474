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


def test_no_picture_is_freed_in_a_thread_of_mediapipes():
    # Without Python's lock, that is: Python 3.12 crashes then, the older ones by chance.
    said = run("""
import threading, weakref
from stroke_side_monitor.perception import face_mesh, light_mediapipe
from stroke_side_monitor.simulation import portrait
freed, mesh = [], face_mesh.RegionMesh()
rgb = portrait.astronaut()
regions = [one.region for one in face_mesh.FaceDetector().detect(rgb)]
read_only = light_mediapipe.read_only
def watched(rgb):
    pixels = read_only(rgb)
    weakref.finalize(pixels, lambda: freed.append(threading.get_ident()))
    return pixels
light_mediapipe.read_only = watched
for _ in range(20):
    assert mesh.look(rgb, regions[0]) is not None
print(len(freed), {*freed} == {threading.get_ident()})
""")
    assert said == ['20', 'True']
