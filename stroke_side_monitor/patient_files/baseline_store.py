"""Keeps personal baselines in a folder, one file per patient key.

It never stores pictures or names, and never a file that is not whole. Used by
one process at a time.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from stroke_side_monitor import atomic_file
from stroke_side_monitor.assessment.baseline import BaselineError, PersonalBaseline

_KEY = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}')


def check_key(patient_key: str) -> str:
    """Return the key when it can name a file.

    Raises:
        BaselineError: it cannot; a key is a pseudonym, not a name or a path.
    """
    if not _KEY.fullmatch(patient_key):
        raise BaselineError(
            f'patient_key {patient_key!r}: use 1 to 64 letters, digits, ".", "_" or "-", '
            'beginning with a letter or digit')
    return patient_key


class BaselineStore:
    """Baselines under one folder, which is made on the first save."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, patient_key: str, baseline: PersonalBaseline) -> Path:
        """Store, replacing an earlier one; the earlier one stays whole until then.

        Raises:
            BaselineError: the key cannot be used, or the file cannot be written.
        """
        path = self._path(patient_key)
        content = json.dumps(baseline.to_mapping(), indent=1, allow_nan=False).encode()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            atomic_file.remove_leftovers(self._folder)
            atomic_file.write(path, content)
        except OSError as error:
            raise BaselineError(f'baseline: cannot write {path} ({error.strerror}); '
                                'set baseline_directory to a folder with space') from error
        return path

    def load(self, patient_key: str) -> PersonalBaseline | None:
        """The stored baseline; None when this patient has none.

        Raises:
            BaselineError: the key cannot be used, or the file is damaged.
        """
        path = self._path(patient_key)
        try:
            content = json.loads(path.read_text())
            return PersonalBaseline.from_mapping(content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BaselineError(f'baseline: cannot read {path} ({error}); '
                                'delete it or enrol the baseline again') from error

    def _path(self, patient_key: str) -> Path:
        return self._folder / f'{check_key(patient_key)}.json'
