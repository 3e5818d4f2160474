"""What a model is asked: rows of a dataset → class numbers, and what mirroring does to a class.

It never looks at a picture. Sides are the PATIENT's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Row = Mapping[str, str]

GRADES = ('normal', 'near_normal', 'mild', 'moderate', 'severe', 'complete')
# Upper ends of the grades for severities given as numbers 0–1 [own].
_GRADE_ENDS = (0.05, 0.2, 0.4, 0.65, 0.9)
_REGION_LEVELS = ('mild', 'moderate', 'severe')
_REGION_ENDS = (0.4, 0.7)
_PATIENT_SIDES = ('left', 'right')


@dataclass(frozen=True)
class Task:
    """One question.

    classes: their names in order. classify: row → class name, or None when the row has no answer.
    mirrored: class → class of the mirrored picture (itself where not listed).
    """

    name: str
    classes: tuple[str, ...]
    classify: Callable[[Row], str | None]
    mirrored: Mapping[str, str]

    def label(self, row: Row) -> int | None:
        """Class number of a row, or None."""
        name = self.classify(row)
        return None if name is None else self.classes.index(name)


def severity_number(row: Row) -> float | None:
    """Severity 0–1 where the row gives a number; 0 for a healthy row without one."""
    try:
        return float(row['severity'])
    except ValueError:
        return 0.0 if row['label'] == 'none' and not row['severity'] else None


def _grade(row: Row) -> str | None:
    if row['severity'].lower().replace(' ', '_') in GRADES:
        return row['severity'].lower().replace(' ', '_')
    number = severity_number(row)
    if number is None:
        return None
    return GRADES[sum(number > end for end in _GRADE_ENDS)]


def _region_level(row: Row) -> str | None:
    if row['label'] == 'none' or row['region'] not in ('mouth', 'eye'):
        return None
    level = row['severity'].lower()
    number = severity_number(row)
    if level not in _REGION_LEVELS:
        if number is None:
            return None
        level = _REGION_LEVELS[sum(number > end for end in _REGION_ENDS)]
    return f'{level}_{row["region"]}'


def _side2(row: Row) -> str | None:
    return row['label'] if row['label'] in _PATIENT_SIDES else None


_SWAP = {'left': 'right', 'right': 'left'}
TASKS = {task.name: task for task in (
    Task('side2', ('left', 'right'), _side2, _SWAP),
    Task('side3', ('left', 'none', 'right'), lambda row: row['label'], _SWAP),
    Task('grade6', GRADES, _grade, {}),
    Task('region_level6', tuple(f'{level}_{region}' for level in _REGION_LEVELS
                                for region in ('eye', 'mouth')), _region_level, {}),
    Task('weakness2', ('none', 'weak'),
         lambda row: 'none' if row['label'] == 'none' else 'weak', {}),
)}
