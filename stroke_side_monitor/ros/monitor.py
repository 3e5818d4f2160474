"""The lifecycle node: images in, affected side and severity out, through one worker thread.

It never looks at pixels or landmarks itself and never lets a stale side stand: whatever ends the
stream of assessments publishes UNKNOWN with its reason first.
"""

from __future__ import annotations

import functools
import itertools
import os
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import RegionOfInterest
from std_srvs.srv import SetBool, Trigger

from stroke_side_monitor import __version__
from stroke_side_monitor.assessment.baseline import REST_NEEDED_S, BaselineError, PersonalBaseline
from stroke_side_monitor.assessment.norms import NormsError
from stroke_side_monitor.patient_files.files import PatientFiles
from stroke_side_monitor.patient_files.session_record import SessionError
from stroke_side_monitor.perception.tflite import ModelError
from stroke_side_monitor.pipeline import Pipeline
from stroke_side_monitor.resources import ResourceMissingError
from stroke_side_monitor.ros import conversions, diagnostics, frames, parameters, qos, silence
from stroke_side_monitor.ros.guard import Guarded, one_line
from stroke_side_monitor.ros.image_thread import ImageThread
from stroke_side_monitor.ros.worker import Worker
from stroke_side_msgs.msg import ExerciseCue, ExerciseStatus

NODE_NAME = 'stroke_side_monitor'

_Transition = Callable[['Monitor', LifecycleState], TransitionCallbackReturn]
_SUCCESS, _FAILURE, _ERROR = (TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE,
                              TransitionCallbackReturn.ERROR)


def _transition(callback: _Transition) -> _Transition:
    """Log what a transition raised; rclpy itself would turn it into ERROR without a word."""

    @functools.wraps(callback)
    def logged(self: Monitor, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(self, state)
        except Exception as error:  # noqa: BLE001 - the transition fails, the node lives on
            self.problem = f'{callback.__name__}: {error}'.replace('\n', ' ')
            self.get_logger().error(self.problem)
            self.get_logger().debug(traceback.format_exc())
            return _ERROR

    return logged


class Monitor(Guarded, LifecycleNode):
    """The node `stroke_side_monitor`. Topics, services and parameters: docs/ros_api.md."""

    def __init__(self, **node_arguments: Any) -> None:
        """Declare parameters and start the diagnostics; nothing else runs until configure."""
        self._statistics = diagnostics.Statistics()
        super().__init__(NODE_NAME, **node_arguments)
        self.problem = ''
        self._bad_parameters = parameters.declare(self)
        self.add_on_set_parameters_callback(self._change_parameters)
        self._worker: Worker | None = None
        self._outputs: frames.Outputs | None = None
        self._assessor: frames.FrameAssessor | None = None
        self._files: PatientFiles | None = None
        self._images: ImageThread | None = None
        self._model: Mapping[str, str] = {}
        self._watch = diagnostics.Watch()
        self._active = False
        self._enabled = True
        self._subscribed_at = 0.0
        self._image_qos = qos.sensor_data(depth=1)
        # From the clock on the wall, so that they also grow when the node is started anew.
        self._session_numbers = itertools.count(int(time.time()))

        self._serve()
        self._diagnostics = self.create_publisher(
            DiagnosticArray, '/diagnostics', qos.reliable())
        # Steady: diagnostics must go on while simulated time stands still.
        self.create_timer(1.0, self._publish_diagnostics,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _serve(self) -> None:
        """What answers in every state, if only why not."""
        self._cue_answers = self.create_publisher(
            ExerciseStatus, '~/exercise_status', qos.reliable())
        self.create_subscription(
            ExerciseCue, '~/exercise_cue', self._on_cue, qos.reliable())
        self.create_subscription(
            RegionOfInterest, '~/patient_region', self._on_patient_region, qos.reliable())
        self.create_service(SetBool, '~/enable', self._on_enable)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self.create_service(Trigger, '~/enrol_baseline', self._on_enrol_baseline)

    def autostart(self) -> None:
        """Configure and activate, unless the parameter autostart is false."""
        if self._value('autostart') and self.trigger_configure() == _SUCCESS:
            self.trigger_activate()

    def end(self) -> None:
        """Shut down, whatever state it is in."""
        if self._state_label != 'finalized':
            self.trigger_shutdown()

    def callback_failed(self, name: str, error: Exception) -> None:
        """Told in the diagnostics, and in the log the first time of its kind."""
        if self._statistics.callback_failed(f'{name} {type(error).__name__}',
                                            one_line(name, error)):
            super().callback_failed(name, error)

    @property
    def _state_label(self) -> str:
        # rclpy's lifecycle node offers its own state to other nodes only.
        return str(self._state_machine.current_state[1])

    # Transitions

    @_transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check parameters, load norms, mesh and model. FAILURE: stays unconfigured, says why."""
        self.problem = '; '.join((*self._bad_parameters.values(),
                                  *parameters.refusals(parameters.current(self))))
        for line in parameters.unknown(self):
            self._tell(line)
        if not self.problem:
            try:
                self._build()
            except (ModelError, NormsError, ResourceMissingError, BaselineError,
                    SessionError) as error:
                self._tear_down()
                self.problem = str(error)
        if self.problem:
            self.get_logger().error(f'not configured: {self.problem}')
            return _FAILURE
        return super().on_configure(state)

    @_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take images and publish."""
        result = super().on_activate(state)
        self._active = True
        if self._enabled:
            self._take_images()
        return result

    @_transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Withdraw the last side with UNKNOWN, then fall silent."""
        self._active = False
        self._leave_images(frames.INACTIVE)
        return super().on_deactivate(state)

    @_transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release mesh, model and thread."""
        self._tear_down()
        return super().on_cleanup(state)

    @_transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Withdraw the last side with UNKNOWN and release everything."""
        self._active = False
        self._leave_images(frames.SHUTTING_DOWN)
        self._tear_down()
        return super().on_shutdown(state)

    @_transition
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything; the node is unconfigured and may be configured again."""
        self._active = False
        self._leave_images(frames.INTERNAL_ERROR)
        self._tear_down()
        return super().on_error(state)

    def _build(self) -> None:
        values = parameters.current(self)
        self._statistics.clear()
        self._outputs = frames.Outputs(self)
        self._files = PatientFiles(
            tell=self._tell, versions={'software': __version__}, parameters=values,
            **{name: str(values[name]) for name in (
                'patient_key', 'baseline_directory', 'record_session')})
        self._assessor = frames.FrameAssessor(
            self._outputs, self._cue_answers.publish, self._statistics, self._files,
            self.get_logger(), self.get_clock(), self._topic, self._image_type)
        self._worker = Worker(
            functools.partial(self._make_pipeline, values, self._files.baseline), self._assessor,
            float(values['stale_timeout_s']))

    def _make_pipeline(self, values: Mapping[str, parameters.Value],
                       baseline: PersonalBaseline | None) -> Pipeline:
        """Runs in the worker's thread, to which mesh and interpreter belong."""
        pipeline = Pipeline(
            parameters.pipeline_settings(values), video=True,
            norms_path=_path(values['norms_path']), model_path=_path(values['model_path']),
            session_numbers=self._session_numbers)
        pipeline.use_baseline(baseline)
        self._model = _describe(pipeline)
        return pipeline

    def _tear_down(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        if self._outputs is not None:
            self._outputs.destroy()
        if self._files is not None:
            self._files.close()
        self._worker = self._assessor = self._outputs = self._files = None
        self._model = {}

    # Images

    @property
    def _topic(self) -> str:
        # Built from the resolved name, so that remapping `image` moves both transports, as
        # image_transport's users expect.
        name = self.resolve_topic_name('image')
        return name if self._value('image_transport') == 'raw' else f'{name}/compressed'

    @property
    def _image_type(self) -> Any:
        return conversions.IMAGE_TYPES[self._value('image_transport')]

    def _take_images(self) -> None:
        if self._images is not None or self._worker is None or self._assessor is None:
            return
        self._worker.ask(lambda pipeline: pipeline.resume())
        self._worker.resume()
        self._subscribed_at = time.monotonic()
        image_qos = qos.sensor_data(depth=1)
        self._images = ImageThread(self, self._image_type, self._topic, image_qos,
                                   self._on_image, self.callback_failed)
        self._image_qos = image_qos  # with the overrides applied
        self.get_logger().info(
            f'taking {_type_name(self._image_type)} on {self._topic}, '
            f'{image_qos.reliability.name.lower()}; {self._model["model"]}; '
            f'ROS 2 {os.environ.get("ROS_DISTRO", "(ROS_DISTRO is not set)")}')

    def _leave_images(self, reason: str) -> None:
        if self._images is not None:
            self._images.close()
            self._images = None
            worker, assessor = self._worker, self._assessor
            if worker is not None and assessor is not None:
                worker.pause(lambda pipeline: assessor.leave(pipeline, reason))

    def _on_image(self, serialised: bytes) -> None:
        if self._worker is not None:
            self._statistics.image_received(self._worker.offer(serialised))

    # The controller's side

    def _on_cue(self, cue: ExerciseCue) -> None:
        worker, assessor = self._worker, self._assessor
        if worker is None or assessor is None:
            self._refuse(cue, 0, frames.UNCONFIGURED)
        elif self._images is None:
            self._refuse(cue, assessor.session,
                         frames.DISABLED if self._active else frames.INACTIVE)
        else:
            worker.ask(lambda pipeline: assessor.take_cue(pipeline, cue))

    def _on_patient_region(self, said: RegionOfInterest) -> None:
        box = (int(said.x_offset), int(said.y_offset), int(said.width), int(said.height))
        region = box if said.width and said.height else None
        # Said while no images are taken it would be of a moment that is over by the next one.
        if self._worker is not None and self._images is not None:
            self._worker.ask(lambda pipeline: pipeline.point_at(region))

    def _refuse(self, cue: ExerciseCue, session: int, reason: str) -> None:
        self._cue_answers.publish(
            conversions.exercise_status(cue, session, accepted=False, reasons=(reason,)))

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        if self._active and request.data:
            self._take_images()
        else:
            self._leave_images(frames.DISABLED)
        response.success = True
        response.message = 'enabled' if request.data else 'disabled'
        if request.data and not self._active:
            response.message += '; takes effect when the node is activated'
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._worker is None or self._assessor is None:
            response.message = self._why_unconfigured
            return response
        self._worker.ask(self._assessor.forget)
        response.success = True
        response.message = 'the next frame starts a new patient'
        return response

    def _on_enrol_baseline(self, _: Trigger.Request, response: Trigger.Response
                           ) -> Trigger.Response:
        if self._worker is None or self._files is None:
            response.message = self._why_unconfigured
            return response
        response.message = self._files.why_no_enrolment
        if not response.message:
            self._worker.ask(lambda pipeline: pipeline.enrol_baseline())
            response.success = True
            response.message = (f'gathering {REST_NEEDED_S:.0f} s of rest; the log tells when the '
                                'baseline is stored, /diagnostics how far it has come')
        return response

    @property
    def _why_unconfigured(self) -> str:
        return f'not configured: {self.problem or "ask for the transition configure first"}'

    # Parameters and diagnostics

    def _tell(self, text: str) -> None:
        self.get_logger().warning(text)

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _change_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        reason = parameters.refusal_of_change(self, changes)
        if reason:
            return SetParametersResult(successful=False, reason=reason)
        for change in changes:  # what could not be read at the start has a value now
            self._bad_parameters.pop(change.name, None)
        values = parameters.current(self)
        values.update({change.name: change.value for change in changes if change.name in values})
        assessor = self._assessor
        if self._worker is not None and assessor is not None:
            settings = parameters.pipeline_settings(values)
            self._worker.ask(lambda pipeline: assessor.change_settings(pipeline, settings))
            self._worker.stale_timeout_s = float(values['stale_timeout_s'])
        return SetParametersResult(successful=True)

    def _publish_diagnostics(self) -> None:
        stamp = self.get_clock().now().to_msg()
        snapshot = self._statistics.snapshot()
        condition = self._condition(silence_text='')
        if diagnostics.images_missing(condition, snapshot):
            condition = self._condition(silence.why_silent(
                self, self._topic, _type_name(self._image_type), self._image_qos))
        for line in self._watch.news(condition, snapshot):
            self._tell(line)
        array = diagnostics.report(self.get_fully_qualified_name(), condition, snapshot)
        array.header.stamp = stamp
        self._diagnostics.publish(array)

    def _condition(self, silence_text: str) -> diagnostics.Condition:
        subscribed = self._images is not None
        return diagnostics.Condition(
            lifecycle=self._state_label, enabled=self._enabled,
            problem=self.problem,
            active_s=time.monotonic() - self._subscribed_at if subscribed else None,
            topic=self._topic, silence=silence_text,
            publishers=self.count_publishers(self._topic),
            busy_s=0.0 if self._worker is None else self._worker.busy_s, model=self._model,
            cue='' if self._assessor is None else self._assessor.cue,
            enrolment='' if self._files is None else self._files.enrolment,
            not_written='' if self._files is None else self._files.problem,
            stale_timeout_s=float(self._value('stale_timeout_s')),
            window_s=float(self._value('window_s')))


def _path(value: parameters.Value) -> Path | None:
    return Path(str(value)).expanduser() if value else None


def _describe(pipeline: Pipeline) -> dict[str, str]:
    classifier = pipeline.classifier
    if classifier is None:
        return {'model': 'none (use_classifier is false)'}
    return {'model': classifier.name, 'model_sha256': classifier.sha256,
            'runtime': classifier.runtime, 'threads': str(classifier.threads)}


def _type_name(message_type: Any) -> str:
    return f'{message_type.__module__.split(".", 1)[0]}/msg/{message_type.__name__}'
