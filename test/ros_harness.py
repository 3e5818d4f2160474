"""A monitor in its own process, and the robot around it: camera, controller and operator.

Both are real: rclpy, DDS between processes, MediaPipe. It waits for messages, never for time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import rclpy
from conftest import where_it_hangs
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import (
    QoSProfile,
    QoSReliabilityPolicy,
)
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool, Trigger

from stroke_side_monitor.local_dds import profile_variable
from stroke_side_monitor.ros.conversions import image_message, stamp_ns, stamp_of, stamp_s
from stroke_side_msgs.msg import (
    AffectedSide,
    ExerciseCue,
    ExerciseResult,
    ExerciseStatus,
    FacialAsymmetry,
    Severity,
)

REPOSITORY = Path(__file__).resolve().parents[1]
PATIENCE_S = 60.0  # for a machine that is busy with other things; nothing is timed by it
ASK_AGAIN_S = 10.0
NEVER_STALE_S = 60.0
RELIABLE = QoSProfile(depth=10)
# Without it DDS loses raw images between processes; see config/fastdds_local.xml.
LARGE_IMAGES = {profile_variable(os.environ.get('ROS_DISTRO', '')): str(
    REPOSITORY / 'config' / 'fastdds_local.xml')}


class MonitorProcess:
    """`python -m stroke_side_monitor.ros monitor` with parameters; killed when left."""

    def __init__(self, log: Path, *, namespace: str = '', wrapper: tuple[str, ...] = (),
                 arguments: tuple[str, ...] = (), environment: dict[str, str] | None = None,
                 program: tuple[str, ...] = ('-m', 'stroke_side_monitor.ros', 'monitor'),
                 reliable: bool = True, **values) -> None:
        # Every frame gets its answer, unless a test is about the rate; and a test that stands still
        # for a second on a busy machine is no camera that is silent, unless it is about silence.
        values = {'assess_rate_hz': 240.0, 'search_rate_hz': 240.0,
                  'stale_timeout_s': NEVER_STALE_S, **values}
        if reliable:
            # Otherwise DDS may drop any frame, and a test cannot wait for its answer.
            topic = f'/{namespace}/image'.replace('//', '/')
            if values.get('image_transport') == 'compressed':
                topic += '/compressed'
            values[f'qos_overrides.{topic}.subscription.reliability'] = 'reliable'
        command = [*wrapper, sys.executable, '-u', *program, '--ros-args', '-r',
                   f'__ns:=/{namespace}', *arguments]
        for name, value in values.items():
            command += ['-p', f'{name}:={str(value).lower() if value in (True, False) else value}']
        self.log_path = log
        with log.open('w') as output:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **(LARGE_IMAGES if environment is None else environment)},
                stdout=output, stderr=subprocess.STDOUT, cwd=REPOSITORY, start_new_session=True,
                # Tests under nohup would hand on that it is ignored.
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))

    def __enter__(self) -> MonitorProcess:
        return self

    def __exit__(self, *_) -> None:
        # The whole group: a wrapper like strace would leave the monitor behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self.log_path.read_text()

    def stop(self, *signals: signal.Signals) -> int:
        """Send these signals (default: SIGINT) at once and wait for the exit status."""
        for number in signals or (signal.SIGINT,):
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            told = where_it_hangs(self.process.pid)
            raise AssertionError(f'{told}, which is in its log:\n{self.log}') from None

    def hammer(self, number: signal.Signals) -> int:
        """Send a signal every few milliseconds until it has ended; the exit status."""
        while self.process.poll() is None:
            self.process.send_signal(number)
            time.sleep(0.003)
        return self.process.returncode

    def threads(self) -> int:
        """Threads of the process now that are Python's or MediaPipe's: all that we start.

        What DDS and LiteRT start for themselves, some of it late, is not among them. A thread of
        MediaPipe that has been joined is there a moment longer.
        """
        told, whole = len(self.log), '_run_module_as_main'  # the main thread's stack comes last
        self.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + PATIENCE_S
        while whole not in self.log[told:]:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)
        return self.log[told:].count('(most recent call first)') + sum(
            name.startswith('mediapipe') for name in self._thread_names())

    def all_threads(self) -> int:
        """Threads of the process now, whoever started them."""
        return len(self._thread_names())

    def _thread_names(self) -> list[str]:
        names = []
        for task in Path(f'/proc/{self.process.pid}/task').iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                names.append((task / 'comm').read_text())
        return names


class Robot:
    """Camera, controller and operator of one monitor, in a ROS context of their own."""

    def __init__(self, namespace: str = '', *, transport: str = 'raw', qos=None,
                 image_topic: str = 'image') -> None:
        os.environ.update(LARGE_IMAGES)
        self._context = Context()
        self._context.init()
        self.node = rclpy.create_node(
            'robot', namespace=f'/{namespace}', context=self._context)
        for variable in LARGE_IMAGES:  # read once, when the context's first node was made
            os.environ.pop(variable, None)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.transport = transport
        if transport == 'raw':
            self.camera = self.node.create_publisher(
                Image, image_topic, qos or RELIABLE)
        else:
            self.camera = self.node.create_publisher(
                CompressedImage, f'{image_topic}/compressed', qos or RELIABLE)
        self.sides: list[AffectedSide] = []
        self.severities: list[Severity] = []
        self.asymmetries: list[FacialAsymmetry] = []
        self.results: list[ExerciseResult] = []
        self.statuses: list[ExerciseStatus] = []
        self.diagnostics: list[DiagnosticArray] = []
        for kind, name, collected in (
                (AffectedSide, 'affected_side', self.sides),
                (Severity, 'severity', self.severities),
                (FacialAsymmetry, 'asymmetry', self.asymmetries),
                (ExerciseResult, 'exercise_result', self.results),
                (ExerciseStatus, 'exercise_status', self.statuses)):
            self.node.create_subscription(
                kind, f'stroke_side_monitor/{name}', collected.append, QoSProfile(depth=1000))
        self.node.create_subscription(
            DiagnosticArray, '/diagnostics', self.diagnostics.append, RELIABLE)
        self.cues = self.node.create_publisher(
            ExerciseCue, 'stroke_side_monitor/exercise_cue', RELIABLE)
        self._clients: dict = {}
        self.now_s = 1000.0

    def __enter__(self) -> Robot:
        return self

    def __exit__(self, *_) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    # Waiting

    def until(self, predicate, what: str, patience_s: float = PATIENCE_S):
        """Handle messages until the predicate gives something true, and return that."""
        deadline = time.monotonic() + patience_s
        while not (value := predicate()):
            if time.monotonic() > deadline:
                raise AssertionError(f'waited {patience_s:.0f} s in vain for {what}')
            self._executor.spin_once(timeout_sec=0.05)
        return value

    def spin_for(self, seconds: float) -> None:
        """Handle messages for a while, to show that something does NOT happen."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def until_connected(self) -> None:
        """Until camera, outputs and diagnostics are matched in both directions."""
        base = f'{self.node.get_namespace().rstrip("/")}/stroke_side_monitor'
        self.until(lambda: self.camera.get_subscription_count()
                   and self.cues.get_subscription_count()
                   and all(self.node.count_publishers(f'{base}/{name}') for name in (
                       'affected_side', 'severity', 'asymmetry', 'exercise_result')),
                   'the monitor to subscribe')
        self.until_found()

    def until_found(self) -> None:
        """Until the monitor, too, has found what this robot publishes and subscribes to.

        It tells a topic nothing as long as it knows of no subscription, and each side finds the
        other at its own pace. DDS tells of endpoints in the order in which they were made, of
        those of a client last: a monitor that answers it knows the others.
        """
        self.state()

    def until_left(self) -> None:
        """Until no subscription to the camera is known any more.

        One that goes is known a while longer; a frame that is sent to it alone is lost to the one
        that comes after it.
        """
        self.until(lambda: not self.camera.get_subscription_count(),
                   'the monitor to leave the images')

    # The camera

    def message(self, rgb: np.ndarray, at_s: float | None = None):
        """An image message of this picture; the stamp advances by 1/30 s unless given."""
        self.now_s = self.now_s + 1 / 30 if at_s is None else at_s
        if self.transport == 'raw':
            message = image_message(rgb, Image().header)
        else:
            coded = cv2.imencode('.jpg', rgb[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 95))[1]
            message = CompressedImage(format='jpeg')
            message.data.frombytes(coded.tobytes())
        message.header.stamp = stamp_of(round(self.now_s * 1e9))
        message.header.frame_id = 'head_camera'
        return message

    def show(self, rgb: np.ndarray, at_s: float | None = None) -> AffectedSide:
        """Publish one frame and wait for what the monitor says about it."""
        return self.answer_to(self.message(rgb, at_s))

    def answer_to(self, message) -> AffectedSide:
        """Publish a message and wait for the whole output set with its header."""
        outputs = (self.severities, self.asymmetries, self.sides)
        before = [len(output) for output in outputs]
        self.camera.publish(message)

        def answered():
            found = [next((said for said in output[count:] if said.header == message.header), None)
                     for output, count in zip(outputs, before, strict=True)]
            return found[-1] if None not in found else None

        return self.until(answered, f'an answer to the frame at {stamp_s(message.header):.3f} s')

    def until_withdrawn(self, reason: str) -> AffectedSide:
        """Wait until side, severity and asymmetry all say that, for this reason."""
        return self.until(
            lambda: all(output and reason in output[-1].reasons for output in (
                self.severities, self.asymmetries, self.sides)) and self.sides[-1],
            f'UNKNOWN because of {reason}')

    def until_silence_is_told(self) -> AffectedSide:
        """Let the monitor wait one second for images; what it says for want of them."""
        with self.stale_after(1.0):
            return self.until_withdrawn('no_image')

    @contextlib.contextmanager
    def stale_after(self, seconds: float):
        """Within it the monitor withdraws a side after this long, and else as good as never."""
        assert self.set_parameter('stale_timeout_s', seconds).successful
        yield
        assert self.set_parameter('stale_timeout_s', NEVER_STALE_S).successful

    def watch(self, rgb: np.ndarray, frames: int = 20) -> AffectedSide:
        """Show the same picture as a video; the last answer."""
        return [self.show(rgb) for _ in range(frames)][-1]

    # The operator

    def call(self, service_type, name: str, request):
        """Call a service of the monitor and return the response."""
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self.node.create_client(
                service_type, f'stroke_side_monitor/{name}')
        self.until(client.service_is_ready, f'the service {name}')
        asked: list = []

        def answered():
            # A server that has not found the asker yet drops its answer after 100 ms:
            # https://github.com/ros2/rmw_fastrtps/issues/842.
            if not asked or time.monotonic() - asked[-1][0] > ASK_AGAIN_S:
                asked.append((time.monotonic(), client.call_async(request)))
            return next((future for _, future in asked if future.done()), None)

        return self.until(answered, f'an answer of the service {name}').result()

    def enable(self, on: bool) -> SetBool.Response:
        """~/enable; switched off, it has left the images on return."""
        response = self.call(SetBool, 'enable', SetBool.Request(data=on))
        if response.success and not on:
            self.until_left()
        return response

    def reset(self) -> Trigger.Response:
        """~/reset."""
        return self.call(Trigger, 'reset', Trigger.Request())

    def enrol(self) -> Trigger.Response:
        """~/enrol_baseline."""
        return self.call(Trigger, 'enrol_baseline', Trigger.Request())

    def transition(self, label: str) -> bool:
        """One lifecycle transition, as a lifecycle manager asks for it.

        Deactivated or shut down, it has left the images on return.
        """
        request = ChangeState.Request(transition=Transition(label=label))
        success = self.call(ChangeState, 'change_state', request).success
        if success and label in ('deactivate', 'shutdown'):
            self.until_left()
        return success

    def state(self) -> str:
        """Label of the lifecycle state."""
        return self.call(GetState, 'get_state', GetState.Request()).current_state.label

    def set_parameter(self, name: str, value):
        """Set one parameter as `ros2 param set` does; the result."""
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call(SetParameters, 'set_parameters', request).results[0]

    def status(self, part: str, predicate=lambda level, message, values: True):
        """Wait for a diagnostic status of this part from now on that the predicate accepts.

        One that was gathered before may still be on its way, and does not know what has been
        answered since. A monitor whose simulated time has not begun stamps all of them 0.

        Returns:
            (level as int, message, values by key).
        """
        asked_ns = time.time_ns()
        name = f'{self.node.get_namespace().rstrip("/")}/stroke_side_monitor: {part}'
        seen: list = []

        def found():
            while self.diagnostics:
                report = self.diagnostics.pop(0)
                if 0 < stamp_ns(report.header) < asked_ns:
                    continue
                for status in report.status:
                    if status.name == name:
                        level = int.from_bytes(status.level, 'big')
                        values = {pair.key: pair.value for pair in status.values}
                        seen[:] = [(level, status.message, values)]
                        if predicate(*seen[0]):
                            return seen[0]
            return None

        try:
            return self.until(found, f'diagnostics of {part}')
        except AssertionError as error:
            raise AssertionError(f'{error}; last: {seen}') from None


def best_effort(depth: int = 1) -> QoSProfile:
    """A camera's usual QoS."""
    return QoSProfile(depth=depth, reliability=QoSReliabilityPolicy.BEST_EFFORT)
