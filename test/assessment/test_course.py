"""The buffer of courses: what it keeps, and what it must not keep."""

import numpy as np

from stroke_side_monitor.assessment.course import CourseBuffer


def test_frames_older_than_asked_for_are_forgotten():
    buffer = CourseBuffer(1.0)
    for index in range(50):
        buffer.add(index / 8, np.array(float(index)))
    assert len(buffer.between(0.0, 10.0)) == 9


def test_a_moment_told_again_and_again_is_kept_once_and_as_it_was_first_told():
    buffer = CourseBuffer(1.0)
    buffer.add(3.0, np.array(7.0))
    for _ in range(100):
        buffer.add(3.0, np.array(np.nan))
    kept = buffer.between(0.0, 10.0)
    assert kept.values.tolist() == [7.0]
