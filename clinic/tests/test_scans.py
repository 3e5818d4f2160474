"""Head scans are read whatever their form; what cannot be read is refused in one line; no name in a
file reaches the disk. The patients are PHANTOMS."""

import io
import zipfile

import pydicom
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from clinic.cases import scans
from clinic.cases.models import Case
from clinic.cases.pictures import UploadError
from training.scans.phantom import draw_patient
from training.scans.writing import write_patient


@pytest.fixture(scope='module')
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp('phantoms')
    patient = draw_patient(3, stroke=True, slices=6)
    for form in ('dicom', 'nifti', 'png'):
        write_patient(folder / form, 'p', patient, form)
    return folder


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob('*'))
            if path.is_file() and 'truth' not in path.parts}


@pytest.fixture
def read(people, tmp_path):
    """A function (name -> content, kept) -> the assessed case."""
    def assess(contents, *, kept=True):
        case = Case.objects.create(owner=people['clinician'], kind='scan', kept=kept)
        folder = tmp_path / str(case.id)
        folder.mkdir()
        sent = [SimpleUploadedFile(name, data) for name, data in contents.items()]
        for name, file in scans.in_order(sent):
            (folder / name).write_bytes(file.read())
        scans.assess(case, folder)
        made.append(case)
        return case
    made = []
    yield assess
    for case in made:
        case.delete()


@pytest.mark.parametrize(('form', 'presets'), [
    ('dicom', ['brain', 'stroke', 'blood', 'bone', 'prepared']),
    ('nifti', ['brain', 'stroke', 'blood', 'bone', 'prepared']), ('png', ['as-is', 'prepared'])])
def test_every_form_gives_slices_to_look_through(browse, read, phantoms, form, presets):
    case = read(files(phantoms / form))
    assert (case.result['count'], case.result['presets']) == (6, presets)
    client = browse('clinician')
    page = client.get(f'/cases/{case.id}/').content.decode()
    assert 'No scan model is installed' in page
    assert 'is an emergency' in page
    picture = client.get(f'/cases/{case.id}/file/slice-2-{presets[0]}.jpg')
    assert picture.content.startswith(b'\xff\xd8\xff')
    assert client.get(f'/cases/{case.id}/report.pdf').content.startswith(b'%PDF')


def test_no_name_in_a_file_reaches_the_disk(read, phantoms):
    named = {}
    for name, data in files(phantoms / 'dicom').items():
        header = pydicom.dcmread(io.BytesIO(data))
        header.PatientName, header.PatientID = 'Zacharias^Zeisig', 'ZZ-4711'
        file = io.BytesIO()
        header.save_as(file)
        named[f'Zeisig/{name}'] = file.getvalue()
    case = read(named)
    for path in case.folder.iterdir():
        assert b'Zeisig' not in path.read_bytes()
        assert 'Zeisig' not in path.name
    for held in (str(case.result), str(case.given_by)):
        assert 'Zeisig' not in held
        assert '4711' not in held


def test_files_of_two_patients_are_refused(read, phantoms):
    mixed = {}
    for number, (name, data) in enumerate(files(phantoms / 'dicom').items()):
        header = pydicom.dcmread(io.BytesIO(data))
        header.PatientID, header.SeriesInstanceUID = f'p{number % 2}', f'1.2.{number % 2}'
        file = io.BytesIO()
        header.save_as(file)
        mixed[name] = file.getvalue()
    with pytest.raises(UploadError, match='several patients'):
        read(mixed)


def archived(contents):
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_an_archive_that_climbs_out_of_its_folder_goes_nowhere(read, phantoms, tmp_path):
    climbing = {f'../../../{tmp_path}/x/{name}': data
                for name, data in files(phantoms / 'dicom').items()}
    assert read({'series.zip': archived(climbing)}).result['count'] == 6
    assert not (tmp_path / 'x').exists()


def test_a_scan_that_may_not_be_kept_leaves_no_picture(read, phantoms):
    case = read(files(phantoms / 'png'), kept=False)
    assert case.result['count'] == 6
    assert not case.folder.exists()


@pytest.mark.parametrize('contents', [
    {'x.dcm': b''}, {'x.dcm': b'\0' * 128 + b'DICM' + b'\xff' * 500}, {'x.nii': b'\0' * 400},
    {'x.zip': b'PK\x03\x04' + bytes(100)}, {'x.txt': b'hello'},
    {'x.zip': archived({'bomb.nii': bytes((1 << 30) + 1)})}])
def test_hostile_files_are_refused_in_one_line(read, contents):
    with pytest.raises(UploadError) as refused:
        read(contents)
    assert '\n' not in str(refused.value)


def test_a_dicom_file_that_claims_hostile_lengths_is_refused(read, phantoms):
    data = bytearray(next(iter(files(phantoms / 'dicom').values())))
    at = data.rindex(b'\xe0\x7f\x10\x00')  # PixelData
    data[at + 8:at + 12] = b'\xfe\xff\xff\x7f'
    with pytest.raises(UploadError):
        read({'x.dcm': bytes(data[:at + 2000])})
