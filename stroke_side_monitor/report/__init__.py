"""One self-contained page about recorded sessions, for a therapist to read and print.

It never assesses anything anew and never loads anything from a network.
"""

from stroke_side_monitor.report.command import main

__all__ = ['main']
