"""What a change would have changed: two runs of `assess` over the same inputs, side by side.

It never assesses anything and never says which of the runs is right.
"""

from stroke_side_monitor.compare.command import main

__all__ = ['main']
