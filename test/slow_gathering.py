"""A node that is told to end while its executor has work in hand: a program for test_process.

It shows what is destroyed under the executor's hands.
"""

import sys
import time

from rclpy.node import Node

from stroke_side_monitor.ros import ending, process


class SlowToGather(Node):
    """The executor looks at a node's timers before it waits and, when one is ready, after that."""

    looks = 0

    @property
    def timers(self):
        """As rclpy's; the fourth look, in a cycle's second half, takes long and says so."""
        self.looks += 1
        if self.looks == 4:
            print('ready', flush=True)
            time.sleep(0.5)
        return super().timers

    def autostart(self):
        """Have something to do in each cycle."""
        self.create_timer(0.001, lambda: None)
        self.looks = 0

    def end(self):
        """Nothing to withdraw."""


if __name__ == '__main__':
    ending.tell_stacks_on_request()
    sys.exit(process.run(lambda: SlowToGather('slow')))
