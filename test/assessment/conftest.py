"""Landmark courses of a face whose every movement is known to the millimetre."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from stroke_side_monitor import landmarks as lm

_HALF_ROOT = np.sqrt(0.5)
_SIDES = (('right', -1.0), ('left', 1.0))


@dataclass
class FaceCourse:
    """Writes a course frame by frame.

    fps: frames per second. bias_mm: asymmetry added to the commissures, lids
    and brows with a sign that alternates, as two mirrored trackers do.
    noise_mm: standard deviation added to every landmark.
    """

    face: np.ndarray
    fps: float = 30.0
    bias_mm: float = 0.0
    noise_mm: float = 0.0
    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    time_s: float = 0.0
    frames: list = field(default_factory=list)

    def with_eyes_closed(self, share):
        """The same course from here on with lids closed by that share, even at rest."""
        self.face = self.face.copy()
        displace(self.face, 'eye_close', share, share)
        return self

    def rest(self, seconds):
        return self.move('smile', 0.0, 0.0, seconds)

    def move(self, exercise, right, left, seconds, *, left_delay_s=0.0, eyes=(0.0, 0.0)):
        """A movement that sets in after 0.4 s, rises for 0.4 s and is held to the end.

        right, left: true excursion at the peak, mm, or the closed fraction of the
            lid gap that FaceMesh shows.
        eyes: closed fraction (right, left) of the lids that goes with it.
        """
        for frame in range(round(seconds * self.fps)):
            since_s = frame / self.fps
            share = {'right': np.clip((since_s - 0.4) / 0.4, 0, 1),
                     'left': np.clip((since_s - 0.4 - left_delay_s) / 0.4, 0, 1)}
            points = self.face.copy()
            displace(points, exercise, *as_seen(
                exercise, right * share['right'], left * share['left']))
            displace(points, 'eye_close', eyes[0] * share['right'], eyes[1] * share['left'])
            self._append(points)
        return self

    def lose(self, share, seed=3):
        """Make a share of the frames unassessable."""
        lost = np.random.default_rng(seed).random(len(self.frames)) < share
        self.frames = [(stamp_s, None if gone else points)
                       for (stamp_s, points), gone in zip(self.frames, lost, strict=True)]
        return self

    def mirrored(self):
        """The frames of the mirrored face."""
        return [(stamp_s, None if points is None else lm.mirror_points(points))
                for stamp_s, points in self.frames]

    def _append(self, points):
        bias = self.bias_mm * (-1) ** len(self.frames) / 2
        points[lm.COMMISSURE_RIGHT, 1] += bias
        points[lm.COMMISSURE_LEFT, 1] -= bias
        for right, left in ((lm.UPPER_LID_RIGHT, lm.UPPER_LID_LEFT), (lm.BROW_RIGHT, lm.BROW_LEFT)):
            points[list(right), 1] += bias
            points[list(left), 1] -= bias
        points += self.generator.normal(0.0, self.noise_mm or 1e-9, points.shape)
        self.frames.append((self.time_s, points))
        self.time_s += 1.0 / self.fps


def as_seen(exercise, right, left):
    """What FaceMesh shows of true excursions: of the mouth's, the sides more alike."""
    gain = {'smile': 1.3, 'pucker': 1.2}.get(exercise, 1.0)
    middle, half = (right + left) / 2, (right - left) / 2 / gain
    return middle + half, middle - half


def displace(points, exercise, right, left):
    """Move both sides of a face in place by the given excursions."""
    for (side, outward), amount in zip(_SIDES, (right, left), strict=True):
        upper, lower = ((lm.UPPER_LID_RIGHT, lm.LOWER_LID_RIGHT) if side == 'right'
                        else (lm.UPPER_LID_LEFT, lm.LOWER_LID_LEFT))
        index = {name: getattr(lm, f'{name}_{side.upper()}') for name in (
            'COMMISSURE', 'BROW', 'ALA', 'UPPER_VERMILION_QUARTER', 'LOWER_VERMILION_QUARTER')}
        if exercise == 'smile':
            points[index['COMMISSURE'], :2] += amount * _HALF_ROOT * np.array([outward, 1.0])
        elif exercise == 'pucker':
            points[index['COMMISSURE'], 0] -= amount * outward
        elif exercise == 'brow_raise':
            points[list(index['BROW']), 1] += amount
        elif exercise == 'snarl':
            points[index['ALA'], 1] += amount / 2
            points[index['UPPER_VERMILION_QUARTER'], 1] += amount / 2
        elif exercise == 'show_teeth':
            points[index['LOWER_VERMILION_QUARTER'], 1] -= amount
        else:
            points[list(upper)] -= amount * (points[list(upper)] - points[list(lower)])


@pytest.fixture
def face_course(symmetric_points):
    """A factory of courses of the symmetric face: face_course(fps=30, bias_mm=0, noise_mm=0)."""
    return lambda **options: FaceCourse(symmetric_points, **options)
