"""What the monitor keeps of a patient on disk, and only if asked: baseline and session record.

It never stores images, never knows ROS, and a disk that fails never stops the monitor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stroke_side_monitor.assessment.baseline import (
    REST_NEEDED_S,
    BaselineError,
    EnrolmentProgress,
    PersonalBaseline,
)
from stroke_side_monitor.patient_files.baseline_store import BaselineStore, check_key
from stroke_side_monitor.patient_files.session_record import SessionRecorder
from stroke_side_monitor.pipeline import Assessment


class PatientFiles:
    """One patient's baseline and the record of one session. Use it from one thread.

    problem: the last file that could not be written, in one line; '' when all were.
    enrolment: how far a baseline has come, in words; '' while none is enrolled.
    """

    def __init__(self, *, patient_key: str, baseline_directory: str, record_session: str,
                 tell: Callable[[str], None], versions: Mapping[str, str],
                 parameters: Mapping[str, Any]) -> None:
        """Open what was asked for; empty folder names ask for nothing.

        Args:
            patient_key: pseudonym; needed for a baseline.
            baseline_directory, record_session: folders, '' for none.
            tell: gets one line whenever a file could not be written later on.
            versions, parameters: for the session's metadata.

        Raises:
            BaselineError, SessionError: one line saying what is wrong and how to mend it.
        """
        if patient_key:
            check_key(patient_key)
        self._key, self._tell = patient_key, tell
        self.problem = self.enrolment = ''
        self._store = BaselineStore(Path(baseline_directory).expanduser()) \
            if baseline_directory else None
        self.baseline: PersonalBaseline | None = None
        if self._store is not None and patient_key:
            self.baseline = self._store.load(patient_key)
        self._recorder = SessionRecorder(
            Path(record_session).expanduser(), patient_key=patient_key, versions=versions,
            parameters=parameters, tell=self._fail) if record_session else None

    @property
    def why_no_enrolment(self) -> str:
        """Why a baseline cannot be enrolled; empty when it can."""
        if self._store is None:
            return 'set baseline_directory to the folder in which baselines are kept'
        return '' if self._key else 'set patient_key to the pseudonym of this patient'

    def add(self, assessment: Assessment) -> None:
        """Take one assessment: record it, and store a baseline that it completes."""
        found = assessment.personal
        self._follow_enrolment(assessment.stamp_s, found.enrolment)
        if self._recorder is None:
            return
        self._recorder.assessment(assessment)
        if found.new_asymmetry is not None:
            self._recorder.event(found.new_asymmetry.stamp_s, 'new_asymmetry', {
                'side': found.new_asymmetry.side, 'change': found.new_asymmetry.change})

    def results(self, ended: Assessment) -> None:
        """Record what the exercises of somebody who is forgotten came to."""
        if self._recorder is not None:
            self._recorder.results(ended)

    def cue(self, stamp_s: float, exercise: str, start: bool, hold_s: float,
            status: tuple[str, ...]) -> None:
        """Record a cue and what was wrong with it."""
        if self._recorder is not None:
            self._recorder.cue(stamp_s, exercise, start, hold_s, status)

    def event(self, stamp_s: float, name: str, values: Mapping[str, Any] | None = None) -> None:
        """Record that something happened."""
        if self._recorder is not None:
            self._recorder.event(stamp_s, name, values)

    def close(self) -> None:
        """Close the session's record. May be called twice."""
        if self._recorder is not None:
            self._recorder.close()

    def _follow_enrolment(self, stamp_s: float, progress: EnrolmentProgress | None) -> None:
        if progress is None:
            if self.enrolment:
                self._tell(f'baseline: given up at {self.enrolment}, as the patient was forgotten; '
                           'ask for it again')
            self.enrolment = ''
        elif progress.baseline is not None:
            self.enrolment = ''
            self._save(stamp_s, progress.baseline)
        else:
            waits_for = f' ({", ".join(progress.reasons)})' if progress.reasons else ''
            self.enrolment = f'{progress.rest_s:.0f} of {REST_NEEDED_S:.0f} s of rest{waits_for}'

    def _save(self, stamp_s: float, baseline: PersonalBaseline) -> None:
        if self._store is None:
            return
        try:
            path = self._store.save(self._key, baseline)
        except BaselineError as error:
            self._fail(str(error))
            return
        self._tell(f'baseline of {self._key} enrolled: {path}')
        self.event(stamp_s, 'baseline_enrolled')

    def _fail(self, text: str) -> None:
        self.problem = text
        self._tell(text)
