"""What was given on the command line becomes inputs: folders, globs, manifests, URLs.

It never opens an input; what lies behind a URL is fetched where it is assessed (fetched()).
"""

from __future__ import annotations

import csv
import glob
import math
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from stroke_side_monitor.offline import inputs
from stroke_side_monitor.offline.inputs import BAG_METADATA, Input, InputError, Kind
from stroke_side_monitor.pipeline import PipelineSettings, parameters

MANIFESTS = ('.csv', '.parquet')
_URL = re.compile(r'[a-z][a-z0-9+.-]+://', re.IGNORECASE)


class SourceError(ValueError):
    """What was given cannot be read as inputs; the text says why."""


@dataclass(frozen=True)
class Source:
    """One input and what a manifest says of it.

    url: where it is fetched from; '' where found.path is on this machine.
    size: bytes; None: not known before it is looked at.
    topic, cue_topic: None: those of the run.
    changes: parameters that differ from the run's, as text.
    """

    found: Input
    url: str = ''
    size: int | None = None
    topic: str | None = None
    cue_topic: str | None = None
    changes: tuple[tuple[str, str], ...] = ()


def find(given: Sequence[str], out: Path) -> Iterator[Source]:
    """Every input, in the order given; folders and globs in sorted order.

    Args:
        out: where results go: in no folder that is given, and where no glob finds them.

    Raises:
        SourceError: a manifest cannot be read, a URL cannot be listed, or `out` is there.
    """
    for one in given:
        if not is_url(one) and Path(one).suffix.lower() in MANIFESTS and os.path.isfile(one):
            yield from _of_manifest(Path(one), out)
        else:
            yield from _find(one, out)


def is_url(text: str) -> bool:
    """Whether it names something that is not simply a path."""
    return _URL.match(text) is not None


def _find(one: str, out: Path) -> Iterator[Source]:
    if is_url(one):
        yield from _at_url(one)
    elif glob.has_magic(one) and not os.path.exists(one):
        if _finds_results(one, out):
            raise SourceError(f'--out {out} lies where {one} looks: choose a folder beside it')
        matches = sorted(set(_matches(one)))
        if not matches:
            yield Source(Input(Path(one), Kind.UNUSABLE, 'matches no file'))
        yield from map(Source, _once(inputs.find(matches)))
    else:
        if os.path.isdir(one) and Path(os.path.realpath(one)) in _way_to(out):
            raise SourceError(f'--out {out} lies in the input {one}: choose a folder beside it')
        yield from map(Source, inputs.find([Path(one)]))


def _way_to(out: Path) -> tuple[Path, ...]:
    real = Path(os.path.realpath(out))
    return (real, *real.parents)


def _finds_results(pattern: str, out: Path) -> bool:
    """Whether the glob finds the overlays of a run into `out`, or a folder above them."""
    parts = (Path.cwd() / pattern).parts
    at = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    fixed = Path(os.path.realpath(Path(*parts[:at]))).parts
    # An overlay that the glob can find if it finds any.
    overlay = f'00000_{re.sub("[*?]", "", Path(parts[-1]).stem)}.jpg'
    results = (*Path(os.path.realpath(out)).parts, 'overlay', overlay)
    return results[:len(fixed)] == fixed and _leads_to(parts[at:], results[len(fixed):])


def _leads_to(pattern: Sequence[str], names: Sequence[str]) -> bool:
    if not pattern:
        return True
    if pattern[0] == '**' and _leads_to(pattern[1:], names):
        return True
    if not names or not _fits(names[0], pattern[0]):
        return False
    return _leads_to(pattern if pattern[0] == '**' else pattern[1:], names[1:])


def _fits(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (part.startswith('.') or not name.startswith('.'))


def _matches(pattern: str) -> Iterator[Path]:
    """As of glob.glob, which follows links in circles: here each folder is entered once.

    What ends in ** means the folders, for their files come with them.
    """
    parts = pattern.split('/')
    if '**' not in parts:
        yield from map(Path, glob.glob(pattern))
        return
    at = parts.index('**')
    below = '/'.join(parts[at + 1:])
    for top in glob.glob('/'.join([*parts[:at], ''])) if at else ['']:
        for folder in inputs.folders(Path(top)):
            # One that is closed to us is an input that cannot be read.
            if below and os.access(folder, os.R_OK | os.X_OK):
                yield from _matches(os.path.join(glob.escape(str(folder)), below))
            else:
                yield folder


def _once(found: Iterable[Input]) -> Iterator[Input]:
    """None twice, and no file of a bag beside it: a glob may match a folder and what is in it."""
    seen: set[str] = set()
    bags: set[str] = set()
    for one in found:
        folder = os.path.realpath(one.path.parent)
        place = os.path.join(folder, one.path.name)
        if place not in seen and folder not in bags:
            yield one
        seen.add(place)
        if os.path.isdir(place):
            bags.add(place)


def _of_manifest(path: Path, out: Path) -> Iterator[Source]:
    rows = _rows_of_csv(path) if path.suffix.lower() == '.csv' else _rows_of_parquet(path)
    for number, row in enumerate(rows, 1):
        if None in row:
            raise SourceError(f'{path}: row {number} has more cells than there are columns; put a '
                              'value with a comma or semicolon in it in quotes')
        if number == 1:
            _check_columns(path, list(row))
        name = str(row['input'] or '').strip()
        if not name:
            raise SourceError(f'{path}: row {number} names no input')
        changes = tuple((key, str(value)) for key, value in row.items()
                        if key in parameters.BY_NAME and value not in (None, ''))
        try:
            parameters.changed(PipelineSettings(), dict(changes))
            size = int(row['size']) if row.get('size') not in (None, '') else None
        except (ValueError, TypeError, OverflowError) as error:
            raise SourceError(f'{path}: row {number}: {error}') from error
        # Of a URL in a manifest nothing is asked before its turn: there may be a million.
        found = [Source(*_named(name))] if is_url(name) else _find(str(path.parent / name), out)
        for source in found:
            yield replace(source, size=size, topic=row.get('topic') or None,
                          cue_topic=row.get('cue_topic') or None, changes=changes)


def _check_columns(path: Path, columns: list[str]) -> None:
    known = ['input', 'size', 'topic', 'cue_topic', *parameters.BY_NAME]
    if 'input' not in columns:
        raise SourceError(f'{path} has no column "input"; its columns are {", ".join(columns)}')
    for column in columns:
        # A misspelt input_mirrored that is passed over would swap left and right.
        meant = column.lower()
        near = parameters.nearest(_OPTIONS.get(meant, meant), known, 0.8)
        if column not in known and near:
            raise SourceError(f'{path}: there is no column {column}{near}')


# What assess calls them on its command line, and the parameters.
_OPTIONS = {'mirrored': 'input_mirrored', 'rotation': 'image_rotation_deg'}


def _rows_of_csv(path: Path) -> Iterator[Mapping[Any, Any]]:
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            header = file.readline()
            file.seek(0)
            yield from csv.DictReader(file, delimiter=';' if ';' in header else ',')
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f'{path} cannot be read as a manifest ({error}); save it as CSV in '
                          'UTF-8') from error


def _rows_of_parquet(path: Path) -> Iterator[Mapping[Any, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise SourceError(f'{path}: Parquet needs pyarrow (requirements/fleet.txt)') from error
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    yield {name: _as_meant(value) for name, value in row.items()}
    except (ArrowException, OSError) as error:
        raise SourceError(f'{path} cannot be read as a manifest ({error})') from error


def _as_meant(value: Any) -> Any:
    """A cell without the floats that a column becomes where some are lacking."""
    if not isinstance(value, float) or math.isinf(value):
        return value
    return None if math.isnan(value) else int(value) if value.is_integer() else value


def _at_url(url: str) -> Iterator[Source]:
    filesystem, path = _filesystem(url)
    if not glob.has_magic(path) and _kind(path) is not Kind.UNUSABLE:
        yield Source(*_named(url), size=_size(filesystem, path))
        return
    try:
        # Not asked whether it is a folder: http would read it to know.
        listed = filesystem.glob(path, detail=True) if glob.has_magic(path) else \
            filesystem.find(path, detail=True)
    except Exception as error:
        raise SourceError(f'{url} cannot be listed ({_in_short(error)})') from error
    sizes = {filesystem.unstrip_protocol(one): facts.get('size') for one, facts in listed.items()
             if facts.get('type') != 'directory'}
    usable = list(_with_bags(sizes))
    if not usable:
        yield Source(*_named(url, 'holds no picture, video or bag'))
    for one, size in usable:
        yield Source(*_named(one), size=size)


def _size(filesystem: Any, path: str) -> int | None:
    try:
        size: int | None = filesystem.info(path).get('size')
    except Exception:  # noqa: BLE001 - whatever is wrong, fetching it in its turn will tell
        return None
    return size


def _with_bags(sizes: Mapping[str, int | None]) -> Iterator[tuple[str, int | None]]:
    """The pictures, videos and bags among listed files; a bag's files count as one."""
    bags = {one.rpartition('/')[0] for one in sizes if one.endswith('/' + BAG_METADATA)}
    of_bags: Counter[str] = Counter()
    for one, size in sorted(sizes.items()):
        bag = one.rpartition('/')[0]
        if bag in bags:
            of_bags[bag] += size or 0
        elif _kind(one) is not Kind.UNUSABLE:
            yield one, size
    yield from ((f'{bag}/', size) for bag, size in sorted(of_bags.items()))


def _named(url: str, problem: str = '') -> tuple[Input, str]:
    kind = Kind.BAG if url.endswith('/') else _kind(url)
    if problem or kind is Kind.UNUSABLE:
        problem = problem or 'is neither a picture, a video nor a bag by its name'
        return Input(Path(url), Kind.UNUSABLE, problem), url
    return Input(Path(PurePosixPath(url.split('?')[0]).name), kind), url


def _kind(url: str) -> Kind:
    suffix = PurePosixPath(url.split('?')[0]).suffix.lower()
    if suffix in inputs.PICTURES:
        return Kind.PICTURE
    return Kind.VIDEO if suffix in inputs.VIDEOS else \
        Kind.BAG if suffix == '.mcap' else Kind.UNUSABLE


@contextmanager
def fetched(found: Input, url: str) -> Iterator[Input]:
    """The input as a file of this machine, below the folder for temporary files, then removed.

    Raises:
        InputError: it cannot be fetched.
    """
    if not url or found.kind is Kind.UNUSABLE:
        yield found
        return
    folder = Path(tempfile.mkdtemp(prefix='assess-'))
    try:
        try:
            _fetch(url, folder / found.path)
        except Exception as error:
            raise InputError(f'cannot be fetched ({_in_short(error)})') from error
        yield replace(found, path=folder / found.path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(url: str, to: Path) -> None:
    filesystem, path = _filesystem(url)
    if not url.endswith('/'):
        filesystem.get_file(path, str(to))
        return
    for one in filesystem.find(path):
        local = to / one[len(path.rstrip('/')) + 1:]
        local.parent.mkdir(parents=True, exist_ok=True)
        filesystem.get_file(one, str(local))


def _filesystem(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise SourceError(f'{url}: URLs need fsspec (requirements/fleet.txt)') from error
    try:
        filesystem, path = url_to_fs(url)
    except Exception as error:  # of servers that are asked at once, whatever their plugins raise
        raise SourceError(f'{url}: {_in_short(error)}') from error
    return filesystem, path


def _in_short(error: Exception) -> str:
    return ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
