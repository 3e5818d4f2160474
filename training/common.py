"""What every training command shares: the clear error, output that appears whole, tables.

It imports neither TensorFlow nor MediaPipe, so both environments can use it.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stroke_side_monitor.interruption import ends_cleanly

log = logging.getLogger('training')


class TrainingError(RuntimeError):
    """Going on would be meaningless; the text says why and how to mend it, in one line."""


@ends_cleanly('training')
def run_command(command: Callable[[], None]) -> int:
    """Run a command's body; a TrainingError or OSError becomes one line on stderr and status 2."""
    logging.basicConfig(format='%(message)s', level=logging.INFO, stream=sys.stdout)
    try:
        command()
    except TrainingError as error:
        sys.stderr.write(f'error: {error}\n')
        return 2
    except OSError as error:
        what = f'cannot read or write {error.filename} ({error.strerror})' if error.filename \
            else ' '.join(str(error).split())
        sys.stderr.write(f'error: {what}\n')
        return 2
    return 0


# In a folder that a command has written: which command. Only such a folder is ever replaced.
_MADE_BY = '.made_by'


def check_replaceable(path: Path, made_by: str, inputs: Sequence[Path] = ()) -> None:
    """See, before any work, that writing `path` takes nothing from anybody.

    Args:
        path: the folder to be written.
        made_by: the command that writes it.
        inputs: what is read for it.

    Raises:
        TrainingError: it holds something else than an earlier output of the same command, or lies
            in, or around, an input.
    """
    real = path.resolve()
    for given in (one.resolve() for one in inputs):
        if given.is_dir() and (real == given or given in real.parents or real in given.parents):
            raise TrainingError(f'--out {path} and the input {given} lie in each other: choose a '
                                'folder beside it')
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir():
        raise TrainingError(f'--out {path} is a file: choose a folder')
    if any(path.iterdir()) and _maker(path) != made_by:
        raise TrainingError(f'--out {path} holds something else than an earlier output of '
                            f'{made_by}: empty it yourself or choose another folder')


def _maker(folder: Path) -> str:
    try:
        return (folder / _MADE_BY).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ''


def claim(folder: Path, made_by: str) -> None:
    """Make a working folder, or take up one's own from an interrupted run.

    Raises:
        TrainingError: it holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()) and _maker(folder) != made_by:
        raise TrainingError(f'{folder} holds something else than an interrupted run of {made_by}: '
                            'move it away, or choose another --out')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MADE_BY).write_text(f'{made_by}\n')


def check_own_card(path: Path, formats: Sequence[str]) -> None:
    """See that writing a model takes the place of a model only.

    Args:
        path: the .tflite to be written, its card beside it. formats: of cards that count as ours.

    Raises:
        TrainingError: there is a file of that name without such a card.
    """
    card = path.with_suffix('.json')
    if not path.exists() and not card.exists():
        return
    try:
        found = json.loads(card.read_text()).get('format')
    except (OSError, ValueError, AttributeError):
        found = None
    if found not in formats:
        raise TrainingError(f'{path} or {card.name} is there and is no model with its card: choose '
                            'another folder')


@contextmanager
def appearing_folder(path: Path, made_by: str) -> Iterator[Path]:
    """A hidden folder that takes `path`'s name when the block ends well.

    Only an absent or empty folder, or an earlier output of the same command, is replaced. After
    an error nothing is left of it and `path` is as it was.

    Raises:
        TrainingError: see check_replaceable.
    """
    check_replaceable(path, made_by)
    hidden = path.with_name(f'.{path.name}.{os.getpid()}.new')
    hidden.mkdir(parents=True)
    try:
        (hidden / _MADE_BY).write_text(f'{made_by}\n')
        yield hidden
        check_replaceable(path, made_by)  # it may have changed meanwhile
        old = path.with_name(f'.{path.name}.{os.getpid()}.old')
        if path.exists():
            path.rename(old)
        hidden.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file under a temporary name, then rename: it is never seen half-written."""
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Indented JSON, whole or not at all."""
    write_whole(path, json.dumps(value, indent=2) + '\n')


def read_json(path: Path, made_by: str) -> Any:
    """Read what another command wrote.

    Raises:
        TrainingError: missing or unreadable; names the command that makes it.
    """
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise TrainingError(f'cannot read {path} ({error.strerror}); run {made_by} first') \
            from error
    except ValueError as error:
        raise TrainingError(f'{path} is not JSON ({error}); run {made_by} again') from error


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """CSV with a header, whole or not at all."""
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    with temporary.open('w', newline='') as file:
        writer = csv.DictWriter(file, columns, restval='', extrasaction='ignore')
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file, cells apart by commas or semicolons; empty cells are empty strings.

    Raises:
        TrainingError: missing, not UTF-8 text, or without a header.
    """
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            first = file.readline()
            file.seek(0)
            # Spreadsheets of half the world write semicolons.
            semicolons = first.count(';') > first.count(',')
            reader = csv.DictReader(file, delimiter=';' if semicolons else ',')
            rows = [{name.strip(): (value or '').strip() for name, value in row.items() if name}
                    for row in reader]
            header = reader.fieldnames
    except OSError as error:
        raise TrainingError(f'cannot read {path}: {error.strerror}') from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f'{path} is not a CSV file in UTF-8: {error}') from error
    if not header:
        raise TrainingError(f'{path} is empty; its first line must name the columns')
    return rows
