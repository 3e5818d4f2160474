"""Files of one head scan → slices to look through, and what the model in use says of the patient.

Runs in a process of its own. Files are read by `training.scans`; of their headers nothing but
window, order of slices and the device's make is passed on; neither files nor their names are kept.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from clinic.cases.models import Case, ScanModelFile
from clinic.cases.pictures import UploadError, jpeg
from clinic.cases.words import NO_SCAN
from training.scans.head import PreparedSlice, enough_brain, prepare_slice
from training.scans.judge import REVIEW, ScanModel, ScanModelError, Verdict, heat, overlaid
from training.scans.reading import (
    MAX_SLICES,
    UNKNOWN,
    ScanError,
    Series,
    Slice,
    natural,
    read_files,
)

# (width, level) in Hounsfield units.
PRESETS = {'brain': (80, 40), 'stroke': (40, 40), 'blood': (200, 80), 'bone': (2800, 600)}
# Its three channels, in their order.
SHOWN_TO_MODEL = ('brain', 'stroke', 'blood')
AS_IS, PREPARED, HEAT = 'as-is', 'prepared', 'heat'
# What scans of unknown devices are called for the trainer: those that people bring to this page.
NO_DEVICE = 'clinic page'
_ENDINGS = {'.dcm', '.dicom', '.ima', '.nii', '.gz', '.png', '.jpg', '.jpeg', '.zip'}
# Of all archives of a scan together.
_MAX_UNPACKED = 1 << 30
# Files of one archive; a CD from a hospital brings a viewer and its help.
_MAX_MEMBERS = 20_000
_SYSTEMS_OWN = {'thumbs.db', 'desktop.ini'}
# DICOM, JPEG, PNG, gzip and the forms of NIfTI, as training.scans.reading tells them.
_SIGNATURES = ((128, b'DICM'), (0, b'\xff\xd8\xff'), (0, b'\x89PNG'), (0, b'\x1f\x8b'),
               (344, b'n+1'), (344, b'ni1'), (4, b'n+2'))
_START = 352
# What damaged or hostile archives make zipfile and its unpackers raise.
_DAMAGED = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, struct.error,
            OSError, ValueError, RuntimeError, EOFError, OverflowError, MemoryError)
_OUR_NAME = re.compile(r'(?:file-(\d+)|archive-(\d+)-(\d+))(?:\.[a-z]+)?')
_SHOWN_SIDE = 768
_CARRIED = 5


def in_order(files: list[UploadedFile]) -> list[tuple[str, UploadedFile]]:
    """The files under names of our own, in the natural order of the sender's.

    A file name may be a patient's name; only its order and known ending are used.
    """
    seen = [file for file in files if not _hidden(str(file.name))] or files
    ordered = sorted(seen, key=lambda file: natural(str(file.name)))
    return [(f'{number:05d}{_ending(str(file.name))}', file)
            for number, file in enumerate(ordered)]


def assess(case: Case, folder: Path) -> None:
    """Read the files in `folder`; the case is DONE afterwards, with pictures where it is kept.

    Raises:
        UploadError: the files cannot be used.
        CaseGone: the case was deleted meanwhile.
    """
    contents, others = _contents(folder)
    try:
        found = read_files(contents)
    except ScanError as error:
        raise UploadError(_('These files cannot be used: %(why)s') % {
            'why': _told(str(error))}) from error
    if len({series.patient_key for series in found if series.patient_key}) > 1:
        raise UploadError(_('These files are of several patients; send those of one.'))
    series = max(found, key=lambda one: len(one.slices))
    prepared = [_read_slice(case, number, one, len(series.slices))
                for number, one in enumerate(series.slices)]
    judged = enough_brain([one.share if one else float('nan') for one in prepared])
    case.result = {
        'form': series.kind, 'window': series.window, 'count': len(series.slices),
        'device': series.device, 'side': 'unknown', 'sides_known': series.sides_known,
        'gaps': series.gaps,
        'with_brain': sum(judged), 'first': _middle(judged),
        'prepared': [number for number, one in enumerate(prepared) if one],
        'presets': _presets(series) if case.kept else [], 'series': len(found),
        'left_out': _left_out(found, others)}
    _judge(case, {number: one for number, one in enumerate(prepared) if one and judged[number]})
    case.store(result=case.result, given_by=case.given_by, state=Case.State.DONE, progress=100)


def _read_slice(case: Case, number: int, one: Slice, count: int) -> PreparedSlice | None:
    prepared = prepare_slice(one.channels)
    if case.kept:
        for name, picture in _views(one).items():
            case.write(f'slice-{number}-{name}.jpg', jpeg(picture))
        if prepared:
            case.write(f'slice-{number}-{PREPARED}.jpg', jpeg(prepared.picture))
    case.store(progress=min(70, 70 * number // count))
    return prepared


def _judge(case: Case, slices: dict[int, PreparedSlice]) -> None:
    """What the model in use says of these slices, into the case; nothing where none is."""
    installed = ScanModelFile.objects.filter(in_use=True).first()
    if installed is None:
        return
    try:
        model = ScanModel(installed.path)
        looks = []
        for done, one in enumerate(slices.values()):
            looks.append(model.look(one.picture, one.inside))
            case.store(progress=70 + 29 * done // len(slices))
    except ScanModelError as error:
        raise UploadError(_('The scan model in use cannot be loaded: %(why)s') % {
            'why': error}) from error
    verdict = model.judge(looks, source=case.result['device'] or NO_DEVICE,
                          window_known=case.result['window'] != UNKNOWN)
    case.given_by = {'scan': {'name': installed.name, 'sha256': installed.sha256}}
    case.result['judged'] = _verdict(verdict, list(slices))
    case.result['side'] = 'unknown' if verdict.answer == REVIEW else verdict.answer
    if looks:
        most = int((verdict.weights * verdict.scores).argmax())
        case.result['first'] = list(slices)[most]
    if case.kept and looks:
        for number, look in zip(slices, looks, strict=True):
            case.write(f'slice-{number}-{HEAT}.jpg', jpeg(overlaid(
                slices[number].picture, slices[number].inside,
                heat(look, slices[number].picture, slices[number].inside))))
        case.result['presets'].append(HEAT)
        case.result['heat'] = list(slices)


def _verdict(verdict: Verdict, numbers: list[int]) -> dict[str, Any]:
    """As JSON has it; slices that carried the answer with their scores, most first."""
    carried = sorted((i for i in range(len(numbers)) if verdict.weights[i] > 0),
                     key=lambda i: -verdict.weights[i] * verdict.scores[i])[:_CARRIED]
    known = verdict.probability == verdict.probability
    return {'answer': verdict.answer, 'leaning': verdict.leaning if known else None,
            'probability': round(verdict.probability, 4) if known else None,
            'confidence': round(verdict.confidence, 4) if known else None,
            'distance': round(verdict.distance, 3) if known else None,
            'reasons': list(verdict.reasons), 'limits': list(verdict.limits),
            'carried': [{'slice': numbers[i], 'score': round(float(verdict.scores[i]), 3)}
                        for i in carried]}


def _middle(judged: list[bool]) -> int:
    """The slice to begin with: in the middle of the brain."""
    brain = [number for number, one in enumerate(judged) if one]
    return brain[len(brain) // 2] if brain else len(judged) // 2


def _presets(series: Series) -> list[str]:
    known = all(one.hu is not None for one in series.slices)
    return [*(PRESETS if known else (AS_IS,)), PREPARED]


def _views(one: Slice) -> dict[str, Any]:
    if one.hu is None:
        return {AS_IS: one.channels[..., 0]}
    return {name: one.window(*window) for name, window in PRESETS.items()}


def _ending(name: str) -> str:
    ending = PurePosixPath(name.lower()).suffix
    return ending if ending in _ENDINGS else ''


def _hidden(name: str) -> bool:
    """What systems lay beside a user's files: he does not see it, so neither do we."""
    *folders, base = name.replace('\\', '/').split('/')
    return ('__MACOSX' in folders or base.lower() in _SYSTEMS_OWN
            or any(part.startswith('.') and part.strip('.') for part in (*folders, base)))


def _is_scan(ending: str, start: bytes) -> bool:
    """Whether to read it, or to pass it over; a damaged picture is read, and refused by name."""
    return ending not in ('', '.zip') or any(
        start[at:at + len(mark)] == mark for at, mark in _SIGNATURES)


def _contents(folder: Path) -> tuple[dict[str, bytes], int]:
    """Content by our own names, and how many files were passed over as none of a scan.

    Archives are unpacked in memory, so that no path of theirs is. One limit holds for all of them.
    """
    contents: dict[str, bytes] = {}
    others: dict[str, bytes] = {}
    unpacked = _Unpacked()
    for number, path in enumerate(sorted(folder.iterdir()), start=1):
        data = path.read_bytes()
        if path.suffix == '.zip' or data[:4] == b'PK\x03\x04':
            unpacked.add(data)
        else:
            kept = contents if _is_scan(path.suffix, data[:_START]) else others
            kept[f'file-{number}{path.suffix}'] = data
    contents |= unpacked.contents
    if not contents and not others:
        raise UploadError(_('This archive holds no DICOM, NIfTI, PNG or JPEG file.'))
    # With nothing else there, the reader says what is wrong with them.
    return (contents, len(others) + unpacked.others) if contents else (others, unpacked.others)


class _Unpacked:
    """What the archives of one scan hold together."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.others = 0
        self._archives, self._room = 0, _MAX_UNPACKED

    def add(self, data: bytes) -> None:
        """Take in one archive.

        Raises:
            UploadError: damaged, locked, or too large together with those before it.
        """
        self._archives += 1
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                self._read(archive)
        except UploadError:
            raise
        except _DAMAGED as error:
            raise UploadError(_('This archive is damaged or locked by a password.')) from error

    def _read(self, archive: zipfile.ZipFile) -> None:
        members = [one for one in archive.infolist()
                   if not one.is_dir() and not _hidden(one.filename)]
        if len(members) > _MAX_MEMBERS:
            raise UploadError(_too_much())
        members.sort(key=lambda one: natural(one.filename))
        for number, one in enumerate(members, start=1):
            ending = _ending(one.filename)
            with archive.open(one) as file:
                start = file.read(_START)
                if not _is_scan(ending, start):
                    self.others += 1
                    continue
                self._room -= one.file_size
                if self._room < 0 or len(self.contents) == MAX_SLICES:
                    raise UploadError(_too_much())
                # Asked for no more than was stated, ZipExtFile unpacks no more, and checks its sum.
                rest = file.read(one.file_size - len(start))
                self.contents[f'archive-{self._archives}-{number}{ending}'] = start + rest


def _too_much() -> str:
    return _('This archive unpacks to far more than a scan.')


def _left_out(found: list[Series], others: int) -> dict[str, int]:
    """Why files were not looked at, in the reader's words without their names, and how many."""
    notes = {note for series in found for note in series.notes}
    counted = Counter(_OUR_NAME.sub('', note).strip() for note in notes)
    return {**counted, **({NO_SCAN: others} if others else {})}


def _told(line: str) -> str:
    """The reader's line with our own names of files put as the sender can count them.

    His names would tell more, but may be a patient's, and the line is stored.
    """
    def words(found: re.Match[str]) -> str:
        file, archive, member = (int(one or 0) for one in found.groups())
        if archive:
            return _('file %(number)d of archive %(archive)d (counted by name)') % {
                'number': member, 'archive': archive}
        return _('file %(number)d (counted by name)') % {'number': file}
    return _OUR_NAME.sub(words, line)
