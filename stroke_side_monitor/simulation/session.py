"""A therapy session of the simulated patient: exercises on cue, frame by frame, with the truth.

It never reads a clock and never publishes: the same plan and seed give the same
bytes. Left and right are the PATIENT's.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation.face import FaceTruth, HeadMotion, SimulatedFace
from stroke_side_monitor.simulation.palsy import EXERCISES, Expression, Palsy, Style
from stroke_side_monitor.simulation.portrait import Portrait
from stroke_side_monitor.simulation.talk import Talk

NANOSECONDS = 1_000_000_000
# A stamp in the past that cannot be taken for "now", the same in every run.
DEFAULT_START_NS = 1_700_000_000 * NANOSECONDS


@dataclass(frozen=True)
class SessionPlan:
    """What happens in a session and how it is filmed.

    exercises: in order, each `repeats` times; () films a face at rest only.
    talk_s: how long the patient speaks and smiles, unasked, after the first rest; seconds.
    hold_s, rest_s: of one repetition; first_rest_s before the first; seconds.
    onset_s: when the palsy sets in, seconds from the start; None: it was there before.
    fps: frames per second. width, height: pixels. interocular_px: eye distance, pixels.
    head_motion: 0 (a head rest) to 1 (yaw ±12°, pitch ±5°, roll ±4°, a few cm).
    yaw_deg, pitch_deg: how far the head is turned from where it was photographed, all the time:
        to the patient's left (+), as a camera on the right sees it; up (+), as a low one does.
    camera_distance_m: the nearer, the more perspective; infinite: none.
    camera: strength of light drift, noise and motion blur, 0 (none) to 1 (a cheap camera).
    jpeg_quality: 1 to 100; every frame passes through JPEG.
    blinks_per_minute: 15 is a healthy adult's rate.
    mirrored: flip the picture, as selfie cameras do.

    Raises:
        ValueError: an unknown exercise or a value out of range.
    """

    exercises: tuple[str, ...] = EXERCISES
    repeats: int = 1
    hold_s: float = 2.0
    rest_s: float = 2.0
    first_rest_s: float = 3.0
    talk_s: float = 0.0
    onset_s: float | None = None
    fps: float = 15.0
    width: int = 640
    height: int = 480
    interocular_px: float = 110.0
    head_motion: float = 1.0
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    camera_distance_m: float = math.inf
    camera: float = 1.0
    jpeg_quality: int = 85
    blinks_per_minute: float = 15.0
    mirrored: bool = False

    def __post_init__(self) -> None:
        unknown = set(self.exercises) - set(EXERCISES)
        if unknown:
            raise ValueError(f'exercise {", ".join(sorted(unknown))} is not one of '
                             f'{", ".join(EXERCISES)}')
        for name, low, high in (('repeats', 1, 100), ('hold_s', 0.1, 60), ('rest_s', 0.1, 600),
                                ('first_rest_s', 0.1, 600), ('talk_s', 0, 3600),
                                ('fps', 1, 120),
                                ('width', 160, 4096), ('height', 120, 4096),
                                ('interocular_px', 30, 600), ('head_motion', 0, 1),
                                ('yaw_deg', -30, 30), ('pitch_deg', -40, 40),
                                ('camera_distance_m', 0.3, math.inf),
                                ('camera', 0, 1), ('jpeg_quality', 1, 100),
                                ('blinks_per_minute', 0, 60)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f'{name} {value} lies outside {low} to {high}')


@dataclass(frozen=True)
class Cue:
    """The exercise controller's word. stamp_ns on the frames' clock; hold_s in seconds.

    cue_id counts a session's exercises from 1; START and STOP of one share it.
    """

    stamp_ns: int
    exercise: str
    start: bool
    hold_s: float
    cue_id: int


@dataclass(frozen=True)
class FrameTruth:
    """What is true of one frame. Pairs are (left, right), the patient's, whatever the picture.

    stamp_ns: the frame's time, nanoseconds.
    side: NONE, LEFT or RIGHT at this moment. severity_*: 0 to 1.
    pattern: none, central or peripheral. exercise: rest or the commanded one.
    phase: rest, onset, hold or offset; talk while the patient speaks and smiles unasked.
    intensity: what the sides achieve of the commanded movement, 1 = a full healthy one.
    yaw_deg, pitch_deg, roll_deg: head pose, signs as in perception/frame.py.
    commissure_mm: distance from the photographed healthy face at rest, mm.
    lid_gap_mm: opening of the lids, mm. blink: 0 open to 1 closed.
    mirrored: the picture is flipped.
    """

    stamp_ns: int
    side: Side
    severity_mouth: float
    severity_eye: float
    severity_brow: float
    pattern: str
    exercise: str
    phase: str
    intensity: tuple[float, float]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    commissure_mm: tuple[float, float]
    lid_gap_mm: tuple[float, float]
    blink: float
    mirrored: bool


@dataclass(frozen=True)
class Frame:
    """One filmed picture.

    rgb: uint8 (H, W, 3), what `jpeg` decodes to. jpeg: the file's bytes.
    truth: what is true of it. points: float64 (478, 3), canonical mm of the
        head-fixed frame: the PATIENT's landmarks where they were drawn.
    """

    rgb: NDArray[np.uint8]
    jpeg: bytes
    truth: FrameTruth
    points: NDArray[np.float64]


@dataclass(frozen=True)
class _Movement:
    """One repetition; seconds from the session's start. effort: of a full movement."""

    exercise: str
    start: float
    stop: float
    effort: float
    slowness: float  # of the weak side, 1 = as fast as the healthy one


_ONSET_S = 0.6  # a healthy voluntary smile takes about half a second to its peak
_LAG_S = 0.15  # of a side with severity 1 behind the healthy one
_REACTION_S = 0.3  # from a spoken cue to the movement's beginning
_SETTING_IN_S = 0.4  # a palsy that appears while we film, from healthy to full


class Session:
    """One patient filmed once. Frames may be asked for in any order. One thread at a time."""

    def __init__(self, portrait: Portrait, palsy: Palsy, plan: SessionPlan | None = None,
                 seed: int = 0, style: Style | None = None,
                 start_ns: int = DEFAULT_START_NS) -> None:
        plan = plan or SessionPlan()
        self.palsy, self.plan, self.seed, self.start_ns = palsy, plan, seed, start_ns
        self._face = SimulatedFace(
            portrait.framed(plan.width, plan.height, plan.interocular_px,
                            1000.0 * plan.camera_distance_m), palsy, style)
        self._movements, self.duration_s = _script(plan, np.random.default_rng((seed, 1)))
        self._blinks = _blink_times(plan, self.duration_s, np.random.default_rng((seed, 2)))
        self._talk = Talk(plan.talk_s, np.random.default_rng((seed, 7)))
        self._sway = _Sway(plan, np.random.default_rng((seed, 3)),
                           self._face.portrait.pixel_per_mm)
        self._film = _Film(plan, seed)

    def __len__(self) -> int:
        """Number of frames."""
        return int(self.duration_s * self.plan.fps)

    def __iter__(self) -> Iterator[Frame]:
        """All frames in order."""
        return (self.frame(index) for index in range(len(self)))

    @property
    def cues(self) -> tuple[Cue, ...]:
        """START at the beginning of each movement, STOP at the end of its hold, in order."""
        return tuple(
            Cue(self._stamp(time), movement.exercise, start, self.plan.hold_s if start else 0.0,
                number)
            for number, movement in enumerate(self._movements, start=1)
            for time, start in ((movement.start, True), (movement.stop, False)))

    def timeline(self, frames: Iterable[Frame] | None = None) -> Iterator[Cue | Frame]:
        """Frames and cues as a monitor would hear them: a cue before the first frame not earlier.

        Args:
            frames: this session's, e.g. within a progress bar; None: all of them.
        """
        cues = deque(self.cues)
        for frame in self if frames is None else frames:
            while cues and cues[0].stamp_ns <= frame.truth.stamp_ns:
                yield cues.popleft()
            yield frame
        yield from cues

    def frame(self, index: int) -> Frame:
        """Film one frame.

        Args:
            index: 0 to len(self) - 1.

        Raises:
            IndexError: outside the session.
        """
        if not 0 <= index < len(self):
            raise IndexError(f'frame {index} of a session of {len(self)}')
        time = index / self.plan.fps
        weakness = self._weakness(time)
        blink = max((_bell(time - start) for start in self._blinks), default=0.0)
        expression, exercise, phase = self._expression(time, blink)
        head = self._sway.at(time)
        rgb, face = self._face.draw(expression, head, weakness)
        before = self._sway.at(time - 0.5 / self.plan.fps)
        travel = self._sway.travel(before, head)
        rgb, jpeg = self._film.expose(rgb, index, time, travel)
        truth = self._truth(time, weakness, expression, exercise, phase, face)
        return Frame(rgb, jpeg, truth, face.points)

    def obey(self, exercise: str, stamp_ns: int, hold_s: float) -> bool:
        """Do an exercise that was not planned, as soon as a patient who is told can.

        Args:
            stamp_ns: when the patient hears it, on the frames' clock.
            hold_s: how long the movement is held, seconds.

        Returns:
            False where the patient does not know the exercise, or is still at another.
        """
        time = (stamp_ns - self.start_ns) / NANOSECONDS + _REACTION_S
        busy = any(one.start - _ONSET_S < time < one.stop + 2 * _ONSET_S
                   for one in self._movements)
        if exercise not in EXERCISES or busy:
            return False
        self._movements.append(_Movement(exercise, time, time + _ONSET_S + hold_s, 1.0, 1.2))
        return True

    def _stamp(self, time: float) -> int:
        return self.start_ns + round(time * NANOSECONDS)

    def _weakness(self, time: float) -> float:
        onset = self.plan.onset_s
        return 1.0 if onset is None else minimum_jerk((time - onset) / _SETTING_IN_S)

    def _expression(self, time: float, blink: float) -> tuple[Expression, str, str]:
        for movement in self._movements:
            efforts = tuple(self._effort(movement, side, time) for side in (Side.LEFT, Side.RIGHT))
            if movement.start <= time < movement.stop + _ONSET_S or max(efforts) > 0.0:
                if time < movement.start + _ONSET_S:
                    phase = 'onset'
                else:
                    phase = 'hold' if time < movement.stop else 'offset'
                closed = movement.exercise == 'eye_close'
                expression = Expression(blink=0.0 if closed else blink,
                                        **{movement.exercise: efforts})  # type: ignore[arg-type]
                return expression, movement.exercise, phase
        talked_s = time - self.plan.first_rest_s
        if 0.0 <= talked_s < self.plan.talk_s:
            return replace(self._talk.at(talked_s, minimum_jerk), blink=blink), 'rest', 'talk'
        return Expression(blink=blink), 'rest', 'rest'

    def _effort(self, movement: _Movement, side: Side, time: float) -> float:
        region = {'brow_raise': 'brow', 'eye_close': 'eye'}.get(movement.exercise, 'mouth')
        severity = self.palsy.severity(region, side)
        lag = _LAG_S * severity
        rise = _ONSET_S * (1.0 + (movement.slowness - 1.0) * severity)
        rising = minimum_jerk((time - movement.start - lag) / rise)
        falling = minimum_jerk((time - movement.stop - lag) / rise)
        return movement.effort * (rising - falling)

    def _truth(self, time: float, weakness: float, expression: Expression, exercise: str,
               phase: str, face: FaceTruth) -> FrameTruth:
        palsy = self.palsy.at(weakness)
        intensity = (0.0, 0.0) if exercise == 'rest' \
            else self._face.model.intensities(palsy, expression, exercise)
        return FrameTruth(
            self._stamp(time), palsy.side, palsy.mouth, palsy.eye, palsy.brow, palsy.pattern,
            exercise, phase, intensity, face.yaw_deg, face.pitch_deg, face.roll_deg,
            face.commissure_mm, face.lid_gap_mm, expression.blink, self.plan.mirrored)


def minimum_jerk(progress: float) -> float:
    """0 to 1 along the minimum-jerk course of voluntary movements (Flash & Hogan 1985)."""
    x = min(max(progress, 0.0), 1.0)
    return x * x * x * (10.0 + x * (-15.0 + 6.0 * x))


def _script(plan: SessionPlan, rng: np.random.Generator) -> tuple[list[_Movement], float]:
    movements = []
    time = plan.first_rest_s + plan.talk_s
    for exercise in plan.exercises:
        for _ in range(plan.repeats):
            stop = time + _ONSET_S + plan.hold_s
            effort = float(np.clip(rng.normal(1.0, 0.06), 0.8, 1.2))
            movements.append(_Movement(exercise, time, stop, effort,
                                       float(rng.uniform(1.0, 1.5))))
            time = stop + _ONSET_S + plan.rest_s
    return movements, time + plan.rest_s


_BLINK_DOWN_S, _BLINK_UP_S = 0.08, 0.16


def _blink_times(plan: SessionPlan, duration: float, rng: np.random.Generator) -> list[float]:
    times: list[float] = []
    if plan.blinks_per_minute == 0.0:
        return times
    mean = 60.0 / plan.blinks_per_minute
    time = float(rng.exponential(mean))
    while time < duration:
        times.append(time)
        time += 0.6 + float(rng.exponential(max(mean - 0.6, 0.1)))
    return times


def _bell(since: float) -> float:
    """Closure of a blink that began `since` seconds ago."""
    return minimum_jerk(since / _BLINK_DOWN_S) \
        - minimum_jerk((since - _BLINK_DOWN_S) / _BLINK_UP_S)


class _Sway:
    """Head motion: three slow sine waves per axis around where the camera sees the head."""

    # Largest yaw, pitch, roll (degrees), right, down (mm), log of scale.
    _BOUNDS = np.array([12.0, 5.0, 4.0, 10.0, 6.0, 0.04])
    _SHARES = np.array([0.5, 0.3, 0.2])

    def __init__(self, plan: SessionPlan, rng: np.random.Generator, pixel_per_mm: float) -> None:
        self._yaw_deg, self._pitch_deg = plan.yaw_deg, plan.pitch_deg
        self._amplitude = plan.head_motion * self._BOUNDS[:, None] * self._SHARES
        self._omega = 2.0 * np.pi * rng.uniform(0.05, 0.3, self._amplitude.shape)
        self._phase = rng.uniform(0.0, 2.0 * np.pi, self._amplitude.shape)
        self._pixel = pixel_per_mm

    def at(self, time: float) -> HeadMotion:
        values = (self._amplitude * np.sin(self._omega * time + self._phase)).sum(axis=1)
        yaw, pitch, roll, right, down, size = (float(value) for value in values)
        return HeadMotion(self._yaw_deg + yaw, self._pitch_deg + pitch, roll,
                          right * self._pixel, down * self._pixel,
                          float(np.exp(size)))

    def travel(self, before: HeadMotion, after: HeadMotion) -> tuple[float, float]:
        """How far the nose moved in the picture, pixels right and down, to first order."""
        depth = 90.0 * self._pixel  # mm from the neck's axis to the nose
        turn = np.radians([after.yaw_deg - before.yaw_deg, after.pitch_deg - before.pitch_deg])
        return (after.right_px - before.right_px + depth * float(turn[0]),
                after.down_px - before.down_px - depth * float(turn[1]))


class _Film:
    """What the camera makes of the scene: light, motion blur, noise, flip, JPEG."""

    _NOISE_SD = 3.0  # grey values
    _LIGHT = 0.08  # largest share by which brightness, and its slope, drift

    def __init__(self, plan: SessionPlan, seed: int) -> None:
        self._plan, self._seed = plan, seed
        rng = np.random.default_rng((seed, 4))
        # One sheet of noise, shifted at random for every frame: as good, and quick.
        self._noise = np.round(
            plan.camera * self._NOISE_SD
            * rng.standard_normal((plan.height + 64, plan.width + 64, 3), dtype=np.float32)
        ).astype(np.int16)
        self._phase = rng.uniform(0.0, 2.0 * np.pi, 2)
        self._across = np.linspace(-1.0, 1.0, plan.width, dtype=np.float32)

    def expose(self, rgb: NDArray[np.uint8], index: int, time: float,
               travel: tuple[float, float]) -> tuple[NDArray[np.uint8], bytes]:
        plan = self._plan
        if plan.camera > 0.0:
            rgb = self._lit(_blurred(rgb, plan.camera * travel[0], plan.camera * travel[1]), time)
            rgb = self._noisy(rgb, index)
        if plan.mirrored:
            rgb = cv2.flip(rgb, 1)  # type: ignore[assignment]
        _, coded = cv2.imencode('.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR),
                                [cv2.IMWRITE_JPEG_QUALITY, plan.jpeg_quality])
        decoded = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        return decoded, coded.tobytes()  # type: ignore[return-value]

    def _lit(self, rgb: NDArray[np.uint8], time: float) -> NDArray[np.uint8]:
        strength = self._plan.camera * self._LIGHT
        gain = 1.0 + strength * np.sin(0.35 * time + self._phase[0])
        slope = strength * np.sin(0.21 * time + self._phase[1])
        row = (gain * (1.0 + slope * self._across)).astype(np.float32)
        factors = np.tile(row.repeat(3), (len(rgb), 1)).reshape(rgb.shape)
        return cv2.multiply(rgb, factors, dtype=cv2.CV_8U)  # type: ignore[return-value]

    def _noisy(self, rgb: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        down, right = np.random.default_rng((self._seed, 5, index)).integers(0, 64, 2)
        height, width = rgb.shape[:2]
        noise = self._noise[down:down + height, right:right + width]
        return cv2.add(rgb, noise, dtype=cv2.CV_8U)  # type: ignore[return-value]


def _blurred(rgb: NDArray[np.uint8], right: float, down: float) -> NDArray[np.uint8]:
    """Motion blur along a straight way in pixels; ways under half a pixel leave no trace."""
    length = float(np.hypot(right, down))
    if length < 0.5:
        return rgb
    reach = int(np.ceil(length / 2)) + 1
    steps = np.linspace(-0.5, 0.5, 2 * reach + 1)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    for step in steps:
        x, y = reach + step * right, reach + step * down
        column, row = int(x), int(y)
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
            share = (1 - abs(x - column - dx)) * (1 - abs(y - row - dy))
            if share > 0:
                kernel[row + dy, column + dx] += share
    return cv2.filter2D(rgb, -1, kernel / kernel.sum())  # type: ignore[return-value]
