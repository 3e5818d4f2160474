"""A node whose goodbye never ends: `endless_goodbye.py [failing]`, a program for test_process.

It stands as Fast DDS does when it waits for itself: in C code, with Python's lock held.
"""

import ctypes
import sys

from rclpy.node import Node

from stroke_side_monitor.ros import ending, process


class EndlessGoodbye(Node):
    """Like rclpy's destroying of a publisher while Fast DDS stands still."""

    def autostart(self):
        """Say that it can be told to end, or give it a reason of its own."""
        print('ready', flush=True)
        assert 'failing' not in sys.argv

    def end(self):
        """Nothing to withdraw."""

    def destroy_node(self):
        """Never returns."""
        ctypes.PyDLL(None).pause()


if __name__ == '__main__':
    ending.tell_stacks_on_request()
    sys.exit(process.run(lambda: EndlessGoodbye('endless')))
