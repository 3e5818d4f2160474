"""A whole session of exercises: cue, wait for the answer and the result, go on.

It survives what happens on a ward: a cue that is lost or refused is given again, a result that does
not come or is invalid costs one repetition, a monitor that starts afresh (`session` has grown) or
pauses is waited for. It prints one line per repetition and ends with status 0, or with 1 when too
little of the session could be done.

python3 exercise_controller.py --ros-args -p exercises:="[smile, eye_close]" -p repetitions:=2
"""

import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from stroke_side_msgs.msg import AffectedSide, ExerciseCue, ExerciseResult, ExerciseStatus

SIDES = {AffectedSide.LEFT: 'left', AffectedSide.RIGHT: 'right', AffectedSide.NONE: 'none'}


class ExerciseController(Node):
    """One step at a time: what it waits for stands in `self.waiting`."""

    def __init__(self):
        super().__init__('exercise_controller')
        names = self.declare_parameter('exercises', ['smile', 'eye_close', 'pucker']).value
        again = self.declare_parameter('repetitions', 2).value
        self.hold_s = self.declare_parameter('hold_s', 3.0).value
        self.rest_s = self.declare_parameter('rest_s', 3.0).value
        self.patience_s = self.declare_parameter('patience_s', 10.0).value
        # Who must hear a cue: the monitor, and whoever else acts on it, as the simulated patient.
        self.listeners = self.declare_parameter('listeners', 1).value
        self.plan = [name for name in names for _ in range(again)]
        self.done, self.tries, self.cue_id, self.session = [], 0, 0, None
        self.cues = self.create_publisher(ExerciseCue, 'stroke_side_monitor/exercise_cue', 10)
        self.create_subscription(
            AffectedSide, 'stroke_side_monitor/affected_side', self.hear_side, 10)
        self.create_subscription(
            ExerciseStatus, 'stroke_side_monitor/exercise_status', self.hear_status, 10)
        self.create_subscription(
            ExerciseResult, 'stroke_side_monitor/exercise_result', self.hear_result, 10)
        self.side = 'unknown'
        self.rest()
        self.create_timer(0.1, self.tick)

    def rest(self, since=None):
        # On the images' clock, from the end of the last exercise or the first image seen: what
        # matters is how long the monitor has seen the face at rest, not how long we have waited.
        self.waiting, self.rested_from, self.stamp, self.until = 'face', since, None, 0

    def wait(self, what, seconds):
        self.waiting = what
        self.until = self.get_clock().now().nanoseconds + int(seconds * 1e9)

    def hear_side(self, message):
        # Cues are stamped on the images' clock: an answer's header is an image's.
        if message.session != self.session:  # whatever it knew, it knows no more
            if self.waiting in ('answer', 'result'):
                print(f'the monitor has started afresh ({message.session_reason}): once more',
                      flush=True)
            self.session = message.session
            self.rest()
        if message.header != Header():  # empty before the first image
            self.stamp = message.header.stamp
            if self.rested_from is None or self.rested_s() < 0.0:
                self.rested_from = self.stamp
        self.side = SIDES.get(message.side, 'unknown') if message.stable else 'unknown'

    def hear_status(self, message):
        if self.waiting == 'answer' and message.cue_id == self.cue_id:
            if message.accepted:
                self.wait('result', self.hold_s + self.patience_s)
            else:
                print('refused:', *message.reasons, flush=True)
                self.rest()

    def hear_result(self, message):
        if self.waiting == 'result' and message.cue_id == self.cue_id:
            self.finish(message)

    def tick(self):
        if self.get_clock().now().nanoseconds < self.until:
            return
        if self.waiting in ('answer', 'result'):
            print(f'no {self.waiting} came', flush=True)
            self.finish(None) if self.waiting == 'result' else self.rest()
        elif len(self.done) == len(self.plan):
            raise SystemExit(self.status())
        elif self.stamp and self.rested_s() >= self.rest_s and (
                self.cues.get_subscription_count() >= self.listeners):
            self.give_cue()

    def rested_s(self):
        rested = Time.from_msg(self.stamp) - Time.from_msg(self.rested_from)
        return rested.nanoseconds * 1e-9

    def give_cue(self):
        self.tries += 1
        if self.tries > 4 * len(self.plan):
            raise SystemExit(1)
        self.cue_id += 1
        cue = ExerciseCue(exercise=self.plan[len(self.done)], phase=ExerciseCue.START,
                          hold_s=self.hold_s, cue_id=self.cue_id)
        cue.header.stamp, self.stamp = self.stamp, None
        self.cues.publish(cue)
        self.wait('answer', self.patience_s)

    def finish(self, result):
        name = self.plan[len(self.done)]
        valid = result is not None and result.valid
        if valid:  # positive: the patient's left moved less
            less = 'left' if result.asymmetry > 0 else 'right'
            told = f'the {less} reached {result.ratio:.2f} of the other'
        else:
            told = ' '.join(['invalid', *(result.reasons if result else ())])
        print(f'{len(self.done) + 1}/{len(self.plan)} {name}: {told}; side {self.side}', flush=True)
        self.done.append(valid)
        self.rest(result.header.stamp if result else None)

    def status(self):
        good = sum(self.done)
        print(f'{good} of {len(self.plan)} repetitions could be used', flush=True)
        return 0 if good * 2 >= len(self.plan) else 1


if __name__ == '__main__':
    rclpy.init()
    try:
        rclpy.spin(ExerciseController())
    except (KeyboardInterrupt, ExternalShutdownException):
        sys.exit(1)
