"""Writes a small file whole or not at all, whatever happens to the process or the power.

It never leaves a half-written file under the final name.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: temporary name beside it, fsync, os.replace, fsync the folder.

    Args:
        path: in an existing folder. A file that was there stays whole until it is replaced.
        content: everything.

    Raises:
        OSError: disk full, no permission, no such folder; nothing is left behind then.
    """
    temporary = path.parent / f'.{path.name}.{secrets.token_hex(8)}{TEMPORARY}'
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


TEMPORARY = '.partial'
# How a page, a PDF and a FHIR document begin, and what is in each of ours and in nothing else that
# we write; a table of ours begins with its own first line.
_MARKS = {b'<!DOCTYPE html>': b'<meta name="generator" content="stroke_side_monitor">',
          b'%PDF-': b'/Creator (stroke_side_monitor)', b'{': b'"urn:stroke_side_monitor"'}


class WriteError(ValueError):
    """What a command has made cannot be written; the text says why and how to mend it."""


def write_own(files: Mapping[Path, bytes], folder: Path | None = None) -> None:
    """Write these files, each whole or not at all; none when one would replace somebody's file.

    Args:
        files: content by path.
        folder: one that is made when it is missing.

    Raises:
        WriteError: a file is there that an earlier run of the same command has not written, the
            disk is full, no permission, no such folder.
    """
    for path, content in files.items():
        with _telling_of(path):
            if not _is_own(path, content):
                raise WriteError(f'{path}: there is something that this command has not written; '
                                 'choose another name')
    if folder is not None:
        with _telling_of(folder):
            folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        with _telling_of(path):
            write(path, content)


@contextmanager
def _telling_of(path: Path) -> Iterator[None]:
    # The error itself names a temporary file, or none where the disk is full.
    try:
        yield
    except OSError as error:
        raise WriteError(f'cannot write {path} ({error.strerror}); give a folder that exists and '
                         'has space') from error


def _is_own(path: Path, content: bytes) -> bool:
    """Whether nothing is there, or what an earlier run has written in place of `content`."""
    if not path.exists():
        return True
    if not path.is_file():
        return False
    there = path.read_bytes()
    for begin, mark in _MARKS.items():
        if content.startswith(begin):
            return not there or (there.startswith(begin) and mark in there)
    return not there or there.split(b'\n', 1)[0] == content.split(b'\n', 1)[0]


def remove_leftovers(folder: Path) -> None:
    """Delete what a process that was killed in mid-write has left in `folder`."""
    for leftover in folder.glob(f'.*{TEMPORARY}'):
        leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
