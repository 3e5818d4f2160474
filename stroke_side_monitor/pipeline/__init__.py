"""One frame and its stamp → one Assessment: the only place where perception and assessment meet.

It never talks to ROS, never opens a file after construction and never keeps a
picture. Left and right are the PATIENT's. Read pipeline.py first: it is the way of
one frame, from top to bottom; each idea beside that way has a module of its own.
"""

from stroke_side_monitor.pipeline.pipeline import (
    ANOTHER_FACE,
    CLOCK_WENT_BACK,
    NO_IMAGE,
    RESET,
    STARTED,
    UNDECODABLE,
    Pipeline,
    load_norms,
)
from stroke_side_monitor.pipeline.result import Assessment, View
from stroke_side_monitor.pipeline.settings import PipelineSettings

__all__ = ['ANOTHER_FACE', 'CLOCK_WENT_BACK', 'NO_IMAGE', 'RESET', 'STARTED', 'UNDECODABLE',
           'Assessment', 'Pipeline', 'PipelineSettings', 'View', 'load_norms']
