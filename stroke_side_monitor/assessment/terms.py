"""The words an assessment answers with; their numbers are those of stroke_side_msgs.

It never decides anything. Left and right are the PATIENT's.
"""

from __future__ import annotations

from enum import IntEnum


class Side(IntEnum):
    """The weaker side. UNKNOWN (cannot tell) is not NONE (symmetric)."""

    UNKNOWN = 0
    NONE = 1
    LEFT = 2
    RIGHT = 3

    @property
    def mirrored(self) -> Side:
        """The side that the mirrored face must be given."""
        return _MIRRORED.get(self, self)


_MIRRORED = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}


class ClassifierAgreement(IntEnum):
    """How the picture classifier stands to the landmark evidence."""

    ABSENT = 0
    UNDECIDED = 1
    AGREES = 2
    CONFLICTS = 3


class Grade(IntEnum):
    """Overall grade from the symmetry index (House-Brackmann measurement bands)."""

    UNKNOWN = 0
    NORMAL = 1
    NEAR_NORMAL = 2
    MILD = 3
    MODERATE = 4
    SEVERE = 5
    COMPLETE = 6


class Basis(IntEnum):
    """What an index rests on: the face as it is, or commanded movements."""

    UNKNOWN = 0
    STATIC = 1
    DYNAMIC = 2


class RegionSeverity(IntEnum):
    """How severely one region, mouth or eye, is affected."""

    UNKNOWN = 0
    NONE = 1
    MILD = 2
    MODERATE = 3
    SEVERE = 4


class Pattern(IntEnum):
    """Which part of the face is weak. A pattern, not a diagnosis."""

    UNKNOWN = 0
    NONE = 1
    LOWER_FACE = 2
    WHOLE_FACE = 3
    INDETERMINATE = 4


class Trend(IntEnum):
    """Where the symmetry index is going."""

    UNKNOWN = 0
    STABLE = 1
    IMPROVING = 2
    WORSENING = 3
