"""The folder of a finished run, read back: what it was made with, and input after input.

It never holds the records of more than one input, and never changes a run.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from stroke_side_monitor.offline.records import Record
from stroke_side_monitor.offline.run_folder import JOURNAL, RUN, RunError, Writers

_LINES, _, _SUMMARY = Writers.NAMES


class Difference(NamedTuple):
    """Something that the runs were made with, as text; '–' where a run does not tell it."""

    what: str
    a: str
    b: str


@dataclass(frozen=True)
class Run:
    """A finished run. facts: its run.json."""

    folder: Path
    facts: Mapping[str, Any]

    @staticmethod
    def open(folder: Path) -> Run:
        """The run in this folder.

        Raises:
            RunError: there is none, or it is not finished.
        """
        if (folder / JOURNAL).exists():
            raise RunError(f'the run in {folder} is not finished: repeat its command with --resume')
        try:
            facts = json.loads((folder / RUN).read_text(encoding='utf-8'))
        except OSError as error:
            raise RunError(f'{folder} holds no run of assess ({RUN}: {error.strerror})') from error
        except ValueError as error:
            raise RunError(f'{folder / RUN} is damaged ({error}); assess again') from error
        if not isinstance(facts, dict):
            raise RunError(f'{folder / RUN} is damaged; assess again')
        return Run(folder, facts)

    def results(self) -> Iterator[tuple[str, int, list[Record]]]:
        """Each input's name, where its records begin in the file, and the records.

        Raises:
            RunError: the files are damaged or do not belong together.
        """
        try:
            with (self.folder / _LINES).open('rb') as lines, \
                    (self.folder / _SUMMARY).open(newline='', encoding='utf-8') as summary:
                for row in csv.DictReader(summary):
                    at = lines.tell()
                    # The same name may be given twice: only the summary says where one ends.
                    found = [json.loads(lines.readline()) for _ in range(int(row['records'] or 1))]
                    if any(record['input'] != row['input'] for record in found):
                        raise RunError(f'{_LINES} and {_SUMMARY} in {self.folder} are not of one '
                                       'run; assess again')
                    yield row['input'], at, found
        except OSError as error:
            raise RunError(f'{error.filename or self.folder} cannot be read ({error.strerror})'
                           ) from error
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            if isinstance(error, RunError):
                raise
            raise RunError(f'the results in {self.folder} are damaged ({error}); assess again'
                           ) from error

    def records_at(self, at: int, count: int) -> list[Record]:
        """The records that results() has told of.

        Raises:
            RunError: the file has gone or changed since.
        """
        try:
            with (self.folder / _LINES).open('rb') as lines:
                lines.seek(at)
                return [json.loads(lines.readline()) for _ in range(count)]
        except (OSError, ValueError) as error:
            raise RunError(f'{self.folder / _LINES} has changed meanwhile ({error}); compare again'
                           ) from error


def differences(a: Run, b: Run) -> list[Difference]:
    """What the runs were made with that is not the same; inputs and answers are no part of it."""
    mine, theirs = dict(_flat(a.facts)), dict(_flat(b.facts))
    return [Difference(what, mine.get(what, '–'), theirs.get(what, '–'))
            for what in dict.fromkeys([*mine, *theirs]) if mine.get(what) != theirs.get(what)]


def _flat(facts: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            # parameters, versions: their names say enough. Of a model the hash is what counts.
            yield from _flat(value, '' if name == 'parameters' else f'{name} ')
        elif value is not None and (prefix or name not in ('inputs', 'failed')):
            yield f'{prefix}{name}', str(value)


class Pair(NamedTuple):
    """One input in both runs; None where a run does not have it."""

    name: str
    a: list[Record] | None
    b: list[Record] | None


def pairs(a: Run, b: Run) -> Iterator[Pair]:
    """Every input of either run, in the order of b and then those that only a has.

    Of a's inputs the names are held, nothing more. A name given twice is paired in order.

    Raises:
        RunError: see Run.results.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    for name, at, found in a.results():
        places.setdefault(name, []).append((at, len(found)))
    for name, _, theirs in b.results():
        of_name = places.get(name)
        yield Pair(name, a.records_at(*of_name.pop(0)) if of_name else None, theirs)
    for name, left in places.items():
        for place in left:
            yield Pair(name, a.records_at(*place), None)
