"""The `compare` command: two runs of `assess` in; what differs out; a status that gates a release.

It never leaves a half-written file.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from stroke_side_monitor import atomic_file
from stroke_side_monitor.compare import runs, wording
from stroke_side_monitor.compare.changes import Change, Comparison, Verdict, compare
from stroke_side_monitor.compare.runs import Run
from stroke_side_monitor.interruption import ends_cleanly
from stroke_side_monitor.offline.run_folder import RunError


@ends_cleanly('compare')
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns 0, 1 when more changed than is allowed, 2 when nothing is compared."""
    options = _parse(arguments)
    try:
        a, b = Run.open(options.a), Run.open(options.b)
        found = compare(runs.pairs(a, b))
        if not found.both:
            raise RunError(f'{options.a} and {options.b} have no input in common; give assess the '
                           'same paths for both')
        differences = runs.differences(a, b)
        files: dict[Path, bytes] = {}
        if options.out:
            from stroke_side_monitor.compare import page  # matplotlib takes its time
            files[options.out] = page.html(a, b, differences, found, options.max_changed).encode(
                errors='backslashreplace')
        if options.csv:
            files[options.csv] = _table(found).encode()
        atomic_file.write_own(files)
    except (RunError, atomic_file.WriteError) as error:
        print(f'compare: {error}', file=sys.stderr)
        return 2
    print(wording.text(differences, found, options.max_changed))
    return int(options.max_changed is not None and found.share > options.max_changed)


def _table(found: Comparison) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['input', 'changed', *(
        f'{run}.{name}' for run in 'AB' for name in ('side', 'stable_side', 'grade',
                                                     'symmetry_index', 'M'))])
    writer.writerows(map(_row, found.changed))
    writer.writerows([name, f'only in {run}'] for run, names in (
        ('A', found.only_a), ('B', found.only_b)) for name in names)
    return text.getvalue()


def _row(change: Change) -> list[Any]:
    return [change.name, ', '.join(change.kinds), *_cells(change.a), *_cells(change.b)]


def _cells(verdict: Verdict) -> list[Any]:
    return [verdict.outcome, verdict.stable, verdict.grade.name.lower(),
            *('' if math.isnan(value) else value for value in (verdict.index,
                                                               verdict.mouth_score))]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='compare', description='What differs between two runs of assess over the same inputs '
        'with another version, model, norms or parameters. Left and right are the patient\'s own.')
    parser.add_argument('a', type=Path, metavar='RUN_A', help='the --out of an assess run')
    parser.add_argument('b', type=Path, metavar='RUN_B', help='that of another')
    parser.add_argument('--out', type=Path, metavar='FILE', help='HTML page to write')
    parser.add_argument('--csv', type=Path, metavar='FILE', help='every changed input as a table')
    parser.add_argument('--max-changed', type=_share, metavar='PERCENT',
                        help='as many inputs may have changed, or be in one run only, e.g. 1%%; '
                        'with more the exit status is 1')
    return parser.parse_args(arguments)


def _share(text: str) -> Fraction:
    number = text.strip().removesuffix('%')
    # Without the sign 1 may be meant as one percent or as everything.
    if number != text.strip():
        with suppress(ValueError, ArithmeticError):
            given = Decimal(number)
            # Nobody has inputs for finer shares, and 1e-99999999 is a number of that many digits.
            if given.is_finite() and 0 <= given <= 100 and given.adjusted() > -20:
                return Fraction(given) / 100  # as written: 0.7 is no binary fraction
    raise argparse.ArgumentTypeError(f'{text!r} is not a percentage, e.g. 1%')
