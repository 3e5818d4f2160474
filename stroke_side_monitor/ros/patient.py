"""The node `patient`: publishes a simulated session live, pictures, cues and truth.

It never draws anything itself and never writes files. Left and right are the PATIENT's.
"""

from __future__ import annotations

import math
import signal
from array import array
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from stroke_side_monitor.pipeline.parameters import Parameter
from stroke_side_monitor.ros import parameters, qos
from stroke_side_monitor.simulation import records
from stroke_side_monitor.simulation.palsy import EXERCISES
from stroke_side_monitor.simulation.request import SIDES, Request
from stroke_side_monitor.simulation.session import Cue, Frame, Session, SessionPlan
from stroke_side_msgs.msg import ExerciseCue, SimulatedPatientTruth

NODE_NAME = 'patient'

_PLAN = SessionPlan()
_LONGEST_REST_S = 600.0
TABLE = (
    Parameter('side', 'left', "weak side, the patient's own", choices=tuple(SIDES)),
    Parameter('severity', 0.7, '0 healthy to 1 no movement left', least=0.0, most=1.0),
    Parameter('pattern', 'central', 'forehead spared or whole side',
              choices=('central', 'peripheral')),
    Parameter('synkinesis', 0.0, 'how far the weak eye closes in a smile', least=0.0, most=1.0),
    Parameter('seed', 0, 'same seed, same pictures', least=0, most=2 ** 31 - 1),
    Parameter('photo', '', 'healthy frontal photograph; empty: a public-domain one'),
    Parameter('smile_photo', '', 'the same person smiling'),
    Parameter('exercises', ','.join(EXERCISES), 'in order, separated by commas; empty: rest only'),
    Parameter('obey_cues', False, 'move when somebody else gives a cue, instead of giving cues by '
              'the plan'),
    Parameter('repeats', _PLAN.repeats, 'repetitions of each exercise', least=1, most=100),
    Parameter('hold_s', _PLAN.hold_s, 'how long each movement is held', unit='s',
              least=0.1, most=60.0),
    Parameter('rest_s', _PLAN.rest_s, 'rest between movements', unit='s', least=0.1, most=600.0),
    Parameter('first_rest_s', _PLAN.first_rest_s, 'rest before the first movement', unit='s',
              least=0.1, most=_LONGEST_REST_S),
    Parameter('talk_s', _PLAN.talk_s, 'how long he speaks and smiles, unasked, before the first '
              'movement', unit='s', least=0.0, most=3600.0),
    Parameter('onset_s', -1.0, 'when the palsy sets in; negative: it is there from the start',
              unit='s', least=-1.0, most=3600.0),
    Parameter('fps', _PLAN.fps, 'frames per second', unit='Hz', least=1.0, most=120.0),
    Parameter('width', _PLAN.width, 'of the picture', unit='px', least=160, most=4096),
    Parameter('height', _PLAN.height, 'of the picture', unit='px', least=120, most=4096),
    Parameter('interocular_px', _PLAN.interocular_px, 'distance of the eyes in the picture',
              unit='px', least=30.0, most=600.0),
    Parameter('head_motion', _PLAN.head_motion, '0 still to 1 (yaw up to 12°)',
              least=0.0, most=1.0),
    Parameter('yaw_deg', _PLAN.yaw_deg, "turned to the patient's left, all the time", unit='deg',
              least=-30.0, most=30.0),
    Parameter('pitch_deg', _PLAN.pitch_deg, 'turned up all the time, as a camera that stands low '
              'sees it; negative: a high one', unit='deg', least=-40.0, most=40.0),
    Parameter('camera_distance_m', 0.0, 'the nearer, the more perspective; 0: none', unit='m',
              least=0.0, most=100.0),
    Parameter('camera', _PLAN.camera, 'light drift, noise and motion blur, 0 none to 1 a cheap '
              'camera', least=0.0, most=1.0),
    Parameter('mirrored', False, 'flip the picture, as selfie cameras do'),
    Parameter('image_transport', 'raw', 'what to publish: raw Image or JPEG CompressedImage',
              choices=('raw', 'compressed')),
    Parameter('loop', True, 'start the session again when it ends; otherwise the node ends'),
    Parameter('wait_for_viewer', True, 'begin when somebody subscribes to the pictures'),
)


class Patient(Node):
    """Publishes one session after another.

    Topics: `image` (or `image/compressed`), sensor-data QoS, overridable; `~/truth`;
    `stroke_side_monitor/exercise_cue`, where the monitor listens by default: given by the
    session's plan, or heard with `obey_cues`.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Read the parameters and prepare the patient.

        Raises:
            ValueError: a parameter or photograph that cannot be used, in one line.
        """
        super().__init__(NODE_NAME, **node_arguments)
        values = self._declare()
        self._loop, self._wait = bool(values['loop']), bool(values['wait_for_viewer'])
        self._raw = values['image_transport'] == 'raw'
        self._obeys = bool(values['obey_cues'])
        self._session: Session = _request(values).session()

        image = self.resolve_topic_name('image')
        self._images = self.create_publisher(
            Image if self._raw else CompressedImage,
            image if self._raw else f'{image}/compressed', qos.sensor_data(),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())
        self._truths = self.create_publisher(SimulatedPatientTruth, '~/truth', qos.reliable())
        cues = 'stroke_side_monitor/exercise_cue'
        if self._obeys:
            self.create_subscription(ExerciseCue, cues, self._hear, qos.reliable())
        else:
            self._cues = self.create_publisher(ExerciseCue, cues, qos.reliable())
        self._next = 0
        self._waiting_cues: list[Cue] = []
        # Steady, so that frames keep coming while somebody else's simulated time stands still.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._began = self._steady.now()

    def autostart(self) -> None:
        """Start the camera."""
        self.create_timer(1.0 / self._session.plan.fps, self._tick, clock=self._steady)
        self.get_logger().info(
            f'{self._session.palsy.side.name.lower()} patient, {len(self._session)} frames, '
            f'{self._session.duration_s:.1f} s a session, on {self._images.topic_name}')

    def end(self) -> None:
        """Stop the camera."""
        for timer in list(self.timers):
            self.destroy_timer(timer)

    def _declare(self) -> dict[str, Any]:
        for parameter in TABLE:
            try:
                self.declare_parameter(parameter.name, parameter.default,
                                       parameters.descriptor(parameter))
            except (InvalidParameterTypeException, InvalidParameterValueException) as error:
                raise ValueError(f'{parameter.name}: the value given is not a '
                                 f'{parameter.type_name} {parameter.allowed}'.rstrip()) from error
        values = {one.name: self.get_parameter(one.name).value for one in TABLE}
        for parameter in TABLE:
            refusal = parameter.refusal(values[parameter.name])
            if refusal:
                raise ValueError(refusal)
        return values

    def _tick(self) -> None:
        if self._next == 0 and not self._begin():
            return
        # A camera that cannot keep up drops frames; it does not film in slow motion.
        elapsed = (self._steady.now() - self._began).nanoseconds * 1e-9
        self._next = max(self._next, int(elapsed * self._session.plan.fps))
        if self._next >= len(self._session):
            self._finish()
            return
        self._publish(self._session.frame(self._next))
        self._next += 1

    def _begin(self) -> bool:
        if self._wait and self._images.get_subscription_count() == 0:
            return False
        self._session.start_ns = self.get_clock().now().nanoseconds
        self._waiting_cues = list(self._session.cues)
        self._began = self._steady.now()
        return True

    def _hear(self, cue: ExerciseCue) -> None:
        if cue.phase == ExerciseCue.START and self._next:
            hold_s = cue.hold_s or self._session.plan.hold_s
            self._session.obey(cue.exercise, self.get_clock().now().nanoseconds, hold_s)

    def _finish(self) -> None:
        self._publish_cues(until_ns=None)
        self._next = 0
        if not self._loop:
            self.get_logger().info('the session is over')
            # As if asked to: the process ends the one way it always ends.
            signal.raise_signal(signal.SIGTERM)

    def _publish(self, frame: Frame) -> None:
        stamp_ns = frame.truth.stamp_ns
        self._publish_cues(stamp_ns)
        header = _header(stamp_ns)
        self._truths.publish(SimulatedPatientTruth(
            header=header, **records.truth_fields(frame.truth)))
        if self._raw:
            height, width = frame.rgb.shape[:2]
            self._images.publish(Image(
                header=header, height=height, width=width, encoding=records.RAW_ENCODING,
                step=3 * width, data=_bytes(frame.rgb.tobytes())))
        else:
            self._images.publish(CompressedImage(
                header=header, format=records.IMAGE_FORMAT, data=_bytes(frame.jpeg)))

    def _publish_cues(self, until_ns: int | None) -> None:
        while self._waiting_cues and (
                until_ns is None or self._waiting_cues[0].stamp_ns <= until_ns):
            cue = self._waiting_cues.pop(0)
            self._cues.publish(ExerciseCue(
                header=_header(cue.stamp_ns), **records.cue_fields(cue)))


def _header(stamp_ns: int) -> Header:
    return Header(stamp=Time(nanoseconds=stamp_ns).to_msg(), frame_id=records.FRAME_ID)


def _bytes(data: bytes) -> Any:
    # rclpy checks every element of a list or bytes, but takes an array.array as it is.
    return array('B', data)


def _request(values: dict[str, Any]) -> Request:
    exercises = tuple(name.strip() for name in values['exercises'].split(',') if name.strip())
    if values['obey_cues']:  # nothing of his own, for as long as a session may be
        exercises, values = (), {**values, 'first_rest_s': _LONGEST_REST_S}
    onset = float(values['onset_s'])
    of_plan = ('repeats', 'hold_s', 'rest_s', 'first_rest_s', 'talk_s', 'fps', 'width', 'height',
               'interocular_px', 'head_motion', 'yaw_deg', 'pitch_deg', 'camera', 'mirrored')
    plan = SessionPlan(exercises=exercises, onset_s=None if onset < 0 else onset,
                       camera_distance_m=values['camera_distance_m'] or math.inf,
                       **{name: values[name] for name in of_plan})
    of_patient = ('side', 'severity', 'pattern', 'synkinesis', 'seed', 'photo', 'smile_photo')
    return Request(**{name: values[name] for name in of_patient}, plan=plan)
