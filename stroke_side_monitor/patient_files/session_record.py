"""Writes one therapy session to a folder as JSON lines, and reads such folders back.

It never stores images, never raises for a full disk (it tells, once, and the
monitor lives on), and what was written survives a kill at any moment.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stroke_side_monitor import atomic_file
from stroke_side_monitor.assessment.exercise import ExerciseResult
from stroke_side_monitor.patient_files.baseline_store import check_key

if TYPE_CHECKING:  # reading a record must not load MediaPipe
    from stroke_side_monitor.pipeline import Assessment

SCHEMA = 1
METADATA_FILE, LINES_FILE = 'session.json', 'session.jsonl'
ANONYMOUS = 'unnamed'
# The event before everything that belongs to another session of the pipeline than what came before.
SESSION_BEGAN = 'session_began'
# A power cut costs at most this much; a kill of the process costs nothing.
_SYNC_EVERY_S = 1.0

Record = dict[str, Any]


class SessionError(ValueError):
    """A session cannot be recorded or read; the text says why and how to mend it."""


class SessionRecorder:
    """One session being written. Values are the caller's; nothing is interpreted here."""

    def __init__(self, root: Path, *, patient_key: str = '', versions: Mapping[str, str],
                 parameters: Mapping[str, Any], tell: Callable[[str], None],
                 started: datetime | None = None) -> None:
        """Make the session's folder and write its metadata.

        Args:
            root: the folder of all sessions; made when missing.
            patient_key: pseudonym that links the sessions of one patient; empty: none.
            versions: of the software, the model and the norms.
            parameters: of the monitor, by name.
            tell: gets one line if, later, writing fails.
            started: now, unless given; only names the folder and orders sessions.

        Raises:
            SessionError: the key cannot be used, or the folder cannot be written.
        """
        key = check_key(patient_key) if patient_key else ''
        self._tell = tell
        self._synced_s = time.monotonic()
        self._metrics_s = -math.inf
        self._session: int | None = None
        started = started or datetime.now(timezone.utc)
        metadata = {'schema': SCHEMA, 'patient_key': key, 'started_utc': started.isoformat(),
                    'versions': dict(versions), 'parameters': dict(parameters)}
        try:
            self.folder = _new_folder(root, f'{started:%Y%m%dT%H%M%SZ}_{key or ANONYMOUS}')
            self._file = _begin(self.folder, metadata)
        except OSError as error:
            raise SessionError(f'session record: cannot write below {root} ({error.strerror}); '
                               'set record_session to a folder with space') from error

    def assessment(self, assessment: Assessment) -> None:
        """Add one frame's assessment, the exercise results that it brought included.

        Metrics and their z-scores are added once a second only: at 30 frames a
        second they would make 100 MB an hour.
        """
        self._enter_session(assessment)
        values = frame_values(assessment)
        if abs(assessment.stamp_s - self._metrics_s) >= 1.0:
            self._metrics_s = assessment.stamp_s
            values['metrics'] = {name: round(value, 3)
                                 for name, value in assessment.metrics.items()}
            values['z'] = {name: round(value, 2) for name, value in assessment.z.items()}
        self._write('frame', assessment.stamp_s, values)
        for result in assessment.exercise_results:
            self.exercise(result)

    def results(self, ended: Assessment) -> None:
        """Add the exercise results of an assessment that is no frame's, but of who is forgotten."""
        self._enter_session(ended)
        for result in ended.exercise_results:
            self.exercise(result)

    def _enter_session(self, assessment: Assessment) -> None:
        """Tell where another session began, after what whoever was there before came to."""
        if assessment.parting is not None:
            self.results(assessment.parting)
        if assessment.session != self._session:
            self._session = assessment.session
            self.event(assessment.stamp_s, SESSION_BEGAN, {
                'session': assessment.session, 'reason': assessment.session_reason})

    def frame(self, stamp_s: float, values: Mapping[str, Any]) -> None:
        """Add one frame by values named as in frame_values."""
        self._write('frame', stamp_s, values)

    def cue(self, stamp_s: float, exercise: str, start: bool, hold_s: float,
            status: tuple[str, ...] = ()) -> None:
        """Add a cue of the exercise controller and what was wrong with it."""
        self._write('cue', stamp_s, {'exercise': exercise, 'start': start, 'hold_s': hold_s,
                                     'status': list(status)})

    def exercise(self, result: ExerciseResult) -> None:
        """Add the result of one repetition."""
        seen = math.isfinite(result.stamp_s)  # not when no frame of it was seen
        self._write('exercise', result.stamp_s if seen else result.start_s, result.__dict__)

    def event(self, stamp_s: float, name: str, values: Mapping[str, Any] | None = None) -> None:
        """Add something that happened: reset, new_asymmetry, baseline_enrolled ..."""
        self._write('event', stamp_s, {'name': name, **(values or {})})

    @property
    def writing(self) -> bool:
        """False once writing has failed or the record was closed."""
        return not self._file.closed

    def close(self) -> None:
        """End the record. May be called twice."""
        if self._file.closed:
            return
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            self._give_up(error)

    def _write(self, kind: str, stamp_s: float, values: Mapping[str, Any]) -> None:
        if self._file.closed:
            return
        line = json.dumps(_plain({**values, 'kind': kind, 'stamp_s': stamp_s}),
                          separators=(',', ':'), allow_nan=False).encode() + b'\n'
        try:
            # A disk that fills up may take a part of the line; the reader skips it.
            while line:
                line = line[self._file.write(line):]
            if time.monotonic() - self._synced_s >= _SYNC_EVERY_S:
                os.fsync(self._file.fileno())
                self._synced_s = time.monotonic()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._tell(f'session record: stopped, cannot write {self.folder / LINES_FILE} '
                   f'({error.strerror}); what was written stays readable')
        # Closing an unbuffered file writes nothing more.
        self._file.close()


def frame_values(assessment: Assessment) -> Record:
    """What is recorded of every frame; units as in Assessment and its parts.

    M, E: mouth and eye score, healthy standard deviations, positive: the
    PATIENT's left is weaker. reasons: why the frame was not assessed, or what
    limits trust in its side; severity_reasons: the same of its severity.
    """
    side, severity, view = assessment.side, assessment.severity, assessment.view
    return {
        'side': side.side, 'confidence': round(side.confidence, 4), 'stable': side.stable,
        'M': _rounded(side.landmark_score), 'E': _rounded(side.eye_score),
        'classifier_score': _rounded(side.classifier_score),
        'classifier_agreement': side.agreement,
        'symmetry_index': _rounded(severity.symmetry_index), 'grade': severity.grade,
        'basis': severity.basis, 'mouth_severity': severity.mouth_severity,
        'eye_severity': severity.eye_severity, 'pattern': severity.pattern,
        'nihss': (severity.nihss_min, severity.nihss_max),
        'house_brackmann': (severity.house_brackmann_min, severity.house_brackmann_max),
        'trend': severity.trend, 'severity_reasons': severity.reasons, 'reasons': side.reasons,
        'assessed': not view.reasons, 'yaw_deg': _rounded(view.yaw_deg),
        'pitch_deg': _rounded(view.pitch_deg), 'roll_deg': _rounded(view.roll_deg),
        'interocular_px': _rounded(view.interocular_px)}


def _rounded(value: float) -> float:
    return round(value, 3) if math.isfinite(value) else math.nan


def _new_folder(root: Path, name: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for number in range(1000):
        folder = root / (f'{name}_{number + 1}' if number else name)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise SessionError(f'session record: {root} holds a thousand sessions named {name}; '
                       'move them away')


def _begin(folder: Path, metadata: Record) -> FileIO:
    """Write the metadata and open the lines; no folder stays when that fails."""
    try:
        atomic_file.write(folder / METADATA_FILE, json.dumps(_plain(metadata), indent=1).encode())
        # Unbuffered: a line has left the process when write returns.
        return (folder / LINES_FILE).open('ab', buffering=0)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _plain(value: Any) -> Any:
    """JSON values: NaN and infinity become null, enums their lower-case names."""
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, Path):
        return str(value)
    number = float(value)
    return number if math.isfinite(number) else None


@dataclass(frozen=True)
class RecordedSession:
    """One session as it was read back.

    folder: where it stood. metadata: as given to SessionRecorder, plus started_utc.
    lines: all whole lines, in order; each has kind and stamp_s (seconds).
    damaged: lines that could not be read, for instance the last one of a killed process.
    """

    folder: Path
    metadata: Record
    lines: tuple[Mapping[str, Any], ...]
    damaged: int

    @property
    def patient_key(self) -> str:
        """Pseudonym of the patient; empty when none was given."""
        return str(self.metadata['patient_key'])

    @property
    def started(self) -> datetime:
        """When the session began, by the robot's wall clock, UTC."""
        return datetime.fromisoformat(self.metadata['started_utc'])

    def of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        """The lines of one kind: frame, cue, exercise or event."""
        return [line for line in self.lines if line['kind'] == kind]


def read_session(folder: Path, *, wanted: Container[str] | None = None) -> RecordedSession:
    """Read a session folder, also one whose writer was killed.

    Eight hours are half a million frames: they are kept as `FrameLine`.

    Args:
        folder: holds session.json and session.jsonl.
        wanted: the names that are kept of frames; None: all.

    Raises:
        SessionError: this is no session folder, or its metadata is damaged.
    """
    try:
        metadata = json.loads((folder / METADATA_FILE).read_text())
        if metadata['schema'] != SCHEMA:
            raise SessionError(f'{folder}: schema {metadata["schema"]} is not {SCHEMA}; '
                               'read it with the version that wrote it')
        datetime.fromisoformat(metadata['started_utc'])
        if not (isinstance(metadata['patient_key'], str)
                and isinstance(metadata['versions'], dict)
                and isinstance(metadata['parameters'], dict)):
            raise TypeError('patient_key, versions or parameters is of another kind')
        with (folder / LINES_FILE).open('rb') as content:
            lines, damaged = _read_lines(content, wanted)
    except SessionError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SessionError(f'{folder}: not a recorded session ({error}); give the folder that '
                           f'holds {METADATA_FILE} and {LINES_FILE}') from error
    return RecordedSession(folder, metadata, lines, damaged)


class FrameLine(Mapping[str, Any]):
    """One frame's line as JSON has it, its names and repeated values shared with the others'."""

    __slots__ = ('_place', '_stamp_s', '_values')

    def __init__(self, place: Mapping[str, int], values: tuple[Any, ...], stamp_s: float) -> None:
        self._place, self._values, self._stamp_s = place, values, stamp_s

    def __getitem__(self, name: str) -> Any:
        return self._stamp_s if name == 'stamp_s' else self._values[self._place[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)

    def at(self, stamp_s: float) -> FrameLine:
        """The same frame at another time."""
        return FrameLine(self._place, self._values, stamp_s)


class _Shared:
    """Gives of equal names, words and short lists the one that was there first."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], Mapping[str, int]] = {}
        self._values: dict[Any, Any] = {}

    def frame(self, line: Record) -> FrameLine:
        names = tuple(line)
        if names not in self._places:
            self._places[names] = {name: place for place, name in enumerate(names)}
        return FrameLine(self._places[names], tuple(map(self._shared, line.values())),
                         line['stamp_s'])

    def _shared(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._values.setdefault(value, value)
        if isinstance(value, list) and all(isinstance(one, (str, int)) for one in value):
            return self._values.setdefault(tuple(value), value)
        return value


def _read_lines(content: Iterable[bytes], wanted: Container[str] | None
                ) -> tuple[tuple[Mapping[str, Any], ...], int]:
    """The whole lines, and how many were none."""
    lines: list[Mapping[str, Any]] = []
    damaged, shared = 0, _Shared()
    for raw in content:
        line = _read_line(raw)
        if line is None:
            damaged += bool(raw.strip())
            continue
        if line['kind'] == 'frame':
            lines.append(shared.frame({name: value for name, value in line.items()
                                       if wanted is None or name in wanted}))
        else:
            lines.append(line)
    return tuple(lines), damaged


def _read_line(raw: bytes) -> Record | None:
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    whole = isinstance(line, dict) and isinstance(line.get('kind'), str) \
        and isinstance(line.get('stamp_s'), (int, float))
    return line if whole else None
