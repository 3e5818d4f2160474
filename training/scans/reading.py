"""DICOM series, NIfTI volumes, PNG and JPEG pictures → slices of a head, windowed alike.

It reads from memory and writes nothing; no tag that names a person leaves it. What it cannot read
exactly is refused with one line that says what was wrong.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import struct
import warnings
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import nibabel
import numpy as np
import pydicom
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import OrientationError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray
from pydicom.errors import BytesLengthException, InvalidDicomError

from stroke_side_monitor.offline.orientation import by_exif
from stroke_side_monitor.perception.image import ImageDecodeError, decode_compressed

# (width, level) of the three channels: brain, stroke, and wide enough for blood beside bone.
WINDOWS = ((80, 40), (40, 40), (200, 80))
WINDOW_TEXT = ', '.join(f'W{width} L{level}' for width, level in WINDOWS)
UNKNOWN = 'unknown'
MAX_SLICES = 1500
MAX_VOXELS = 400_000_000
MAX_SIDE = 4096
_AIR = -1024.0
_LONGEST_DEVICE = 64
# What damaged or hostile files make pydicom, gdcm and nibabel raise.
_BROKEN = (ValueError, KeyError, AttributeError, TypeError, IndexError, OverflowError, MemoryError,
           NotImplementedError, RuntimeError, EOFError, OSError, struct.error, zlib.error,
           BytesLengthException, InvalidDicomError, ImageFileError, HeaderDataError,
           OrientationError)
# Of a stated modality; screen shots of CT are often called by the last two.
_JUDGED = ('', 'CT', 'OT', 'SC')
# Between neighbours, beside the median distance, from which slices are missing.
_GAP = 1.6
_DEFLATED = b'1.2.840.10008.1.2.1.99'


class ScanError(ValueError):
    """A file cannot be used as a scan; one line: what was wrong and how to mend it."""


@dataclass(frozen=True)
class Slice:
    """One axial picture as radiologists look at it: the patient's right at the left, face up.
    Where its file does not say how it lies (`Series.sides_known`), that is an assumption.

    channels: uint8 (H, W, 3), the `WINDOWS` for Hounsfield units, grey three times otherwise.
    hu: float32 (H, W), or None where the file holds a ready-made picture.
    """

    name: str
    channels: NDArray[np.uint8]
    hu: NDArray[np.float32] | None = None

    def window(self, width: float, level: float) -> NDArray[np.uint8]:
        """Grey picture of a window, uint8 (H, W).

        Raises:
            ScanError: the window of a ready-made picture cannot be changed.
        """
        if self.hu is None:
            raise ScanError(f'{self.name} is a ready-made picture; its window cannot be changed')
        return through_window(self.hu, width, level)


@dataclass(frozen=True)
class Series:
    """One scan of one patient, feet to head.

    kind: 'dicom', 'nifti' or 'picture'. window: of the channels, in words, or 'unknown'.
    patient_key: the same for files of one patient, '' where unknown; made from the patient's id,
    for comparing in memory only. notes: what was left out, and why. device: maker and model of
    the scanner, '' where unknown; neither its number nor its place. sides_known: whether the files
    say where the patient's right is. gaps: at how many places slices seem to be missing.
    """

    kind: str
    window: str
    slices: tuple[Slice, ...]
    patient_key: str = field(default='', repr=False)
    notes: tuple[str, ...] = ()
    device: str = ''
    sides_known: bool = False
    gaps: int = 0


def through_window(hu: NDArray[Any], width: float, level: float) -> NDArray[np.uint8]:
    """Hounsfield units → grey 0 to 255 (DICOM PS3.3 C.11.2.1.3.2, linear exact)."""
    if not width > 0:
        raise ScanError(f'a window of width {width}; it must be above 0')
    return np.rint(np.clip((hu - level) / width + 0.5, 0, 1) * 255).astype(np.uint8)


def read_files(files: Mapping[str, bytes], *, windowed: bool = False) -> list[Series]:
    """Read one study's files.

    Args:
        files: name → content. DICOM files are grouped into series, every NIfTI file is one, all
            PNG and JPEG files together are one, in the natural order of their names.
        windowed: red, green and blue of the pictures are the `WINDOWS` of Hounsfield units, as the
            clinic page exports them, not a picture to look at.

    Raises:
        ScanError: nothing given, or a file that cannot be used.
    """
    if not files:
        raise ScanError('no file was given; give a DICOM series, a NIfTI volume, PNG or JPEG')
    names = sorted(files, key=natural)
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in names:
        kinds[_kind(name, files[name])].append(name)
    found = [_nifti(name, files[name]) for name in kinds['nifti']]
    found += _dicom({name: files[name] for name in kinds['dicom']})
    if kinds['picture']:
        _check_count(len(kinds['picture']))
        found.append(Series('picture', WINDOW_TEXT if windowed else UNKNOWN, tuple(
            _picture(name, files[name], windowed) for name in kinds['picture'])))
    return found


def natural(name: str) -> tuple[Any, ...]:
    """Sorting key: 'slice 9' before 'slice 10'."""
    return tuple((0, int(part), '') if part.isdecimal() else (1, 0, part.lower())
                 for part in re.split(r'(\d{1,18})', name))


def _kind(name: str, data: bytes) -> str:
    if data[128:132] == b'DICM' or name.lower().endswith(('.dcm', '.dicom', '.ima')):
        return 'dicom'
    if data[:3] == b'\xff\xd8\xff' or data[:4] == b'\x89PNG':
        return 'picture'
    if data[:2] == b'\x1f\x8b' or data[344:347] in (b'n+1', b'ni1') or data[4:7] == b'n+2':
        return 'nifti'
    raise ScanError(f'{_short(name)} is neither DICOM nor NIfTI nor PNG nor JPEG')


def _short(name: str) -> str:
    return re.sub(r'[^\w. ()+-]', '?', name.replace('\\', '/').split('/')[-1])[:80] or 'a file'


def _check_count(count: int) -> None:
    if count > MAX_SLICES:
        raise ScanError(f'{count} slices; at most {MAX_SLICES} are read')


def _line(error: BaseException) -> str:
    return ' '.join(str(error).split())[:160] or type(error).__name__


# --- Ready-made pictures -----------------------------------------------------------------------

def _picture(name: str, data: bytes, windowed: bool) -> Slice:
    try:
        rgb = decode_compressed('', data)
    except ImageDecodeError as error:
        raise ScanError(f'{_short(name)}: {error}') from error
    rgb = by_exif(rgb, data)
    if windowed:
        return Slice(_short(name), rgb)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return Slice(_short(name), np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=2))


def _of_hu(name: str, hu: NDArray[np.float32]) -> Slice:
    return Slice(name, np.stack([through_window(hu, *one) for one in WINDOWS], axis=-1), hu)


def _of_grey(name: str, values: NDArray[Any]) -> Slice:
    """Values without Hounsfield units: 8-bit ones as they are, others by their own range."""
    values = np.asarray(values, np.float32)
    if values.min() < 0 or values.max() > 255:
        low, high = np.percentile(values, (0.5, 99.5))
        values = (values - low) / max(float(high - low), 1e-6) * 255
    grey = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return Slice(name, np.repeat(grey[..., None], 3, axis=2))


# --- NIfTI -------------------------------------------------------------------------------------

def _nifti(name: str, data: bytes) -> Series:
    try:
        content = _gunzipped(data) if data[:2] == b'\x1f\x8b' else data
        kind = nibabel.Nifti2Image if content[4:7] == b'n+2' else nibabel.Nifti1Image
        image = kind.from_bytes(content)
        shape = image.shape[:3] if image.shape[3:] in ((), (1,)) else ()
        if len(shape) != 3 or min(shape) < 1:
            raise ScanError(f'{_short(name)} has the shape {image.shape}; one volume is needed')
        if int(np.prod(shape, dtype=np.float64)) > MAX_VOXELS or max(shape) > MAX_SIDE:
            raise ScanError(f'{_short(name)} is too large: {shape}')
        _check_count(min(shape) if max(shape) > MAX_SLICES else 0)
        canonical = nibabel.as_closest_canonical(image)
        volume = np.asarray(canonical.dataobj, np.float32).reshape(canonical.shape[:3])
    except ScanError:
        raise
    except _BROKEN as error:
        raise ScanError(f'{_short(name)} is a damaged NIfTI file: {_line(error)}') from error
    volume = np.nan_to_num(volume, nan=_AIR, posinf=3071, neginf=_AIR)
    _check_count(volume.shape[2])
    # Canonical is right, front, top increasing; a picture grows to the patient's left and back.
    planes = volume.transpose(2, 1, 0)[:, ::-1, ::-1]
    is_hu = volume.min() < -300
    make = (lambda label, plane: _of_hu(label, np.maximum(plane, _AIR))) if is_hu else _of_grey
    return Series('nifti', WINDOW_TEXT if is_hu else UNKNOWN, tuple(
        make(f'slice {number + 1}', np.ascontiguousarray(plane))
        for number, plane in enumerate(planes)),
        sides_known=int(image.header['sform_code']) > 0 or int(image.header['qform_code']) > 0)


def _gunzipped(data: bytes) -> bytes:
    limit = MAX_VOXELS * 4
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        parts, size = [], 0
        while part := file.read(1 << 22):
            size += len(part)
            if size > limit or size > 2000 * len(data) + (1 << 22):
                raise ScanError('the NIfTI file unpacks to far more than a scan; it is refused')
            parts.append(part)
    return b''.join(parts)


# --- DICOM -------------------------------------------------------------------------------------

@dataclass(frozen=True)
class _Image:
    """One decoded plane and where it lies.

    place: height along the patient, mm, or None where not stated. sides_known: as of a Series.
    """

    slice: Slice
    place: float | None
    number: int
    is_hu: bool
    sides_known: bool


def _dicom(files: Mapping[str, bytes]) -> list[Series]:
    series: dict[str, list[_Image]] = defaultdict(list)
    stated: dict[str, tuple[str, str]] = {}
    left_out: list[str] = []
    for name, data in files.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                found = _one_file(name, data)
        except ScanError:
            raise
        except _BROKEN as error:  # pydicom looks at a value only when it is asked for
            raise ScanError(f'{_short(name)} is a damaged DICOM file: {_line(error)}') from error
        if isinstance(found, str):
            left_out.append(found)
            continue
        key, patient_and_device, planes = found
        before = stated.setdefault(key, patient_and_device)
        if before[0] != patient_and_device[0]:
            raise ScanError(f'{_short(name)} states another patient than the rest of its series; '
                            'give the files of one patient')
        series[key] += planes
        _check_count(len(series[key]))
    if files and not series:
        raise ScanError(f'no axial picture among the DICOM files; {left_out[0]}')
    return [_ordered(planes, *stated[key], tuple(left_out)) for key, planes in series.items()]


def _one_file(name: str, data: bytes) -> str | tuple[str, tuple[str, str], list[_Image]]:
    """Why a file is left out, or its series, its patient's key and device, and its planes."""
    header = _header(name, data)
    if header is None:  # DICOMDIR, reports, presentation states
        return f'{_short(name)} holds no picture'
    modality = str(header.get('Modality', '') or '').upper()
    if modality not in _JUDGED:
        return f'{_short(name)} is a picture of {_short(modality)}, not of CT'
    if not _is_axial(header):
        return f'{_short(name)} is no axial picture (a scout or another plane)'
    return (str(header.get('SeriesInstanceUID', '')), (_patient_key(header), _device(header)),
            _planes(name, header))


def _ordered(planes: Sequence[_Image], patient_key: str, device: str, notes: tuple[str, ...]
             ) -> Series:
    kept, repeated = _without_repeats(planes)
    places = [plane.place for plane in kept if plane.place is not None]
    known = len(set(places)) == len(kept)
    ordered = sorted(kept, key=lambda plane: (plane.place if known else 0.0, plane.number,
                                              natural(plane.slice.name)))
    is_hu = all(plane.is_hu for plane in kept)
    return Series('dicom', WINDOW_TEXT if is_hu else UNKNOWN,
                  tuple(plane.slice for plane in ordered), patient_key,
                  (*notes, *repeated), device, all(plane.sides_known for plane in kept),
                  _gaps(sorted(places)) if known else 0)


def _without_repeats(planes: Sequence[_Image]) -> tuple[list[_Image], list[str]]:
    """The planes without copies of one: same place, number and pixels; and notes of those."""
    kept: list[_Image] = []
    notes = []
    alike: dict[tuple[float | None, int], list[_Image]] = defaultdict(list)
    for plane in planes:
        others = alike[plane.place, plane.number]
        if any(np.array_equal(plane.slice.channels, other.slice.channels) for other in others):
            notes.append(f'{plane.slice.name} repeats another slice')
        else:
            others.append(plane)
            kept.append(plane)
    return kept, notes


def _gaps(places: Sequence[float]) -> int:
    """Between how many neighbours at these heights, rising, slices seem to be missing."""
    if len(places) < 3:
        return 0
    distances = np.diff(places)
    return int((distances > _GAP * np.median(distances)).sum())


def _header(name: str, data: bytes) -> pydicom.Dataset | None:
    if _DEFLATED in data[:1 << 16]:
        raise ScanError(f'{_short(name)} is a deflated DICOM file; save it without that')
    header = pydicom.dcmread(io.BytesIO(data), force=data[128:132] != b'DICM')
    if 'PixelData' not in header:
        if 'SOPClassUID' not in header and 'MediaStorageSOPClassUID' not in (
                header.file_meta or ()):
            raise ScanError(f'{_short(name)} is no DICOM file')
        return None
    if header.file_meta.get('TransferSyntaxUID') is None:
        header.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    rows, columns = int(header.Rows), int(header.Columns)
    frames = int(header.get('NumberOfFrames', 1) or 1)
    if not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE and 0 < frames <= MAX_SLICES
            and rows * columns * frames <= MAX_VOXELS):
        raise ScanError(f'{_short(name)} says it has {frames} frames of {columns}x{rows}; at most '
                        f'{MAX_SLICES} of {MAX_SIDE}x{MAX_SIDE} are read')
    return header


def _patient_key(header: pydicom.Dataset) -> str:
    identity = str(header.get('PatientID', '') or '')
    return hashlib.sha256(identity.encode()).hexdigest() if identity else ''


def _device(header: pydicom.Dataset) -> str:
    words = (str(header.get(tag, '') or '') for tag in ('Manufacturer', 'ManufacturerModelName'))
    return ' '.join(re.sub(r'[^\w ().+/-]', ' ', ' '.join(words)).split())[:_LONGEST_DEVICE]


def _orientation(header: pydicom.Dataset) -> NDArray[np.float64] | None:
    """Directions of a row and of a column, float64 (2, 3), or None where not stated."""
    try:
        values = np.array([float(v) for v in header.ImageOrientationPatient])
    except (AttributeError, TypeError, ValueError):
        return None
    return values.reshape(2, 3) if values.size == 6 and np.isfinite(values).all() else None


def _is_axial(header: pydicom.Dataset) -> bool:
    if 'LOCALIZER' in [str(word).upper() for word in header.get('ImageType', ()) or ()]:
        return False
    directions = _orientation(header)
    if directions is None:
        return True
    # Gantries and heads tilt by 30 degrees, seldom by more.
    return abs(float(np.cross(*directions)[2])) > 0.75


def _planes(name: str, header: pydicom.Dataset) -> list[_Image]:
    try:
        stored = header.pixel_array
    except _BROKEN as error:
        raise ScanError(f'{_short(name)}: its picture cannot be unpacked: {_line(error)}'
                        ) from error
    frames = int(header.get('NumberOfFrames', 1) or 1)
    planes = stored if frames > 1 else stored[None]
    return [_plane(name, header, planes[i], i, frames) for i in range(frames)]


def _plane(name: str, header: pydicom.Dataset, stored: NDArray[Any], frame: int, frames: int
           ) -> _Image:
    label = _short(name) if frames == 1 else f'{_short(name)} {frame + 1}'
    number = int(header.get('InstanceNumber', 0) or 0) + frame
    if stored.ndim == 3:  # a colour screen shot
        return _Image(_of_grey(label, stored[..., :3].mean(axis=2)), None, number, False, False)
    lies, place = _placed(header, frame)
    slope, intercept = _rescale(header, frame)
    is_hu = str(header.get('Modality', 'CT')) == 'CT' and intercept is not None \
        and int(header.get('BitsAllocated', 16)) > 8
    stored = _unpadded(header, stored)
    values = stored.astype(np.float32) * slope + (intercept or 0.0)
    if str(header.get('PhotometricInterpretation', '')) == 'MONOCHROME1':
        values = _uninverted(header, stored, values, slope, intercept or 0.0)
    if lies is not None:
        values = _as_looked_at(values, lies)
    values = np.ascontiguousarray(values, np.float32)
    one = _of_hu(label, np.maximum(values, _AIR)) if is_hu else _of_grey(label, values)
    return _Image(one, place, number, is_hu, lies is not None)


def _as_looked_at(values: NDArray[np.float32], lies: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows from the patient's right to the left, columns from front to back.

    Args:
        lies: directions of a row and of a column, float64 (2, 3), to the patient's left, back and
            head.
    """
    if abs(lies[0, 1]) > abs(lies[0, 0]):
        values, lies = values.T, lies[::-1]
    return values[::-1 if lies[1, 1] < 0 else 1, ::-1 if lies[0, 0] < 0 else 1]


def _unpadded(header: pydicom.Dataset, stored: NDArray[Any]) -> NDArray[Any]:
    padding = header.get('PixelPaddingValue')
    if not isinstance(padding, int):
        return stored
    padded = stored == padding
    if not padded.any() or padded.all():
        return stored
    return np.where(padded, stored[~padded].min(), stored)


def _uninverted(header: pydicom.Dataset, stored: NDArray[Any], values: NDArray[np.float32],
                slope: float, intercept: float) -> NDArray[np.float32]:
    """MONOCHROME1 shows small values white. Some writers invert the stored values for it, others
    leave Hounsfield units as they are; air around the head tells which."""
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    if np.median(border) <= np.percentile(values, 40):
        return values
    signed = int(header.get('PixelRepresentation', 0)) == 1
    full = -1 if signed else (1 << int(header.get('BitsStored', 16))) - 1
    return (np.float32(full) - stored.astype(np.float32)) * slope + intercept


def _functional(header: pydicom.Dataset, frame: int, group: str) -> pydicom.Dataset | None:
    """An enhanced image keeps per-frame facts in functional groups (PS3.3 C.7.6.16)."""
    for where, index in (('PerFrameFunctionalGroupsSequence', frame),
                         ('SharedFunctionalGroupsSequence', 0)):
        groups = header.get(where)
        if groups is not None and len(groups) > index and group in groups[index]:
            return groups[index][group].value[0]
    return None


def _rescale(header: pydicom.Dataset, frame: int) -> tuple[float, float | None]:
    source = _functional(header, frame, 'PixelValueTransformationSequence') or header
    if 'RescaleIntercept' not in source:
        return 1.0, None
    slope, intercept = float(source.get('RescaleSlope', 1) or 1), float(source.RescaleIntercept)
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise ScanError('its rescale slope or intercept is no number')
    return slope, intercept


def _placed(header: pydicom.Dataset, frame: int
            ) -> tuple[NDArray[np.float64] | None, float | None]:
    """Directions of a row and of a column, as `_orientation`, and the height, mm."""
    plane = _functional(header, frame, 'PlaneOrientationSequence') or header
    directions = _orientation(plane)
    if directions is None:
        return None, None
    place = _functional(header, frame, 'PlanePositionSequence') or header
    try:
        position = [float(v) for v in place.ImagePositionPatient]
    except (AttributeError, TypeError, ValueError):
        position = []
    normal = np.cross(*directions)
    normal = normal * (1 if normal[2] >= 0 else -1)
    height = float(np.dot(normal, position)) if len(position) == 3 else None
    return directions, height
