"""What a facial palsy does to a face at rest and in movement, in millimetres on the landmarks.

Geometry only: it never touches an image, and it is a model, not a patient.
Left and right are the PATIENT's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation import topology

PATTERNS = ('none', 'central', 'peripheral')
EXERCISES = ('smile', 'eye_close', 'brow_raise', 'pucker')


@dataclass(frozen=True)
class Asymmetry:
    """What healthy faces differ by from side to side; every field is left minus right.

    smile, pucker, brow_raise: log ratio of the movements of the two sides, dimensionless.
    commissure_mm: height of the resting commissure. lid_gap_mm: opening of the lids.
    """

    smile: float = 0.0
    pucker: float = 0.0
    brow_raise: float = 0.0
    commissure_mm: float = 0.0
    lid_gap_mm: float = 0.0

    @property
    def mirrored(self) -> Asymmetry:
        """That of the mirrored face."""
        return Asymmetry(*(-getattr(self, item.name) for item in fields(self)))


@dataclass(frozen=True)
class Palsy:
    """One patient.

    side: Side.NONE (healthy), LEFT or RIGHT; the patient's.
    mouth, eye, brow: severity of each region, 0 (healthy) to 1 (no movement left).
    pattern: 'none', 'central' (forehead spared) or 'peripheral'; a label that
        truth messages carry. The severities are what acts.
    synkinesis: 0 to 1, how far the weak eye closes with smile and pucker.
    natural: the asymmetry this face had before it fell ill.

    Raises:
        ValueError: a value out of range, or a healthy patient with a severity.
    """

    side: Side
    mouth: float = 0.0
    eye: float = 0.0
    brow: float = 0.0
    pattern: str = 'none'
    synkinesis: float = 0.0
    natural: Asymmetry = field(default_factory=Asymmetry)

    def __post_init__(self) -> None:
        if self.side is Side.UNKNOWN:
            raise ValueError('a simulated patient has a known side: give LEFT, RIGHT or NONE')
        if self.pattern not in PATTERNS:
            raise ValueError(f'pattern {self.pattern!r} is not one of {", ".join(PATTERNS)}')
        for name in ('mouth', 'eye', 'brow', 'synkinesis'):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f'{name} severity {getattr(self, name)} lies outside 0..1')
        weak = max(self.mouth, self.eye, self.brow, self.synkinesis) > 0.0
        if (self.side is Side.NONE) and (weak or self.pattern != 'none'):
            raise ValueError('side NONE has no weakness: give severities 0 and pattern none')

    @classmethod
    def of(cls, side: Side, severity: float, pattern: str = 'central', *,
           natural: Asymmetry | None = None, synkinesis: float = 0.0) -> Palsy:
        """A typical patient from one severity, 0 to 1.

        Central: the forehead spared, the eye hardly touched. Peripheral: all
        regions alike. Severity 0 or side NONE gives a healthy face.
        """
        natural = natural or Asymmetry()
        if side is Side.NONE or severity == 0.0:
            return cls(Side.NONE, natural=natural)
        upper = {'central': (0.12, 0.0), 'peripheral': (1.0, 1.0)}.get(pattern)
        if upper is None:
            raise ValueError(f'pattern {pattern!r}: a weak side is central or peripheral')
        return cls(side, severity, severity * upper[0], severity * upper[1], pattern,
                   synkinesis, natural)

    @property
    def mirrored(self) -> Palsy:
        """The palsy of the mirrored face."""
        return replace(self, side=self.side.mirrored, natural=self.natural.mirrored)

    def at(self, weakness: float) -> Palsy:
        """This palsy while it sets in: every severity times weakness, 0 to 1."""
        if weakness == 1.0 or self.side is Side.NONE:
            return self
        if weakness == 0.0:
            return Palsy(Side.NONE, natural=self.natural)
        return replace(self, mouth=self.mouth * weakness, eye=self.eye * weakness,
                       brow=self.brow * weakness, synkinesis=self.synkinesis * weakness)

    def severity(self, region: str, side: Side) -> float:
        """Severity of 'mouth', 'eye' or 'brow' on one side: 0 on the healthy one."""
        return float(getattr(self, region)) if side is self.side else 0.0


@dataclass(frozen=True)
class Expression:
    """What the patient tries to do, 0 (rest) to 1 (a healthy full movement) per side.

    blink closes both eyes besides; a palsied lid follows it as far as it can. jaw opens the
    mouth, 1 by the model's widest; the facial nerve has no part in it, so that no palsy holds it.
    """

    smile: tuple[float, float] = (0.0, 0.0)
    eye_close: tuple[float, float] = (0.0, 0.0)
    brow_raise: tuple[float, float] = (0.0, 0.0)
    pucker: tuple[float, float] = (0.0, 0.0)
    blink: float = 0.0
    jaw: float = 0.0

    @classmethod
    def of(cls, exercise: str, intensity: float = 1.0, blink: float = 0.0) -> Expression:
        """Both sides alike; 'rest' moves nothing. Intensities are (left, right)."""
        if exercise == 'rest':
            return cls(blink=blink)
        if exercise not in EXERCISES:
            raise ValueError(f'exercise {exercise!r} is not one of rest, {", ".join(EXERCISES)}')
        movement = {exercise: (intensity, intensity)}
        return cls(blink=blink, **movement)  # type: ignore[arg-type]  # pairs only, by EXERCISES


@dataclass(frozen=True)
class Style:
    """How the model carries weakness over to the face: vary it to get simulators that differ.

    Amplitudes in mm at severity 1 (droop, shorten, pull, rest_pull, sag, brow_drop,
    lid_rise, lower_lid_drop) or of a full healthy movement (smile_*, pucker_in, brow_rise).
    width: factor on the reach of every movement across the skin.
    exponent: severity acts as severity ** exponent.
    fold: how much of the cheek fold a weakness of 1 wipes out, 0 to 1.
    """

    width: float = 1.0
    exponent: float = 1.0
    droop: float = 7.0
    shorten: float = 2.0
    rest_pull: float = 2.4
    pull: float = 2.6
    sag: float = 2.0
    brow_drop: float = 3.2
    lid_rise: float = 0.7
    lower_lid_drop: float = 1.0
    smile_out: float = 5.5
    smile_up: float = 5.5
    pucker_in: float = 6.5
    brow_rise: float = 6.0
    fold: float = 0.8

    def strength(self, severity: float) -> float:
        """The severity as it acts, 0 to 1."""
        return float(severity ** self.exponent)


_SIDES = (Side.LEFT, Side.RIGHT)
_SIGN = {Side.LEFT: 1.0, Side.RIGHT: -1.0}
_PER_SIDE = ('smile', 'pucker', 'brow', 'lid', 'droop', 'rest_pull', 'pull', 'brow_drop',
             'lid_rise', 'lower_lid_drop', 'commissure')


class FaceModel:
    """One face's basis movements, ready to be added up for every expression of every palsy."""

    def __init__(self, points: NDArray[np.float64], style: Style | None = None,
                 smiling_points: NDArray[np.float64] | None = None) -> None:
        """Lay out the basis.

        Args:
            points: float64 (N ≥ 478, 3), canonical mm in the head-fixed frame:
                the 478 landmarks, then any further vertices.
            style: how weakness acts.
            smiling_points: same shape, the same person smiling: a smile then
                leads there instead of along the model's own direction.
        """
        self.points = points
        self.style = style or Style()
        rows = [_basis(name, points, side, self.style, smiling_points)
                for side in _SIDES for name in _PER_SIDE]
        self._basis = np.stack(rows)
        self._flat = self._basis.reshape(len(rows), -1)
        self._jaw = _jaw(points)

    def displacement(self, palsy: Palsy, expression: Expression) -> NDArray[np.float64]:
        """float64 (N, 3), mm: how far each vertex lies from the photographed healthy face."""
        coefficients = self._coefficients(palsy, expression)
        # Not @: for so many numbers OpenBLAS wakes a thread that then waits busily for 25 ms.
        moved = np.einsum('b,bp->p', coefficients, self._flat).reshape(self.points.shape)
        return moved + expression.jaw * self._jaw if expression.jaw else moved

    def intensities(self, palsy: Palsy, expression: Expression, movement: str
                    ) -> tuple[float, float]:
        """What becomes of an intended movement: (left, right), 1 = a full healthy one."""
        return tuple(  # type: ignore[return-value]
            _achieved(palsy, expression, self.style, side)[movement] for side in _SIDES)

    def _coefficients(self, palsy: Palsy, expression: Expression) -> NDArray[np.float64]:
        style = self.style
        achieved = {side: _achieved(palsy, expression, style, side) for side in _SIDES}
        values = []
        for side in _SIDES:
            own, other = achieved[side], achieved[_other(side)]
            mouth = style.strength(palsy.severity('mouth', side))
            eye = style.strength(palsy.severity('eye', side))
            pull = max(0.0, other['smile'] - own['smile']) \
                + 0.5 * max(0.0, other['pucker'] - own['pucker'])
            half = 0.5 * _SIGN[side]
            values += [
                own['smile'], own['pucker'], own['brow_raise'],
                own['lid'] - half * palsy.natural.lid_gap_mm / self.lid_gap(side),
                mouth, mouth, pull if side is palsy.side else 0.0,
                style.strength(palsy.severity('brow', side)),
                eye * (1.0 - own['lid']), eye,
                half * palsy.natural.commissure_mm]
        return np.array(values)

    def lid_gap(self, side: Side, displacement: NDArray[np.float64] | None = None) -> float:
        """Opening of one eye's lids, mm: the mean of its three lid pairs, never below 0."""
        points = self.points if displacement is None else self.points + displacement
        upper, lower = _LID_PAIRS[side]
        return max(0.0, float((points[upper, 1] - points[lower, 1]).mean()))


def _other(side: Side) -> Side:
    return side.mirrored


def _achieved(palsy: Palsy, expression: Expression, style: Style, side: Side) -> dict[str, float]:
    """Movements left over on one side, and how far its lids close (0..1)."""
    index = _SIDES.index(side)
    half = 0.5 * _SIGN[side]
    natural = palsy.natural
    mouth = 1.0 - style.strength(palsy.severity('mouth', side))
    eye = 1.0 - style.strength(palsy.severity('eye', side))
    brow = 1.0 - style.strength(palsy.severity('brow', side))
    smile = expression.smile[index] * mouth * float(np.exp(half * natural.smile))
    pucker = expression.pucker[index] * mouth * float(np.exp(half * natural.pucker))
    closing = max(expression.eye_close[index], expression.blink) * eye
    if side is palsy.side:
        effort = max(expression.smile[index], expression.pucker[index])
        closing = max(closing, 0.6 * palsy.synkinesis * effort)
    return {'smile': smile, 'pucker': pucker,
            'brow_raise': expression.brow_raise[index] * brow
            * float(np.exp(half * natural.brow_raise)),
            'eye_close': expression.eye_close[index] * eye, 'lid': closing}


_UPPER = {Side.RIGHT: topology.UPPER_LID_EDGE_RIGHT, Side.LEFT: topology.UPPER_LID_EDGE_LEFT}
_LOWER = {Side.RIGHT: topology.LOWER_LID_EDGE_RIGHT, Side.LEFT: topology.LOWER_LID_EDGE_LEFT}
_LID_PAIRS = {
    Side.RIGHT: (list(landmarks.UPPER_LID_RIGHT), list(landmarks.LOWER_LID_RIGHT)),
    Side.LEFT: (list(landmarks.UPPER_LID_LEFT), list(landmarks.LOWER_LID_LEFT))}
_BROW = {Side.RIGHT: list(landmarks.BROW_RIGHT), Side.LEFT: list(landmarks.BROW_LEFT)}
_COMMISSURE = {Side.RIGHT: landmarks.COMMISSURE_RIGHT, Side.LEFT: landmarks.COMMISSURE_LEFT}
_ALA = {Side.RIGHT: landmarks.ALA_RIGHT, Side.LEFT: landmarks.ALA_LEFT}


def _basis(name: str, points: NDArray[np.float64], side: Side, style: Style,
           smiling_points: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if name == 'smile' and smiling_points is not None:
        return _side_share(points, side)[:, None] * (smiling_points - points)
    return _MOVEMENTS[name](points, side, style)


def _side_share(points: NDArray[np.float64], side: Side) -> NDArray[np.float64]:
    """1 on this side, 0 on the other, an S curve over the middle 24 mm; both sides sum to 1."""
    across = np.clip(_SIGN[side] * points[:, 0] / 24.0 + 0.5, 0.0, 1.0)
    return across * across * (3.0 - 2.0 * across)


def _field(points: NDArray[np.float64], centre: NDArray[np.float64],
           reach: tuple[float, float, float], move: tuple[float, float, float]
           ) -> NDArray[np.float64]:
    """A Gaussian patch of skin that moves: reach is sigma across, upwards, downwards in mm."""
    across, up, down = reach
    offset = points - centre
    vertical = np.where(offset[:, 1] > 0.0, up, down)
    weight = np.exp(-0.5 * ((offset[:, 0] / across) ** 2 + (offset[:, 1] / vertical) ** 2))
    return weight[:, None] * np.array(move)


def _smile(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    sign, w = _SIGN[side], style.width
    corner = points[_COMMISSURE[side]]
    cheek = corner + np.array([sign * 12.0, 24.0, 0.0])
    lip = np.array([sign * 8.0, corner[1] + 5.0, corner[2]])
    return (_field(points, corner, (14 * w, 13 * w, 15 * w),
                   (sign * style.smile_out, style.smile_up, -2.5))
            + _field(points, cheek, (15 * w, 13 * w, 14 * w), (sign * 0.8, 2.4, 1.5))
            + _field(points, lip, (9 * w, 6 * w, 9 * w), (0.0, 0.8, -0.5))
            + _field(points, points[_ALA[side]], (7 * w,) * 3, (sign * 0.9, 0.4, 0.0)))


def _pucker(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    sign, w = _SIGN[side], style.width
    corner = points[_COMMISSURE[side]]
    upper = np.array([sign * 7.0, corner[1] + 7.0, corner[2]])
    lower = np.array([sign * 7.0, corner[1] - 9.0, corner[2]])
    return (_field(points, corner, (13 * w, 12 * w, 13 * w), (-sign * style.pucker_in, 0.3, 4.0))
            + _field(points, upper, (8 * w, 6 * w, 6 * w), (0.0, 1.2, 2.0))
            + _field(points, lower, (8 * w, 6 * w, 6 * w), (0.0, -1.2, 2.0)))


def _brow(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    centre = points[_BROW[side]].mean(axis=0)
    return _field(points, centre, (19 * style.width, 20 * style.width, 8.5),
                  (0.0, style.brow_rise, 0.0))


def _brow_drop(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    return -style.brow_drop / style.brow_rise * _brow(points, side, style)


def _droop(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    sign, w = _SIGN[side], style.width
    corner = points[_COMMISSURE[side]]
    jowl = corner + np.array([sign * 16.0, -8.0, 0.0])
    upper = np.array([sign * 11.0, corner[1] + 6.0, corner[2]])
    return (_field(points, corner, (13 * w, 13 * w, 15 * w),
                   (-sign * style.shorten, -style.droop, 0.0))
            + _field(points, upper, (8 * w, 7 * w, 7 * w), (0.0, -0.2 * style.droop, 0.0))
            + _field(points, jowl, (14 * w, 16 * w, 14 * w), (0.0, -style.sag, 0.5))
            + _field(points, points[_ALA[side]], (7 * w,) * 3, (-sign * 0.6, -0.7, 0.0)))


def _pulled(points: NDArray[np.float64], side: Side, style: Style, amount: float
            ) -> NDArray[np.float64]:
    """The whole mouth drawn to the healthy side, philtrum with it."""
    sign, w = _SIGN[side], style.width
    corner = points[_COMMISSURE[side]]
    middle = np.array([sign * 5.0, corner[1] + 2.0, corner[2]])
    return _field(points, middle, (19 * w, 12 * w, 17 * w), (-sign * amount, 0.0, 0.0))


def _rest_pull(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    return _pulled(points, side, style, style.rest_pull)


def _pull(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    return _pulled(points, side, style, style.pull)


def _commissure(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    return _field(points, points[_COMMISSURE[side]], (13.0, 13.0, 15.0), (0.0, 1.0, 0.0))


_JAW_DROP_MM = 14.0  # of the lower lip's middle in a wide open mouth


def _jaw(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The jaw wide open: lower lip and chin come down, the commissures a little, and inward."""
    corners = points[[landmarks.COMMISSURE_RIGHT, landmarks.COMMISSURE_LEFT]]
    middle, half_width = corners.mean(axis=0), (corners[1, 0] - corners[0, 0]) / 2
    across = (points[:, 0] - middle[0]) / half_width
    below = np.clip((middle[1] - points[:, 1]) / 12.0, 0.0, 1.0)
    drop = below * below * (3.0 - 2.0 * below) * np.exp(-0.5 * (across / 1.6) ** 2)
    lip = topology.LOWER_LIP
    drop[lip] = np.maximum(np.sqrt(np.clip(1.0 - across[lip] ** 2, 0.0, 1.0)), 0.25)
    moved = np.zeros_like(points)
    moved[:, 1] = -_JAW_DROP_MM * drop
    for sign, corner in zip((-1.0, 1.0), corners, strict=True):
        moved += _field(points, corner, (12.0, 12.0, 14.0), (-sign * 1.5, 0.0, 0.0))
    return moved


_UPPER_SHARE = 0.9  # of the closing way is the upper lid's, the rest the lower lid's


def _lid(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    """Full closure: the skin under the brow unfolds, so that the lid comes down whole."""
    lids = _LidLines(points, side)
    return lids.upper_skin(-_UPPER_SHARE * lids.gap) \
        + lids.lower_skin((1.0 - _UPPER_SHARE) * lids.gap)


def _lid_rise(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    lids = _LidLines(points, side)
    return lids.upper_skin(style.lid_rise * lids.arch)


def _lower_lid_drop(points: NDArray[np.float64], side: Side, style: Style) -> NDArray[np.float64]:
    lids = _LidLines(points, side)
    return lids.lower_skin(-style.lower_lid_drop * lids.arch)


class _LidLines:
    """The two lid edges of one eye as functions of x, evaluated at every vertex."""

    def __init__(self, points: NDArray[np.float64], side: Side) -> None:
        upper, lower = points[_UPPER[side]], points[_LOWER[side]]
        x = points[:, 0]
        self._y = points[:, 1]
        self._upper = _along(x, upper)
        self._lower = _along(x, lower)
        brow = points[_BROW[side]]
        # Skin unfolds up to just below the brow hairs; the landmarks are on their upper edge.
        self._brow = np.maximum(_along(x, brow) - 5.0, self._upper + 5.0)
        ends = sorted((upper[0, 0], upper[-1, 0]))
        inside = np.clip((x - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0)
        # mm between the edges; 0 at the canthi and beyond.
        self.gap = np.where((inside > 0) & (inside < 1),
                            np.maximum(self._upper - self._lower, 0.0), 0.0)
        # 1 in mid-pupil, 0 at the canthi.
        self.arch = np.sin(np.pi * inside)
        # The edge vertices themselves, wherever interpolation would round them off.
        self._is_upper = np.zeros(len(points), dtype=bool)
        self._is_upper[_UPPER[side][1:-1]] = True
        self._is_lower = np.zeros(len(points), dtype=bool)
        self._is_lower[_LOWER[side][1:-1]] = True

    def upper_skin(self, rise: NDArray[np.float64]) -> NDArray[np.float64]:
        above = np.clip((self._y - self._upper) / (self._brow - self._upper), 0.0, 1.0)
        weight = 1.0 - above * above * (3.0 - 2.0 * above)
        on_skin = self._is_upper | ((self._y > self._upper) & ~self._is_lower)
        return _upwards(np.where(on_skin, weight, 0.0) * rise)

    def lower_skin(self, rise: NDArray[np.float64]) -> NDArray[np.float64]:
        below = np.clip((self._lower - self._y) / 12.0, 0.0, 1.0)
        weight = 1.0 - below * below * (3.0 - 2.0 * below)
        on_skin = self._is_lower | ((self._y < self._lower) & ~self._is_upper)
        return _upwards(np.where(on_skin, weight, 0.0) * rise)


def _along(x: NDArray[np.float64], line: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(line[:, 0], kind='stable')
    return np.interp(x, line[order, 0], line[order, 1])


def _upwards(rise: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.zeros_like(rise), rise, np.zeros_like(rise)])


_MOVEMENTS = {
    'smile': _smile, 'pucker': _pucker, 'brow': _brow, 'lid': _lid, 'droop': _droop,
    'rest_pull': _rest_pull, 'pull': _pull, 'brow_drop': _brow_drop, 'lid_rise': _lid_rise,
    'lower_lid_drop': _lower_lid_drop, 'commissure': _commissure}


def random_natural(rng: np.random.Generator) -> Asymmetry:
    """A healthy face's asymmetry beyond what its photograph shows already.

    Movements differ between healthy sides by about 10 % [own choice]; the
    photograph carries most of the asymmetry at rest.
    """
    return Asymmetry(*(float(rng.normal(0.0, sd)) for sd in (0.10, 0.10, 0.12, 0.4, 0.2)))


def random_palsy(rng: np.random.Generator, side: Side | None = None,
                 severity: tuple[float, float] = (0.2, 1.0)) -> Palsy:
    """Draw a patient.

    Args:
        rng: every draw comes from here.
        side: given, or LEFT and RIGHT equally often.
        severity: range of the mouth's severity, uniform.

    Returns:
        60 % central, 40 % peripheral palsies, regions scattered around one
        severity; for Side.NONE a healthy face.
    """
    if side is None:
        side = Side.LEFT if rng.random() < 0.5 else Side.RIGHT
    natural = random_natural(rng)
    mouth, scatter_eye, scatter_brow, kind, moved = rng.random(5)
    if side is Side.NONE:
        return Palsy(Side.NONE, natural=natural)
    mouth = severity[0] + (severity[1] - severity[0]) * mouth
    if kind < 0.6:
        return Palsy(side, mouth, mouth * 0.25 * scatter_eye, mouth * 0.1 * scatter_brow,
                     'central', 0.0, natural)
    return Palsy(side, mouth, _scattered(mouth, scatter_eye), _scattered(mouth, scatter_brow),
                 'peripheral', max(0.0, 1.5 * moved - 1.0), natural)


def _scattered(severity: float, draw: float) -> float:
    return float(np.clip(severity * (0.7 + 0.6 * draw), 0.0, 1.0))


def random_style(rng: np.random.Generator) -> Style:
    """Draw a simulator: its reach, its law and, by up to 40 %, every amplitude.

    The resting signs are drawn around milder ones than the default's (droop
    3 to 7 mm): many real palsies hardly show at rest.
    """
    base = Style(droop=5.0, shorten=1.6, rest_pull=1.8, sag=1.6)
    amplitudes = {item.name: getattr(base, item.name) * float(rng.uniform(0.6, 1.4))
                  for item in fields(Style)
                  if item.name not in ('width', 'exponent', 'fold')}
    return Style(width=float(rng.uniform(0.8, 1.25)), exponent=float(rng.uniform(0.7, 1.4)),
                 fold=float(rng.uniform(0.4, 1.0)), **amplitudes)
