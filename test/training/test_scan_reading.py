"""Head scans are read as they are meant: DICOM, NIfTI and pictures give one head, one way up."""

import contextlib
import gzip
import io
import struct

import cv2
import gdcm
import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from training.scans import writing
from training.scans.phantom import draw_patient
from training.scans.reading import MAX_SIDE, ScanError, natural, read_files, through_window


@pytest.fixture(scope='module')
def phantom():
    return draw_patient(11, stroke=True, kind='haemorrhage', slices=19, pixels=128)


def as_bytes(image):
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def images(phantom, count=3):
    return [writing.dicom(phantom.hu[8 + i], i, 'one', phantom.spacing) for i in range(count)]


def read(*made):
    return read_files({f'{i}.dcm': as_bytes(image) for i, image in enumerate(made)})


def test_hounsfield_units_come_back_and_are_windowed_as_dicom_says(phantom):
    series, = read(*images(phantom))
    for one, hu in zip(series.slices, phantom.hu[8:], strict=False):
        assert np.abs(one.hu - np.rint(hu)).max() <= 1
        assert np.array_equal(one.channels[..., 0], through_window(one.hu, 80, 40))
    assert series.window == 'W80 L40, W40 L40, W200 L80'
    assert through_window(np.array([-1.0, 0, 40, 80, 81]), 80, 40).tolist() == [0, 0, 128, 255, 255]


def test_slices_stand_from_feet_to_head_whatever_their_names(phantom):
    first, second, third = images(phantom)
    series, = read(third, first, second)
    assert [one.name for one in series.slices] == ['1.dcm', '2.dcm', '0.dcm']


def test_names_are_ordered_as_people_count_whatever_digits_they_hold():
    names = ['slice 10', 'slice 9', '①1', '٣', '1²', 'x½']
    assert sorted(names, key=natural) == ['1²', '٣', 'slice 9', 'slice 10', 'x½', '①1']


def test_rescale_slope_is_applied(phantom):
    image, = images(phantom, 1)
    half = (np.frombuffer(image.PixelData, '<u2') // 2).astype('<u2')
    image.PixelData, image.RescaleSlope = half.tobytes(), 2
    series, = read(image)
    assert np.abs(series.slices[0].hu - np.rint(phantom.hu[8])).max() <= 2


@pytest.mark.parametrize('turned', ['stored values', 'nothing'])
def test_monochrome1_shows_air_dark_however_it_was_written(phantom, turned):
    image, = images(phantom, 1)
    image.PhotometricInterpretation = 'MONOCHROME1'
    if turned == 'stored values':
        image.PixelData = (4095 - np.frombuffer(image.PixelData, '<u2')).astype('<u2').tobytes()
    series, = read(image)
    assert np.abs(series.slices[0].hu - np.rint(phantom.hu[8])).max() <= 1


def test_a_picture_stored_from_left_to_right_and_back_to_front_is_turned(phantom):
    straight, turned = images(phantom, 2)
    pixels = np.frombuffer(straight.PixelData, '<u2').reshape(128, 128)
    turned.PixelData = pixels[::-1, ::-1].tobytes()
    turned.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
    one, two = read(straight, turned)[0].slices
    assert np.array_equal(one.hu, two.hu)


def test_padding_outside_the_field_of_view_is_air(phantom):
    image, = images(phantom, 1)
    pixels = np.frombuffer(image.PixelData, '<u2').copy()
    pixels[:64] = 63536 & 0xFFF
    image.PixelData, image.PixelPaddingValue = pixels.tobytes(), int(pixels[0])
    assert read(image)[0].slices[0].hu.ravel()[:64].max() <= -900


@pytest.mark.parametrize('syntax', [
    gdcm.TransferSyntax.JPEGLosslessProcess14_1, gdcm.TransferSyntax.JPEGLSLossless,
    gdcm.TransferSyntax.JPEG2000Lossless, gdcm.TransferSyntax.RLELossless])
def test_compressed_syntaxes_give_the_same_pixels(phantom, tmp_path, syntax):
    image, = images(phantom, 1)
    plain, packed = tmp_path / 'plain.dcm', tmp_path / 'packed.dcm'
    plain.write_bytes(as_bytes(image))
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(packed))
    assert writer.Write()
    assert pydicom.dcmread(packed).file_meta.TransferSyntaxUID.is_compressed
    series, = read_files({'packed.dcm': packed.read_bytes()})
    assert np.abs(series.slices[0].hu - np.rint(phantom.hu[8])).max() <= 1


def test_an_enhanced_image_holds_many_slices(phantom):
    image, = images(phantom, 1)
    planes = np.clip(np.rint(phantom.hu[8:11] + 1024), 0, 4095).astype('<u2')
    image.NumberOfFrames, image.PixelData = 3, planes.tobytes()
    del image.RescaleIntercept, image.RescaleSlope, image.ImagePositionPatient
    shared = Dataset()
    value = Dataset()
    value.RescaleIntercept, value.RescaleSlope = -1024, 1
    shared.PixelValueTransformationSequence = Sequence([value])
    image.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for height in (10, 0, 5):
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, height]
        frame.PlanePositionSequence = Sequence([place])
        frames.append(frame)
    image.PerFrameFunctionalGroupsSequence = Sequence(frames)
    series, = read(image)
    assert [one.name for one in series.slices] == ['0.dcm 2', '0.dcm 3', '0.dcm 1']
    assert np.abs(series.slices[2].hu - np.rint(phantom.hu[8])).max() <= 1


def test_scouts_are_left_out_and_named(phantom):
    one, scout = images(phantom, 2)
    scout.ImageType = ['ORIGINAL', 'PRIMARY', 'LOCALIZER']
    series, = read(one, scout)
    assert len(series.slices) == 1
    assert series.notes == ('1.dcm is no axial picture (a scout or another plane)',)
    with pytest.raises(ScanError, match='no axial picture'):
        read(scout)


def test_nifti_and_dicom_of_one_head_are_the_same(phantom, tmp_path):
    writing.write_nifti(tmp_path / 'a.nii.gz', phantom.hu, phantom.spacing)
    series, = read_files({'a.nii.gz': (tmp_path / 'a.nii.gz').read_bytes()})
    for one, hu in zip(series.slices, phantom.hu, strict=True):
        assert np.abs(one.hu - np.rint(hu)).max() <= 1


def test_nifti_of_any_orientation_is_turned_to_one(phantom, tmp_path):
    writing.write_nifti(tmp_path / 'a.nii', phantom.hu, phantom.spacing)
    straight = nibabel.load(tmp_path / 'a.nii')
    other = straight.as_reoriented(nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt('RAS'), nibabel.orientations.axcodes2ornt('PLI')))
    one, = read_files({'a.nii': straight.to_bytes()})
    two, = read_files({'b.nii': other.to_bytes()})
    assert all(np.array_equal(a.hu, b.hu) for a, b in zip(one.slices, two.slices, strict=True))


def test_pictures_are_taken_as_they_are_in_natural_order(phantom):
    grey = writing.picture(phantom.hu[8], phantom, '0001')
    files = {f'7 ({i}).png': cv2.imencode('.png', grey)[1].tobytes() for i in (10, 9, 1)}
    series, = read_files(files)
    assert (series.kind, series.window) == ('picture', 'unknown')
    assert [one.name for one in series.slices] == ['7 (1).png', '7 (9).png', '7 (10).png']
    assert np.array_equal(series.slices[0].channels[..., 1], grey)
    with pytest.raises(ScanError, match='window cannot be changed'):
        series.slices[0].window(80, 40)


def test_what_a_reader_gives_names_nobody(phantom):
    image, = images(phantom, 1)
    image.PatientName, image.PatientID = 'Doe^Jane', 'SECRET-1'
    series, = read(image)
    assert 'Doe' not in repr(series)
    assert 'SECRET' not in repr(series)
    assert series.patient_key not in repr(series)


def damaged(phantom):
    image, = images(phantom, 1)
    good = as_bytes(image)
    huge = images(phantom, 1)[0]
    huge.Rows, huge.Columns = 65000, 65000
    deflated = good.replace(b'1.2.840.10008.1.2.1\0', b'1.2.840.10008.1.2.1.99')
    header = bytearray(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)).to_bytes())
    struct.pack_into('<8h', header, 40, 3, 30000, 30000, 30000, 1, 1, 1, 1)
    yield 'cut', {'a.dcm': good[:len(good) // 2]}
    yield 'cut in the header', {'a.dcm': good[:200]}
    yield 'huge', {'a.dcm': as_bytes(huge)}
    yield 'deflated', {'a.dcm': deflated}
    yield 'text', {'a.dcm': b'hello' * 200}
    yield 'empty', {'a.dcm': b''}
    yield 'nothing', {}
    yield 'unknown', {'a.bmp': b'BM' + bytes(500)}
    yield 'nifti', {'a.nii': bytes(header)}
    yield 'bomb', {'a.nii.gz': gzip.compress(bytes(80_000_000), 9)}
    yield 'half a gzip', {'a.nii.gz': gzip.compress(bytes(header))[:60]}
    yield 'png', {'a.png': b'\x89PNG\r\n\x1a\n' + bytes(40)}
    yield 'jpeg', {'a.jpg': b'\xff\xd8\xff\xe0' + bytes(40)}


def test_damaged_and_hostile_files_are_one_clear_line(phantom):
    assert MAX_SIDE < 65000
    for what, files in damaged(phantom):
        said = ''
        try:
            read_files(files)
        except ScanError as error:
            said = str(error)
        assert said, f'{what} was read'
        assert '\n' not in said, what
        assert len(said) < 300, what


def test_any_flipped_byte_is_read_or_refused_never_a_crash(phantom):
    good = bytearray(as_bytes(images(phantom, 1)[0]))
    rng = np.random.default_rng(0)
    for _ in range(300):
        bad = bytearray(good)
        for place in rng.integers(0, 1600, 3):
            bad[place] = int(rng.integers(256))
        with contextlib.suppress(ScanError):
            read_files({'a.dcm': bytes(bad)})


@pytest.mark.parametrize(('lies', 'stored'), [
    ([0, 1, 0, 1, 0, 0], lambda pixels: pixels.T),
    ([0, -1, 0, 1, 0, 0], lambda pixels: pixels[::-1].T),
    ([0, 1, 0, -1, 0, 0], lambda pixels: pixels[:, ::-1].T),
    ([0, -1, 0, -1, 0, 0], lambda pixels: pixels[::-1, ::-1].T),
    ([1, 0, 0, 0, -1, 0], lambda pixels: pixels[::-1]),
    ([-1, 0, 0, 0, 1, 0], lambda pixels: pixels[:, ::-1])])
def test_however_a_picture_lies_its_patients_right_comes_out_at_the_left(phantom, lies, stored):
    straight, other = images(phantom, 2)
    pixels = np.frombuffer(straight.PixelData, '<u2').reshape(128, 128)
    other.PixelData = np.ascontiguousarray(stored(pixels)).tobytes()
    other.ImageOrientationPatient = lies
    series, = read(straight, other)
    assert np.array_equal(*(one.hu for one in series.slices))
    assert series.sides_known


def test_where_no_file_says_how_it_lies_the_sides_are_not_known(phantom, tmp_path):
    image, = images(phantom, 1)
    del image.ImageOrientationPatient
    assert not read(image)[0].sides_known
    writing.write_nifti(tmp_path / 'a.nii', phantom.hu, phantom.spacing)
    stated = nibabel.load(tmp_path / 'a.nii')
    silent = nibabel.Nifti1Image(stated.get_fdata(), None, stated.header)
    silent.header['sform_code'] = silent.header['qform_code'] = 0
    for volume, known in ((stated, True), (silent, False)):
        series, = read_files({'a.nii': volume.to_bytes()})
        assert series.sides_known is known
    grey = writing.picture(phantom.hu[8], phantom, '0001')
    series, = read_files({'a.png': cv2.imencode('.png', grey)[1].tobytes()})
    assert not series.sides_known


def test_a_photograph_of_a_scan_stands_as_its_note_says(phantom):
    grey = Image.fromarray(writing.picture(phantom.hu[8], phantom, '0001'))
    note, files = Image.Exif(), {}
    for orientation, name in ((1, 'as it is.png'), (3, 'turned.png')):
        note[0x0112] = orientation
        buffer = io.BytesIO()
        (grey if orientation == 1 else grey.rotate(180)).save(buffer, 'png', exif=note)
        files[name] = buffer.getvalue()
    one, two = read_files(files)[0].slices
    assert np.array_equal(one.channels, two.channels)


@pytest.mark.parametrize('series', ['1.2.3', ''])
def test_two_patients_are_never_one_head(phantom, series):
    made = images(phantom, 4)
    for number, image in enumerate(made):
        image.PatientID, image.SeriesInstanceUID = f'p{number % 2}', series
    with pytest.raises(ScanError, match=r'1\.dcm states another patient than the rest'):
        read(*made)


def test_a_copy_is_left_out_and_the_order_stays(phantom):
    made = images(phantom, 3)
    for number, image in enumerate(made):  # numbered from head to feet
        image.InstanceNumber = 10 - number
    series, = read(*made, made[1])
    assert [one.name for one in series.slices] == ['0.dcm', '1.dcm', '2.dcm']
    assert series.notes == ('3.dcm repeats another slice',)


def test_missing_slices_are_told(phantom):
    made = [writing.dicom(phantom.hu[i], i, 'one', phantom.spacing) for i in (5, 6, 7, 10, 11)]
    series, = read(*made)
    assert (len(series.slices), series.gaps, series.notes) == (5, 1, ())
    assert read(*made[:3])[0].gaps == 0


def test_what_is_no_ct_is_not_judged_as_one(phantom):
    ct, magnetic = images(phantom, 2)
    magnetic.Modality = 'MR'
    series, = read(ct, magnetic)
    assert len(series.slices) == 1
    assert series.notes == ('1.dcm is a picture of MR, not of CT',)
    with pytest.raises(ScanError, match='a picture of MR, not of CT'):
        read(magnetic)


def test_a_volume_without_directions_is_one_clear_line():
    volume = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4))
    volume.header['sform_code'], volume.header['qform_code'] = 1, 0
    for row in ('srow_x', 'srow_y', 'srow_z'):
        volume.header[row] = 0
    content = bytearray(volume.to_bytes())
    content[280:328] = bytes(48)
    with pytest.raises(ScanError, match=r'a\.nii is a damaged NIfTI file'):
        read_files({'a.nii': bytes(content)})
