"""Head scans are read whatever their form; what cannot be read is refused in one line; no name in a
file reaches the disk. The patients are PHANTOMS."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from clinic.cases import scans
from clinic.cases.models import AuditEntry, Case, Opinion, ScanModelFile
from clinic.cases.pictures import UploadError
from training.scans.phantom import draw_patient
from training.scans.reading import WINDOWS, read_files
from training.scans.sources import Patients, read_source
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
    assert ('The files do not say which side is which' in page) is (form == 'png')
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


def archived(contents, packing=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', packing) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_an_archive_that_climbs_out_of_its_folder_goes_nowhere(read, phantoms, tmp_path):
    climbing = {f'../../../{tmp_path}/x/{name}': data
                for name, data in files(phantoms / 'dicom').items()}
    assert read({'series.zip': archived(climbing)}).result['count'] == 6
    assert not (tmp_path / 'x').exists()


# What lies beside a scan: a Mac's and a Windows' own files, and those of a hospital's CD.
BESIDE = {'__MACOSX/._001.dcm': b'\0\5\x16\7' + bytes(60), '.DS_Store': b'\0\0\0\1Bud1',
          'a/Thumbs.db': b'\xd0\xcf\x11\xe0', '._1.png': b'\0\5\x16\7', 'README.TXT': b'Read me',
          'autorun.inf': b'[autorun]', 'VIEWER/viewer.exe': b'MZ' + bytes(4000), 'LICENSE': b''}


@pytest.mark.parametrize('form', ['dicom', 'nifti', 'png'])
def test_what_lies_beside_a_scan_is_passed_over(read, phantoms, form):
    series = files(phantoms / form)
    assert read({'x.zip': archived({**BESIDE, **series})}).result['count'] == 6
    loose = {name.replace('/', '-'): data for name, data in series.items()}
    beside = {name.split('/')[-1]: data for name, data in BESIDE.items()}
    assert read({**beside, **loose}).result['count'] == 6


def test_what_was_not_looked_at_is_told_in_the_readers_language(browse, read, phantoms):
    sent = files(phantoms / 'dicom')
    scout, other = (pydicom.dcmread(io.BytesIO(next(iter(sent.values())))) for _ in range(2))
    scout.ImageType, other.SeriesInstanceUID = ['ORIGINAL', 'PRIMARY', 'LOCALIZER'], '1.2.3'
    for name, header in (('Zeisig-scout.dcm', scout), ('other.dcm', other)):
        file = io.BytesIO()
        header.save_as(file)
        sent[name] = file.getvalue()
    case = read({'x.zip': archived({**sent, 'README.TXT': b'Read me', 'autorun.inf': b'['})})
    assert case.result['count'] == 6
    assert 'Zeisig' not in str(case.result)
    client = browse('clinician')
    told = {'de': ('1 von 2 Serien, die mit den meisten Schichten',
                   '1 × Übersichtsbild oder andere Ebene; 2 × keine Datei einer Aufnahme'),
            'en': ('1 of 2 series, the one with most slices',
                   '1 × scout or another plane; 2 × no file of a scan')}
    for language, sentences in told.items():
        client.post('/language/setlang/', {'language': language})
        for name in ('', 'report.html'):
            page = client.get(f'/cases/{case.id}/{name}').content.decode()
            assert [one for one in sentences if one not in page] == []
    assert told['en'][0] in client.get(f'/cases/{case.id}/fhir.json').content.decode()


def test_copies_other_kinds_and_gaps_are_told_in_the_readers_language(browse, read, phantoms):
    sent = files(phantoms / 'dicom')
    named = sorted(sent)
    magnetic = pydicom.dcmread(io.BytesIO(sent[named[0]]))
    magnetic.Modality = 'MR'
    file = io.BytesIO()
    magnetic.save_as(file)
    del sent[named[3]]
    case = read({**sent, 'copy of 1.dcm': sent[named[1]], 'magnetic.dcm': file.getvalue()})
    assert case.result['count'] == 5
    client = browse('clinician')
    told = {'de': ('5; dazwischen scheinen einige zu fehlen', '1 × Kopie einer anderen Schicht',
                   '1 × von MR, nicht von CT'),
            'en': ('5; some between them seem to be missing', '1 × copy of another slice',
                   '1 × of MR, not of CT')}
    for language, sentences in told.items():
        client.post('/language/setlang/', {'language': language})
        page = client.get(f'/cases/{case.id}/').content.decode()
        assert [one for one in sentences if one not in page] == []


def test_of_a_scan_that_was_looked_at_as_a_whole_nothing_is_left_out(browse, read, phantoms):
    case = read(files(phantoms / 'dicom'))
    page = browse('clinician').get(f'/cases/{case.id}/').content.decode()
    assert 'Looked at' not in page
    assert 'left out' not in page


def test_nothing_but_what_lies_beside_a_scan_is_refused(read):
    with pytest.raises(UploadError, match='holds no DICOM'):
        read({'x.zip': archived(BESIDE)})


def test_a_refusal_names_a_file_as_its_sender_can_count_it_and_never_by_its_name(read, phantoms):
    series = {f'Zeisig {number}.dcm': data
              for number, data in enumerate(files(phantoms / 'dicom').values(), start=1)}
    series['Zeisig 4.dcm'] = b'\0' * 128 + b'DICM' + b'\xff' * 500
    beside = {'.DS_Store': b'', '__MACOSX/._Zeisig 1.dcm': b''}
    for sent, told in (({**series, **beside}, r'file 4 \(counted by name\) '),
                       ({'Zeisig.zip': archived({**series, **beside})},
                        r'file 4 of archive 1 \(counted by name\) ')):
        with pytest.raises(UploadError, match=told) as refused:
            read(sent)
        assert 'Zeisig' not in str(refused.value)


def test_one_limit_holds_for_all_archives_of_a_scan(read, phantoms, monkeypatch):
    series = files(phantoms / 'dicom')
    halves = [dict(list(series.items())[half::2]) for half in (0, 1)]
    two = {f'{number}.zip': archived(half) for number, half in enumerate(halves)}
    whole = sum(map(len, series.values()))
    monkeypatch.setattr(scans, '_MAX_UNPACKED', whole)
    assert read(two).result['count'] == 6
    monkeypatch.setattr(scans, '_MAX_UNPACKED', whole - 1)
    with pytest.raises(UploadError, match='far more than a scan'):
        read(two)
    monkeypatch.setattr(scans, '_MAX_UNPACKED', whole)
    monkeypatch.setattr(scans, 'MAX_SLICES', 5)
    with pytest.raises(UploadError, match='far more than a scan'):
        read(two)


@pytest.mark.parametrize('packing', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
                                     zipfile.ZIP_LZMA])
def test_an_archive_damaged_anywhere_is_refused_in_one_line(phantoms, tmp_path, packing):
    whole = bytearray(archived(dict([files(phantoms / 'png').popitem()]), packing))
    rng = np.random.default_rng(5)
    refused = []
    for place in (*range(40), *rng.integers(40, len(whole), 40), *range(-100, 0)):
        data = bytearray(whole)
        data[place] ^= 0xff
        (tmp_path / '00000.zip').write_bytes(data)
        try:
            scans._contents(tmp_path)
        except UploadError as error:
            refused.append(str(error))
    assert len(refused) > 40
    assert '\n' not in ''.join(refused)


def test_an_archive_too_large_for_the_memory_is_refused_in_one_line(read, phantoms, monkeypatch):
    def full(*_given):
        raise MemoryError
    monkeypatch.setattr(zipfile.ZipExtFile, 'read', full)
    with pytest.raises(UploadError, match='damaged'):
        read({'x.zip': archived(files(phantoms / 'png'))})


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


TOY = Path(__file__).parent / 'data' / 'toy.tflite'


@pytest.fixture
def model(people):
    """The toy model, installed and in use."""
    call_command('install_scan_model', str(TOY), stdout=io.StringIO())
    yield ScanModelFile.objects.get()
    for installed in ScanModelFile.objects.all():
        installed.path.unlink(missing_ok=True)
        installed.path.with_suffix('.json').unlink(missing_ok=True)
        installed.delete()


@pytest.fixture(scope='module')
def bleeding(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bleeding')
    patient = draw_patient(8, stroke=True, kind='haemorrhage', size=24.0, contrast=35.0, slices=19)
    write_patient(folder, 'p', patient, 'png')
    return folder


def test_a_scan_is_judged_by_the_model_in_use_and_says_which(browse, read, bleeding, model):
    case = read(files(bleeding))
    judged = case.result['judged']
    assert judged['answer'] in ('stroke', 'normal', 'review')
    assert judged['probability'] > 0.5
    assert case.given_by['scan']['sha256'] == model.sha256
    assert {one['slice'] for one in judged['carried']} <= set(case.result['heat'])
    client = browse('clinician')
    page = client.get(f'/cases/{case.id}/').content.decode()
    for words in ('Probability of a stroke', 'Slices that carried the answer', model.sha256[:8],
                  'their window is unknown', 'is an emergency', 'not a diagnosis'):
        assert words in page, words
    heat = client.get(f"/cases/{case.id}/file/slice-{case.result['first']}-heat.jpg")
    assert heat.content.startswith(b'\xff\xd8\xff')
    assert client.get(f'/cases/{case.id}/report.pdf').content.startswith(b'%PDF')
    assert 'Judged by the model' in client.get('/scan/').content.decode()


def test_what_the_model_leans_to_is_no_answer_when_it_is_flagged(browse, read, bleeding, model):
    card = json.loads(model.path.with_suffix('.json').read_text())
    model.path.with_suffix('.json').write_text(json.dumps({**card, 'features_threshold': 1e-6}))
    case = read(files(bleeding))
    assert (case.result['side'], case.result['judged']['answer']) == ('unknown', 'review')
    page = browse('clinician').get(f'/cases/{case.id}/').content.decode()
    assert 'Flagged for review' in page
    assert 'unlike those the model was trained on' in page
    assert 'sees signs' not in page


def test_a_device_with_confirmed_cases_of_its_own_is_judged_by_them(
        browse, read, phantoms, bleeding, model):
    card = json.loads(model.path.with_suffix('.json').read_text())
    sources = {'PHANTOM scanner a': {'offset': 40.0, 'stroke': 20, 'normal': 20},
               'PHANTOM scanner b': {'offset': -40.0, 'stroke': 20, 'normal': 20}}
    card['calibration']['sources'] = sources
    model.path.with_suffix('.json').write_text(json.dumps(card))
    known = read(files(phantoms / 'dicom'))
    assert known.result['device'] == 'PHANTOM scanner a'
    assert known.result['judged']['probability'] > 0.99
    assert known.result['judged']['limits'] == []
    unknown = read(files(bleeding))
    assert (unknown.result['device'], unknown.result['judged']['limits']) == (
        '', ['window_unknown', 'source_unknown'])
    page = browse('clinician').get(f'/cases/{unknown.id}/').content.decode()
    assert 'not calibrated on this device' in page
    assert 'PHANTOM scanner a' in browse('clinician').get(f'/cases/{known.id}/').content.decode()


def test_a_scan_without_brain_is_flagged(read, model):
    grey = np.full((64, 64, 3), 90, np.uint8)
    case = read({'a.png': cv2.imencode('.png', grey)[1].tobytes()})
    assert case.result['judged']['reasons'] == ['no_brain']
    assert case.result['judged']['probability'] is None


def test_a_model_whose_file_is_gone_is_told_in_one_line(read, phantoms, model):
    model.path.unlink()
    with pytest.raises(UploadError, match='cannot be loaded'):
        read(files(phantoms / 'png'))


@pytest.mark.parametrize('role', ['clinician', 'expert', 'nobody'])
def test_models_are_for_administrators(browse, model, role):
    assert browse(role).get('/people/cases/scanmodelfile/').status_code != 200


def test_an_administrator_switches_and_goes_back(browse, model, tmp_path):
    content, card = TOY.read_bytes(), json.loads(TOY.with_suffix('.json').read_text())
    second = content + b'\0\0\0\0'  # the same model under another checksum
    (tmp_path / 'm.tflite').write_bytes(second)
    (tmp_path / 'm.json').write_text(json.dumps(
        {**card, 'sha256': hashlib.sha256(second).hexdigest(), 'name': 'second'}))
    call_command('install_scan_model', str(tmp_path / 'm.tflite'), stdout=io.StringIO())
    other = ScanModelFile.objects.get(name='second')
    assert not other.in_use
    client = browse('administrator')
    listed = client.get('/people/cases/scanmodelfile/').content.decode()
    assert card['name'] in listed
    assert 'second' in listed
    for chosen in (other, model):
        client.post('/people/cases/scanmodelfile/', {
            'action': 'use_this', '_selected_action': [chosen.pk]})
        assert ScanModelFile.objects.get(in_use=True).pk == chosen.pk
        assert AuditEntry.objects.first().act == f'uses scan model {chosen.sha256[:8]}'
    client.post('/people/cases/scanmodelfile/', {
        'action': 'use_this', '_selected_action': [model.pk, other.pk]})
    assert ScanModelFile.objects.get(in_use=True).pk == model.pk
    assert client.post(f'/people/cases/scanmodelfile/{model.pk}/delete/').status_code == 403


@pytest.mark.parametrize(('change', 'words'), [
    ({'sha256': '0' * 64}, 'do not belong together'), ({'format': 'x'}, 'not of format')])
def test_a_model_that_does_not_fit_its_card_is_not_installed(people, tmp_path, change, words):
    (tmp_path / 'm.tflite').write_bytes(TOY.read_bytes())
    card = json.loads(TOY.with_suffix('.json').read_text())
    (tmp_path / 'm.json').write_text(json.dumps({**card, **change}))
    with pytest.raises(CommandError, match=words):
        call_command('install_scan_model', str(tmp_path / 'm.tflite'))
    assert not ScanModelFile.objects.exists()


def test_confirmed_scans_come_out_as_prepare_reads_them(browse, read, bleeding, people, tmp_path):
    case = read(files(bleeding))
    browse('clinician').post(f'/cases/{case.id}/opinion/', {'label': 'stroke'})
    opinion = Opinion.objects.get(case=case)
    browse('expert').post(f'/queue/{opinion.pk}/', {'label': 'stroke'})
    call_command('export_feedback', str(tmp_path / 'out'), '--kind', 'scan', stdout=io.StringIO())
    scans_found, refused = read_source(tmp_path / 'out', Patients())
    assert not refused
    found, = scans_found
    assert (found.label, len(found.files)) == ('stroke', 19)
    assert str(case.id) in found.patient
    assert (found.source, found.windowed) == (scans.NO_DEVICE, False)


def test_a_confirmed_series_comes_out_in_the_windows_that_the_model_was_shown(
        browse, read, phantoms, people, tmp_path):
    case = read(files(phantoms / 'dicom'))
    assert tuple(scans.PRESETS[name] for name in scans.SHOWN_TO_MODEL) == WINDOWS
    browse('clinician').post(f'/cases/{case.id}/opinion/', {'label': 'stroke'})
    browse('expert').post(f'/queue/{Opinion.objects.get(case=case).pk}/', {'label': 'stroke'})
    call_command('export_feedback', str(tmp_path / 'out'), '--kind', 'scan', stdout=io.StringIO())
    found, = read_source(tmp_path / 'out', Patients())[0]
    assert (found.source, found.windowed) == ('PHANTOM scanner a', True)
    again, = read_files({path.name: path.read_bytes() for path in found.files}, windowed=True)
    first, = read_files(files(phantoms / 'dicom'))
    assert again.window == first.window
    for one, other in zip(first.slices, again.slices, strict=True):
        # All that lies between is JPEG.
        apart = np.abs(one.channels.astype(int) - other.channels)
        assert apart.mean(axis=(0, 1)) == pytest.approx(0, abs=3)
