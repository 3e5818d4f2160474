"""What happens to one image message in the worker's thread: decode, assess, publish, count.

It never waits for messages, never touches the lifecycle, and publishes UNKNOWN with a reason
rather than nothing.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rclpy.clock import Clock
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from stroke_side_monitor import overlay
from stroke_side_monitor.assessment.exercise import REFUSED
from stroke_side_monitor.patient_files.files import PatientFiles
from stroke_side_monitor.perception.image import ImageDecodeError
from stroke_side_monitor.pipeline import (
    CLOCK_WENT_BACK,
    NO_IMAGE,
    RESET,
    UNDECODABLE,
    Assessment,
    Pipeline,
    PipelineSettings,
)
from stroke_side_monitor.pipeline.image_clock import ImageClock
from stroke_side_monitor.ros import conversions, qos
from stroke_side_monitor.ros.diagnostics import Statistics
from stroke_side_monitor.ros.moments import Moments
from stroke_side_monitor.ros.worker import Taken
from stroke_side_msgs.msg import (
    AffectedSide,
    ExerciseCue,
    ExerciseResult,
    ExerciseStatus,
    FacialAsymmetry,
    Severity,
)

# Reasons of this module's own; the others come from the pipeline.
INTERNAL_ERROR = 'internal_error'
DISABLED = 'disabled'
INACTIVE = 'inactive'
SHUTTING_DOWN = 'shutting_down'
UNCONFIGURED = 'unconfigured'
# Why a session began, beside the pipeline's own reasons.
ORIENTATION_CHANGED = 'orientation_changed'  # also a reason of its own
REASONS = (NO_IMAGE, UNDECODABLE, INTERNAL_ERROR, DISABLED, INACTIVE, SHUTTING_DOWN, UNCONFIGURED,
           ORIENTATION_CHANGED)

# Why a cue is refused, beside the exercises' own reasons.
BAD_PHASE = 'bad_phase'

# A reader that is gone must not keep the node from ending.
_LAST_WORDS_S = 0.5
# rclpy of Humble and Jazzy holds Python's lock while it waits: no longer than this at once.
_AT_ONCE = Duration(seconds=0.01)

# Clocks of camera and monitor that differ by more than this are worth a warning.
_FUTURE_S = 0.5


class Outputs:
    """The publishers of one configured node."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._side = self._create(AffectedSide, '~/affected_side')
        self._severity = self._create(Severity, '~/severity')
        self._asymmetry = self._create(FacialAsymmetry, '~/asymmetry')
        self._result = self._create(ExerciseResult, '~/exercise_result')
        self._overlay = self._create(Image, '~/overlay', qos.sensor_data())

    def _create(self, message_type: Any, topic: str, profile: QoSProfile | None = None) -> Any:
        return self._node.create_lifecycle_publisher(
            message_type, topic, profile or qos.reliable(),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())

    def publish(self, assessment: Assessment, header: Header, moments: Moments) -> None:
        """One output set, all with the same header."""
        self.publish_results(assessment, header, moments)
        for publisher, convert in ((self._asymmetry, conversions.asymmetry),
                                   (self._severity, conversions.severity),
                                   (self._side, conversions.affected_side)):
            # Nothing is kept for late joiners: unheard messages need not be made.
            if publisher.get_subscription_count():
                publisher.publish(convert(assessment, header))

    def publish_results(self, assessment: Assessment, header: Header, moments: Moments) -> None:
        """The exercises that have ended by this assessment, if any; first those of whoever was
        there before."""
        for ended in filter(None, (assessment.parting, assessment)):
            for result in ended.exercise_results:
                self._result.publish(conversions.exercise_result(
                    result, ended, moments, header.frame_id))

    def publish_overlay(self, rgb: Any, assessment: Assessment, header: Header,
                        settings: PipelineSettings) -> None:
        """Draw and publish, if anybody is looking."""
        if self._overlay.get_subscription_count():
            drawn = overlay.draw_received(rgb, assessment, settings)
            self._overlay.publish(conversions.image_message(drawn, header))

    def destroy(self) -> None:
        """Take the publishers off the graph, once their last words have been heard."""
        until = time.monotonic() + _LAST_WORDS_S
        for publisher in (self._side, self._severity, self._asymmetry, self._result):
            # A publisher that goes takes with it what a reliable reader has not acknowledged:
            # here the UNKNOWN that withdraws the last side.
            while not publisher.wait_for_all_acked(_AT_ONCE) and time.monotonic() < until:
                time.sleep(0.001)
        for publisher in (self._side, self._severity, self._asymmetry, self._result,
                          self._overlay):
            self._node.destroy_lifecycle_publisher(publisher)


class FrameAssessor:
    """Handles the worker's frames. Its methods run in the worker's thread."""

    def __init__(self, outputs: Outputs, answer: Callable[[ExerciseStatus], None],
                 statistics: Statistics, files: PatientFiles, logger: Any, clock: Clock,
                 topic: str, image_type: Any) -> None:
        self._answer = answer
        self._image_type = image_type
        self._outputs = outputs
        self.files = files
        self._statistics = statistics
        self._logger = logger
        self._clock = clock
        self._topic = topic
        self._header = Header()
        self._image_clock = ImageClock()
        self._moments = Moments()
        self._recorded_s = 0.0
        self._undecodable_since_output = False
        self.cue = ''
        self.session = 0

    def frame(self, pipeline: Pipeline, serialised: bytes) -> Taken:
        """Assess one image message as it came over the wire, if it is due, and publish.

        Returns:
            NOTHING where it was late or no picture, or not due and the one before was none.
        """
        start = time.perf_counter()
        stamp_s = conversions.serialised_stamp_s(serialised)
        if self._image_clock.is_late(stamp_s, pipeline.settings.jump_back_s):
            self._statistics.frame_late()
            return Taken.NOTHING
        if not pipeline.due(stamp_s):
            self._statistics.frame_passed_over()
            return Taken.NOTHING if self._undecodable_since_output else Taken.PASSED_OVER
        message = conversions.camera_image(serialised, self._image_type)
        try:
            rgb = conversions.picture(message)
        except ImageDecodeError as error:
            self._count_undecodable(message, error)
            return Taken.NOTHING
        decoded = time.perf_counter()
        stamp_note = self._check_stamp(pipeline, message.header)
        self._header = message.header
        self._moments.image(self._image_clock.seconds, message.header.stamp)
        assessment = pipeline.assess(rgb, self._image_clock.seconds)
        assessed = time.perf_counter()
        self._publish(assessment, message.header)
        published = time.perf_counter()
        self._undecodable_since_output = False
        self._statistics.frame_assessed(
            assessment,
            {**assessment.timings_ms, 'decode': (decoded - start) * 1e3,
             'publish': (published - assessed) * 1e3, 'total': (published - start) * 1e3},
            self._clock.now().nanoseconds * 1e-9 - conversions.stamp_s(message.header), stamp_note)
        self._outputs.publish_overlay(rgb, assessment, message.header, pipeline.settings)
        return Taken.ASSESSED

    def silence(self, pipeline: Pipeline) -> None:
        """Nothing was assessed for the stale timeout: what was said no longer stands."""
        reason = UNDECODABLE if self._undecodable_since_output else NO_IMAGE
        self._undecodable_since_output = False
        self.lose(pipeline, reason)

    def failed(self, pipeline: Pipeline, error: Exception) -> None:
        """A frame or command raised: say so once, forget the tracked face, go on."""
        text = f'{type(error).__name__}: {error}'.replace('\n', ' ')
        if self._statistics.frame_failed(type(error).__name__, text):
            trace = ''.join(traceback.format_exception(type(error), error, error.__traceback__))
            self._logger.error(f'frame not assessed, please report: {text}\n{trace}')
        try:
            self._start_afresh(pipeline, INTERNAL_ERROR)
        except Exception:  # noqa: BLE001 - told above; what raises again must not keep it from
            pipeline.reset(INTERNAL_ERROR)  # forgetting what made it raise
        self.lose(pipeline, INTERNAL_ERROR)

    def lose(self, pipeline: Pipeline, reason: str) -> None:
        """Publish UNKNOWN with the header of the last image, for there is no newer one."""
        assessment = pipeline.lost(self._image_clock.seconds, reason)
        self._publish(assessment, self._header)

    def leave(self, pipeline: Pipeline, reason: str) -> None:
        """As lose(), when no more images are taken: every START has its result by then."""
        results = pipeline.finish()
        last = pipeline.lost(self._image_clock.seconds, reason)
        self._publish(replace(last, exercise_results=results), self._header)

    def _publish(self, assessment: Assessment, header: Header) -> None:
        self.session = assessment.session
        self._outputs.publish(assessment, header, self._moments)
        # Before the first image there is no time at which to record it.
        if self._image_clock.running:
            self.files.add(assessment)
            self._recorded_s = self._image_clock.seconds

    def forget(self, pipeline: Pipeline) -> None:
        """Another patient."""
        self._start_afresh(pipeline, RESET)
        self.files.event(self._recorded_s, 'reset')
        self._header = Header()
        self._image_clock.reset()
        self.cue = ''

    def _start_afresh(self, pipeline: Pipeline, reason: str) -> None:
        """Forget the patient, but first give every START its result."""
        results = pipeline.finish()
        if results:
            last = replace(pipeline.lost(self._image_clock.seconds, RESET),
                           exercise_results=results)
            self._outputs.publish_results(last, self._header, self._moments)
            if self._image_clock.running:
                self.files.results(last)
        pipeline.reset(reason)
        self.session = pipeline.session
        self._moments.clear()

    def change_settings(self, pipeline: Pipeline, settings: PipelineSettings) -> None:
        """Take new settings; where left and right change places, nothing said before stands."""
        before = pipeline.settings
        pipeline.settings = settings
        if (settings.input_mirrored, settings.image_rotation_deg) != (
                before.input_mirrored, before.image_rotation_deg):
            self._start_afresh(pipeline, ORIENTATION_CHANGED)
            self.files.event(self._recorded_s, ORIENTATION_CHANGED, {
                'input_mirrored': settings.input_mirrored,
                'image_rotation_deg': settings.image_rotation_deg})
            self.lose(pipeline, ORIENTATION_CHANGED)

    def take_cue(self, pipeline: Pipeline, cue: ExerciseCue) -> None:
        """Tell the pipeline what the patient is asked to do; a cue without stamp means now."""
        if cue.phase not in (ExerciseCue.START, ExerciseCue.STOP):
            self._answer(conversions.exercise_status(
                cue, pipeline.session, accepted=False, reasons=(BAD_PHASE,)))
            self._logger.warning(f'exercise cue with phase {cue.phase}: neither START nor STOP')
            return
        start = cue.phase == ExerciseCue.START
        moment_s = self._image_clock.of_cue(
            conversions.stamp_s(cue.header), start, time.monotonic())
        problems = pipeline.cue(cue.exercise, start, moment_s, cue.hold_s)
        taken = REFUSED.isdisjoint(problems)
        if start and taken:
            self._moments.start(moment_s, cue)
        self._answer(conversions.exercise_status(cue, pipeline.session, taken, problems))
        if not math.isnan(moment_s):
            self.files.cue(moment_s, cue.exercise, start, cue.hold_s, problems)
        self.cue = f'{cue.exercise[:40]} {"start" if start else "stop"}'
        if problems:
            self.cue += ': ' + ', '.join(problems)
            self._logger.warning(f'exercise cue {self.cue}')

    def _check_stamp(self, pipeline: Pipeline, header: Header) -> str:
        """Reset after a jump back in time; return what is odd about the stamp, or ''."""
        stamp, last = conversions.stamp_s(header), conversions.stamp_s(self._header)
        if self._image_clock.take(stamp, time.monotonic()):
            self._logger.info(
                f'image stamp went back from {last:.3f} to {stamp:.3f} s: starting afresh')
            self._start_afresh(pipeline, CLOCK_WENT_BACK)
        if stamp == 0.0:
            return 'images carry no stamp: the camera driver must set header.stamp'
        if stamp == last:
            return 'image stamps do not advance'
        ahead = stamp - self._clock.now().nanoseconds * 1e-9
        if ahead > _FUTURE_S:
            return f'image stamps are {ahead:.1f} s in the future: synchronise the clocks'
        return ''

    def _count_undecodable(self, message: Any, error: ImageDecodeError) -> None:
        self._undecodable_since_output = True
        text = (f'undecodable image on {self._topic} '
                f'(encoding {conversions.encoding(message)[:40]!r}): {error}')
        # Once per kind of fault, not per text: a broken cable must not fill the log.
        if self._statistics.image_undecodable(error.kind, text):
            self._logger.warning(text)
