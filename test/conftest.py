"""What every test can use: the shared data, DDS kept on this machine, processes that surely end.

It never replaces a real part by a stand-in.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stroke_side_monitor import landmarks
from stroke_side_monitor.local_dds import keep_local
from stroke_side_monitor.perception import frame
from stroke_side_monitor.perception.face_mesh import FaceLandmarks, FaceMesh
from stroke_side_monitor.simulation import portrait

REPOSITORY = Path(__file__).resolve().parents[1]

# Here and not in a fixture: it must hold before any test module imports rclpy. Which processes
# get a Fast DDS profile for raw images is for each test to say: some show what happens without.
DOMAIN = keep_local(os.environ, large_messages=False)

# The files that take longest (20 to 100 s each), the longest first: begun first, none of them is
# what one worker is still at when the others have nothing left.
LONGEST = (
    'training/test_scan_prepare.py', 'bench/test_commands.py', 'studies/test_movement_study.py',
    'ros/test_silence.py', 'ros/test_faults.py', 'test_assess.py',
    'ros/test_exercise_controller.py', 'test_dds_profiles.py', 'test_fleet.py',
    'bench/test_endings.py', 'ros/test_replay.py', 'test_fuzz.py', 'ros/test_same_answers.py',
    'perception/test_patient_choice.py', 'ros/test_patient_files.py', 'test_pipeline.py',
    'ros/test_contract.py', 'ros/test_patient_choice.py', 'ros/test_monitor.py',
    'ros/test_guard.py', 'test_stamps_and_cues.py', 'report/test_command.py',
    'ros/test_process.py')


def pytest_configure() -> None:
    """This process, too, says where it stands when asked; 2 is not captured yet."""
    faulthandler.register(signal.SIGUSR1, file=os.dup(2), all_threads=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the files that take longest come first, all others in their order."""
    tests = Path(__file__).parent
    rank = {tests / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(scope='session')
def ros_domain() -> int:
    """This run's ROS_DOMAIN_ID; os.environ holds it too, with discovery limited to localhost."""
    return DOMAIN


@pytest.fixture(scope='session')
def shared() -> Path:
    """The folder with data/ and weights/; skipped without it unless it is required."""
    named = os.environ.get('STROKE_SIDE_SHARED')
    folder = Path(named) if named else REPOSITORY.parent / 'shared'
    if (folder / 'data').is_dir():
        return folder
    reason = (f'the photographs are not there: {folder}/data is no folder; '
              'set STROKE_SIDE_SHARED to the folder that holds data/ and weights/')
    if os.environ.get('STROKE_SIDE_REQUIRE_SHARED') == '1':
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope='session')
def fleet() -> None:
    """Dask, fsspec and pyarrow are installed; skipped without them unless they are required."""
    missing = [name for name in ('distributed', 'fsspec', 'pyarrow') if find_spec(name) is None]
    if not missing:
        return
    reason = f'{", ".join(missing)} not installed; run "make fleet-setup"'
    if os.environ.get('STROKE_SIDE_REQUIRE_FLEET') == '1':
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope='session')
def astronaut() -> NDArray[np.uint8]:
    """A healthy face that needs no file from elsewhere: public domain, RGB uint8 (512, 512, 3)."""
    return np.ascontiguousarray(portrait.astronaut())


@pytest.fixture(scope='session')
def astronaut_face(astronaut: NDArray[np.uint8]) -> FaceLandmarks:
    """Her landmarks as FaceMesh sees them."""
    mesh = FaceMesh(tracking=False)
    face, = mesh.detect(astronaut)
    mesh.close()
    return face


@pytest.fixture
def symmetric_points(astronaut_face: FaceLandmarks) -> NDArray[np.float64]:
    """A face in canonical mm, float64 (478, 3), that equals its own mirror image bit for bit."""
    points = frame.normalise(astronaut_face).points
    return (points + landmarks.mirror_points(points)) / 2


@pytest.fixture
def start_process():
    """Starts Python processes that are killed, with all their children, when the test ends.

    Returns:
        A function (arguments after `python`, a command to wrap it in, further environment) ->
        Popen. Standard input and output are text pipes; standard error goes to the test's own.
    """
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, wrapper: tuple[str, ...] = (),
              **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*wrapper, sys.executable, '-u', *arguments], env={**os.environ, **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
            start_new_session=True, preexec_fn=_end_with_parent)
        started.append(process)
        return process

    yield start
    for process in started:
        _kill_group(process)


@pytest.fixture
def never_ending(monkeypatch):
    """Makes pictures whose reading never ends, for processes that are started from then on.

    Returns:
        A function (path of the picture) -> the pipe that its readers have open.
    """
    monkeypatch.setenv('PYTHONPATH', str(REPOSITORY / 'test' / 'hanging'), prepend=os.pathsep)

    def make(picture: Path) -> Path:
        picture.touch()
        pipe = picture.with_name(f'{picture.name}.pipe')
        os.mkfifo(pipe)
        return pipe

    return make


@pytest.fixture
def finished():
    """Waits for a process of start_process and gives its output, or fails with its stacks.

    Returns:
        A function (process, patience in seconds) -> what it wrote. The stacks of all threads of
        all its processes that know SIGUSR1 go to standard error, which the failure shows.
    """
    def wait(process: subprocess.Popen[str], patience_s: float) -> str:
        try:
            return process.communicate(timeout=patience_s)[0]
        except subprocess.TimeoutExpired:
            told = where_it_hangs(process.pid)
            pytest.fail(f'{process.args} has not ended in {patience_s:.0f} s; {told}')

    return wait


def where_it_hangs(group: int) -> str:
    """Have every process of the group write its stacks; what was done, in words."""
    asked = []
    for entry in Path('/proc').iterdir():
        try:
            if not entry.name.isdigit() or os.getpgid(int(entry.name)) != group:
                continue
            caught = int(re.search(r'SigCgt:\s*(\w+)', (entry / 'status').read_text())[1], 16)
        except (ProcessLookupError, FileNotFoundError):
            continue
        if caught >> (signal.SIGUSR1 - 1) & 1:  # others would die of it
            os.kill(int(entry.name), signal.SIGUSR1)
            asked.append(entry.name)
            time.sleep(0.2)  # for faulthandler to write
            if shutil.which('py-spy'):
                subprocess.run(['py-spy', 'dump', '--native', '--pid', entry.name],
                               stdout=sys.stderr, check=False)
    return f'stacks of processes {", ".join(asked) or "none"} on standard error'


def _kill_group(process: subprocess.Popen[str]) -> None:
    # The leader may be gone while its children live: the group is killed all the same.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    # So that nothing is left behind when the test run itself is killed.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
