"""Writes phantoms as what a clinic has: DICOM series, NIfTI volumes, ready-made PNG and JPEG.

Only phantoms are written, never a patient; names and identifiers in the files say PHANTOM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from training.common import TrainingError, write_table
from training.scans.phantom import Phantom

MAKER = 'PHANTOM'
FORMS = ('dicom', 'nifti', 'png', 'jpeg')
LABEL_COLUMNS = ('filename', 'label', 'patient', 'source', 'kind', 'age')
_PICTURE_PX = 512


def write_patient(out: Path, name: str, phantom: Phantom, form: str, *, single: bool = False
                  ) -> dict[str, str]:
    """Write one phantom into out/name (or out/name.nii.gz) and its truth into out/truth.

    Returns:
        Its row of labels.csv.
    """
    planes, truth = phantom.hu, phantom.truth
    if single:
        best = int(truth.sum(axis=(1, 2)).argmax()) if truth.any() else int(0.62 * len(planes))
        planes, truth = planes[best:best + 1], truth[best:best + 1]
    out.mkdir(parents=True, exist_ok=True)
    target = out / (f'{name}.nii.gz' if form == 'nifti' else name)
    if target.exists():
        raise TrainingError(f'{target} is there already; give another folder')
    if form == 'nifti':
        write_nifti(target, planes, phantom.spacing)
    else:
        target.mkdir()
        for number, plane in enumerate(planes):
            file = target / f'{number + 1:03d}.{ {"dicom": "dcm", "jpeg": "jpg"}.get(form, form)}'
            if form == 'dicom':
                dicom(plane, number, name, phantom.spacing, device=f'scanner {phantom.scanner.name}'
                      ).save_as(file, enforce_file_format=True)
            else:
                cv2.imwrite(str(file), picture(plane, phantom, name))
    (out / 'truth').mkdir(exist_ok=True)
    np.savez_compressed(out / 'truth' / f'{name}.npz', truth=truth)
    kinds = '+'.join(lesion.kind for lesion in phantom.lesions)
    return {'filename': target.name, 'label': phantom.label, 'patient': name, 'kind': kinds,
            'source': f'{MAKER} scanner {phantom.scanner.name}', 'age': f'{phantom.person.age:.0f}'}


def write_labels(out: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """labels.csv as training.prepare reads it."""
    write_table(out / 'labels.csv', LABEL_COLUMNS, rows)


def dicom(hu: NDArray[np.float32], number: int, name: str, spacing: tuple[float, float], *,
          device: str = '') -> FileDataset:
    """One CT image, explicit little endian, 16 bit, rescale intercept -1024."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name, str(number)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset('', {}, file_meta=meta, preamble=b'\0' * 128)
    rows, columns = hu.shape
    fields: dict[str, Any] = {
        'SOPClassUID': CTImageStorage, 'SOPInstanceUID': meta.MediaStorageSOPInstanceUID,
        'StudyInstanceUID': generate_uid(entropy_srcs=[name]),
        'SeriesInstanceUID': generate_uid(entropy_srcs=[name, 'series']),
        'Modality': 'CT', 'ImageType': ['ORIGINAL', 'PRIMARY', 'AXIAL'], 'Manufacturer': MAKER,
        'ManufacturerModelName': device,
        'PatientName': f'PHANTOM^{name}', 'PatientID': f'PHANTOM-{name}',
        'SeriesNumber': 1, 'InstanceNumber': number + 1,
        'ImagePositionPatient': [0.0, 0.0, round(number * spacing[1], 3)],
        'ImageOrientationPatient': [1, 0, 0, 0, 1, 0],
        'PixelSpacing': [round(spacing[0], 5)] * 2, 'SliceThickness': round(spacing[1], 3),
        'Rows': rows, 'Columns': columns, 'SamplesPerPixel': 1,
        'PhotometricInterpretation': 'MONOCHROME2', 'BitsAllocated': 16, 'BitsStored': 12,
        'HighBit': 11, 'PixelRepresentation': 0, 'RescaleIntercept': -1024, 'RescaleSlope': 1,
        'RescaleType': 'HU', 'WindowWidth': 80, 'WindowCenter': 40}
    for keyword, value in fields.items():
        setattr(image, keyword, value)
    image.PixelData = np.clip(np.rint(hu + 1024), 0, 4095).astype('<u2').tobytes()
    return image


def write_nifti(path: Path, planes: NDArray[np.float32], spacing: tuple[float, float]) -> None:
    """int16 volume in RAS: the patient's right is low x."""
    volume = np.rint(planes).astype(np.int16).transpose(2, 1, 0)[::-1, ::-1]
    affine = np.diag([spacing[0], spacing[0], spacing[1], 1.0])
    nibabel.save(nibabel.Nifti1Image(volume, affine), path)


def picture(hu: NDArray[np.float32], phantom: Phantom, name: str) -> NDArray[np.uint8]:
    """A ready-made grey picture, uint8 (512, 512): the scanner's own window, letters burnt in."""
    width, level = phantom.scanner.window
    grey = np.clip((hu - level) / width + 0.5, 0, 1) ** phantom.scanner.gamma
    big = cv2.resize((255 * grey).astype(np.uint8), (_PICTURE_PX, _PICTURE_PX),
                     interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(phantom.person.seed)
    if rng.random() < 0.6:
        for place, text in (((6, 20), 'PHANTOM'), ((6, 40), name[-4:]), ((440, 20), 'CT HEAD'),
                            ((_PICTURE_PX - 24, _PICTURE_PX // 2), 'L'), ((440, 500), 'W  L')):
            cv2.putText(big, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230,), 1, cv2.LINE_AA)
    return np.asarray(big, np.uint8)
