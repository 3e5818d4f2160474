"""Files of one head scan → slices to look through, prepared as a scan model would see them.

Runs in a process of its own. Files are read by `training.scans`; of their headers nothing but the
window and the order of slices is passed on, and neither the files nor their names are kept.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from clinic.cases.models import Case
from clinic.cases.pictures import UploadError, jpeg
from training.scans.head import enough_brain, prepare_slice
from training.scans.reading import MAX_SLICES, ScanError, Series, Slice, natural, read_files

# (width, level) in Hounsfield units.
PRESETS = {'brain': (80, 40), 'stroke': (40, 40), 'blood': (200, 80), 'bone': (2800, 600)}
AS_IS, PREPARED = 'as-is', 'prepared'
_ENDINGS = {'.dcm', '.dicom', '.ima', '.nii', '.gz', '.png', '.jpg', '.jpeg', '.zip'}
_MAX_UNPACKED = 1 << 30
_SHOWN_SIDE = 768


def in_order(files: list[UploadedFile]) -> list[tuple[str, UploadedFile]]:
    """The files under names of our own, in the natural order of the sender's.

    A file name may be a patient's name; only its order and known ending are used.
    """
    ordered = sorted(files, key=lambda file: natural(str(file.name)))
    return [(f'{number:05d}{_ending(str(file.name))}', file)
            for number, file in enumerate(ordered)]


def assess(case: Case, folder: Path) -> None:
    """Read the files in `folder`; the case is DONE afterwards, with pictures where it is kept.

    Raises:
        UploadError: the files cannot be used.
    """
    try:
        found = read_files(_contents(folder))
    except ScanError as error:
        raise UploadError(_('These files cannot be used: %(why)s') % {'why': error}) from error
    if len({series.patient_key for series in found if series.patient_key}) > 1:
        raise UploadError(_('These files are of several patients; send those of one.'))
    series = max(found, key=lambda one: len(one.slices))
    shares = []
    for number, one in enumerate(series.slices):
        prepared = prepare_slice(one.channels)
        shares.append(prepared.share if prepared else float('nan'))
        if case.kept:
            for name, picture in _views(one).items():
                case.write(f'slice-{number}-{name}.jpg', jpeg(picture))
            if prepared:
                case.write(f'slice-{number}-{PREPARED}.jpg', jpeg(prepared.picture))
        Case.objects.filter(pk=case.pk).update(
            progress=min(99, 100 * number // len(series.slices)))
    judged = enough_brain(shares)
    case.result = {
        'form': series.kind, 'window': series.window, 'count': len(series.slices),
        'with_brain': sum(judged), 'first': _middle(judged),
        'prepared': [number for number, share in enumerate(shares) if share == share],
        'presets': _presets(series) if case.kept else [], 'series': len(found)}
    case.state, case.progress = Case.State.DONE, 100
    case.save()


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


def _contents(folder: Path) -> dict[str, bytes]:
    """Content by our own names; archives are unpacked in memory, so that no path of theirs is."""
    contents: dict[str, bytes] = {}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        if data[:4] == b'PK\x03\x04':
            contents.update(_unpacked(path.stem, data))
        else:
            contents[path.name] = data
    return contents


def _unpacked(stem: str, data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) > MAX_SLICES or sum(one.file_size for one in members) > _MAX_UNPACKED:
                raise UploadError(_('This archive unpacks to far more than a scan.'))
            members.sort(key=lambda one: natural(one.filename))
            # ZipExtFile gives no more than the size that was stated, and checks its sum.
            return {f'{stem}-{number:05d}{_ending(one.filename)}': archive.read(one)
                    for number, one in enumerate(members)}
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, EOFError
            ) as error:
        if isinstance(error, UploadError):
            raise
        raise UploadError(_('This archive is damaged or locked by a password.')) from error
