"""What healthy faces show, and how far one face is from it.

It never measures a face itself and never names a side. The healthy mean of
every metric is zero by construction (a healthy face and its mirror image are
equally healthy), so no norm can favour a side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from stroke_side_monitor.assessment.metrics import UNITS

SCHEMA = 2

# No figure of real norms comes near; from larger ones a spread could be 0 or beyond all numbers.
_LARGEST_FIGURE = 20.0

# Reference points of the context in which a norm is stated; see Context.
# Between these mouth widths a smile begins. Healthy asymmetry grows with its
# onset and not further: in the London set broad smiles are the more even ones.
SMILE_ONSET_MM = (49.0, 54.0)
_REFERENCE_INTEROCULAR_PX = 120.0
_INTEROCULAR_RANGE_PX = (40.0, 180.0)
_LARGEST_YAW_DEG = 20.0

# What the turn itself shows in a healthy mouth, beside the linear leak that is fitted on nearly
# frontal portraits: healthy standard deviations per degree beyond the first and up to the second
# figure. From 1,345 real healthy people in the wild, who are not part of this repository: smile
# angle -.045 and philtrum -.035 per degree of yaw over all, M +.30 at -10 to -15 degrees, -.23 at
# +10 to +15, about -+.5 beyond 20; commissure height is corrected well by its slope. Portraits of
# 84 people turned by more than 10 degrees (Congress) drift the same way, those nearer to the
# front do not.
TURNED_DRIFT: Mapping[str, float] = {
    'mouth.smile_angle': -0.065, 'mouth.philtrum_deviation': -0.05}
_TURNED_FROM_DEG, _TURNED_SPAN_DEG = 5.0, 15.0


class NormsError(ValueError):
    """The norms file cannot be used; the text says why and how to mend it."""


@dataclass(frozen=True)
class Context:
    """How the face was seen: what healthy asymmetry depends on.

    yaw_deg, roll_deg: signed head pose.
    mouth_width_mm: commissure to commissure; a smile widens it.
    interocular_px: resolution of the face.
    """

    yaw_deg: float
    roll_deg: float
    mouth_width_mm: float
    interocular_px: float

    @cached_property
    def turned_deg(self) -> float:
        """How far the face is turned beyond what the portraits of the norms show, signed."""
        beyond = min(max(abs(self.yaw_deg) - _TURNED_FROM_DEG, 0.0), _TURNED_SPAN_DEG)
        return math.copysign(beyond, self.yaw_deg)

    @cached_property
    def spread_terms(self) -> tuple[float, float, float]:
        """Smile, |yaw| and coarseness: what widens healthy asymmetry. All 0 for a frontal,
        neutral face 120 px between the eyes; the same for a mirrored face."""
        neutral, smiling = SMILE_ONSET_MM
        smile = (self.mouth_width_mm - neutral) / (smiling - neutral)
        pixels = min(max(self.interocular_px, _INTEROCULAR_RANGE_PX[0]), _INTEROCULAR_RANGE_PX[1])
        return (min(max(smile, 0.0), 1.0),
                min(abs(self.yaw_deg), _LARGEST_YAW_DEG) / 10.0,
                math.log2(_REFERENCE_INTEROCULAR_PX / pixels))


@dataclass(frozen=True)
class MetricNorm:
    """Healthy behaviour of one metric.

    The expected value is yaw_slope·yaw + roll_slope·roll (what a turned head
    leaks into the metric), in the metric's unit; the standard deviation is
    exp(log_sd + smile·s + yaw·t + coarse·c) with (s, t, c) of
    Context.spread_terms.
    """

    yaw_slope: float
    roll_slope: float
    log_sd: float
    smile: float
    yaw: float
    coarse: float

    def expected(self, context: Context) -> float:
        """Value a symmetric face would show in this pose. Negated by a mirror."""
        return self.yaw_slope * context.yaw_deg + self.roll_slope * context.roll_deg

    def sd(self, context: Context) -> float:
        """Healthy standard deviation in this context. Unchanged by a mirror."""
        smile, yaw, coarse = context.spread_terms
        return math.exp(self.log_sd + self.smile * smile + self.yaw * yaw + self.coarse * coarse)


@dataclass(frozen=True)
class Norms:
    """Norms of all metrics by name."""

    metrics: Mapping[str, MetricNorm]

    @classmethod
    def from_mapping(cls, content: Any) -> Norms:
        """Read the content of config/norms.yaml.

        Raises:
            NormsError: another schema, or a metric or a figure is missing or out of all bounds.
        """
        if not isinstance(content, Mapping) or content.get('schema') != SCHEMA:
            raise NormsError(f'norms: schema {SCHEMA} expected; rebuild the file with "make norms"')
        try:
            norms = cls({
                name: MetricNorm(**{key: float(entry['model'][key]) for key in (
                    'yaw_slope', 'roll_slope', 'log_sd', 'smile', 'yaw', 'coarse')})
                for name, entry in content['metrics'].items()})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NormsError(f'norms: unreadable entry ({error!r}); '
                             'rebuild the file with "make norms"') from error
        problem = norms._unusable()
        if problem:
            raise NormsError(f'norms: {problem}; rebuild the file with "make norms"')
        return norms

    def _unusable(self) -> str:
        """What no frame could be scored with, '' when all is well."""
        lacking = [name for name in UNITS if name not in self.metrics]
        if lacking:
            return f'no figures for {", ".join(lacking)}'
        for name, norm in self.metrics.items():
            for key, value in asdict(norm).items():
                if not abs(value) <= _LARGEST_FIGURE:
                    return f'{key} of {name} is {value}, not within +-{_LARGEST_FIGURE:g}'
        return ''

    def level(self, measured: Mapping[str, float], context: Context) -> dict[str, float]:
        """Each metric without what the pose itself shows in it, in its unit."""
        turned = context.turned_deg
        return {
            name: measured[name] - norm.expected(context)
            - TURNED_DRIFT.get(name, 0.0) * turned * norm.sd(context)
            for name, norm in self.metrics.items() if name in measured}

    def z(self, measured: Mapping[str, float], context: Context) -> dict[str, float]:
        """Each metric in healthy standard deviations from what is expected in this context."""
        turned = context.turned_deg
        return {
            name: (measured[name] - norm.expected(context)) / norm.sd(context)
            - TURNED_DRIFT.get(name, 0.0) * turned
            for name, norm in self.metrics.items() if name in measured}
