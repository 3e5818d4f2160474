"""The `report` command: recorded sessions in, one page out, CSV and PDF on demand.

It never leaves a half-written file and never mixes the sessions of two patients.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from stroke_side_monitor import atomic_file
from stroke_side_monitor.interruption import ends_cleanly
from stroke_side_monitor.patient_files.session_record import SessionError, read_session
from stroke_side_monitor.report import page, tables
from stroke_side_monitor.report.fhir import bundle
from stroke_side_monitor.report.summary import FRAME_NAMES, SessionSummary, compare, summarise


@ends_cleanly('report')
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns 0, or 1 after one line saying what was wrong."""
    options = _parse(arguments)
    folders, again = _different(options.sessions)
    if again:
        print(f'report: given more than once, counted once: {", ".join(map(str, again))}',
              file=sys.stderr)
    try:
        written = write_report(folders, options.out, options.pdf, options.csv,
                               options.fhir)
    except (SessionError, atomic_file.WriteError) as error:
        print(f'report: {error}', file=sys.stderr)
        return 1
    print(f'report: {", ".join(map(str, written))}')
    return 0


def write_report(folders: Sequence[Path], out: Path, pdf: Path | None = None,
                 csv: Path | None = None, fhir: Path | None = None) -> list[Path]:
    """Report on the newest of the sessions, compared with the others.

    Args:
        folders: session folders of one patient, in any order, each once.
        out: the HTML page. pdf: the same for printing. csv: folder for the tables.
        fhir: FHIR R4 JSON.

    Returns:
        The files written.

    Raises:
        SessionError: a folder is no session, or the sessions are of several patients.
        WriteError: a file cannot be written.
    """
    sessions = sorted((summarise(read_session(folder, wanted=FRAME_NAMES)) for folder in folders),
                      key=lambda session: session.started)
    _check_one_patient(sessions)
    *earlier, newest = sessions
    comparison = compare(sessions)
    files = {out: page.html(newest, earlier, comparison).encode()}
    if pdf:
        files[pdf] = page.pdf(newest, comparison)
    if fhir:
        files[fhir] = bundle(newest)
    if csv:
        for name, text in tables.all_tables(sessions).items():
            files[csv / name] = text.encode()
    atomic_file.write_own(files, folder=csv)
    return list(files)


def _different(folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Each folder once, by its real path, and those that are given again."""
    known: dict[str, Path] = {}
    again = []
    for folder in folders:
        real = os.path.realpath(folder)
        if real in known:
            again.append(folder)
        else:
            known[real] = folder
    return list(known.values()), again


def _check_one_patient(sessions: Sequence[SessionSummary]) -> None:
    keys = sorted({session.patient_key for session in sessions})
    if len(keys) > 1:
        named = ', '.join(key or '(none)' for key in keys)
        raise SessionError(f'sessions of several patients ({named}); report on one at a time')
    if keys == [''] and len(sessions) > 1:
        raise SessionError('sessions without a patient key cannot be compared; '
                           'give one session, or set patient_key when recording')


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='report', description='One page about recorded sessions of one patient: '
        'the newest, compared with the others. A measurement aid, not a diagnosis.')
    parser.add_argument('sessions', type=Path, nargs='+', metavar='SESSION',
                        help='session folder written by record_session')
    parser.add_argument('--out', type=Path, required=True, help='HTML page to write')
    parser.add_argument('--pdf', type=Path, help='the same as PDF')
    parser.add_argument('--csv', type=Path, metavar='FOLDER',
                        help='folder for sessions.csv, exercises.csv, seconds.csv and parts.csv')
    parser.add_argument('--fhir', type=Path, metavar='FILE',
                        help='the newest session as FHIR R4 (DiagnosticReport and Observations)')
    return parser.parse_args(arguments)
