"""docs/integration.md keeps its word: the example runs and every reason code is explained."""

from __future__ import annotations

import inspect
import re
import signal
import threading
from pathlib import Path

from ros_harness import PATIENCE_S, REPOSITORY, MonitorProcess, Robot

from stroke_side_monitor import pipeline
from stroke_side_monitor.assessment import exercise, severity, side
from stroke_side_monitor.perception import quality
from stroke_side_monitor.ros import frames

DOCUMENT = (REPOSITORY / 'docs' / 'integration.md').read_text()
EXAMPLE = REPOSITORY / 'examples' / 'side_listener.py'


def test_the_example_in_the_text_is_the_file_that_is_run_here():
    assert EXAMPLE.read_text() in DOCUMENT
    assert len(EXAMPLE.read_text().splitlines()) <= 36


def test_the_example_acts_on_a_stable_side_and_withdraws_it(
        tmp_path, start_process, capfd, right_weak, nobody):
    with MonitorProcess(tmp_path / 'log', namespace='example'), Robot('example') as robot:
        listener = start_process(str(EXAMPLE), '--ros-args', '-r', '__ns:=/example')
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(listener.stdout), daemon=True)
        reader.start()
        robot.until_connected()

        def says(expected, picture=None):
            # Nobody can see when the monitor has found the example: show until it has heard.
            def said():
                if picture is not None:
                    robot.show(picture)
                return lines

            robot.until(said, f'the example to say {expected!r}')
            assert lines.pop(0) == expected

        says('right\n', right_weak)
        says('unknown no_face\n', nobody)
        with robot.stale_after(1.0):  # before its own patience of 2 s ends
            says('right\n', right_weak)
            says('unknown no_image\n')
        listener.send_signal(signal.SIGINT)
        assert listener.wait(PATIENCE_S) == 0
        reader.join()
    assert 'Traceback' not in capfd.readouterr().err


def test_every_reason_code_is_explained():
    constants = {value for module in (exercise, severity) for name, value in vars(module).items()
                 if name.isupper() and isinstance(value, str)}
    gate = set(re.findall(r"^        \('([a-z_]+)', ", inspect.getsource(quality.judge), re.M))
    assert {'too_small', 'blurred'} <= gate
    rooms = [*Path(pipeline.__file__).parent.glob('*.py'), Path(side.__file__)]
    source = ''.join(path.read_text() for path in rooms)
    spoken = set(re.findall(r"'([a-z]+_(?:face|faces|conflict|up)|blink)'", source))
    assert {'no_face', 'classifier_conflict', 'warming_up', 'blink'} <= spoken
    documented = set(re.findall(r'`([a-z_]+)`', DOCUMENT))
    sessions = {pipeline.STARTED, pipeline.RESET, pipeline.ANOTHER_FACE, frames.CLOCK_WENT_BACK,
                frames.ORIENTATION_CHANGED}
    for code in constants | gate | spoken | set(frames.REASONS) | sessions:
        assert code in documented, code
