"""Head scans become slices by patient; what would leak or mislead is refused. All are PHANTOMS."""

from __future__ import annotations

import csv
import json
import shutil
import sys

import cv2
import numpy as np
import pytest

from training import prepare, splits
from training.scans.dataset import load, to_original
from training.scans.head import SIZE
from training.scans.phantom import draw_patient
from training.scans.reading import WINDOW_TEXT, read_files
from training.scans.writing import write_labels, write_patient


@pytest.fixture(scope='module')
def drawn():
    return [draw_patient(50 + i, stroke=i % 2 == 0, slices=19, pixels=128) for i in range(12)]


def phantoms(folder, drawn, form, *, split=True):
    rows = [write_patient(folder, f'p{i:02d}', one, form) for i, one in enumerate(drawn)]
    write_labels(folder, rows)
    if split:  # few patients: by name alone one side could be empty
        given = [{**row, 'split': 'test' if i < 4 else 'train'} for i, row in enumerate(rows)]
        rewrite(folder, given)
    return folder


def salt_for(names):
    """A word that puts strokes (the even ones) and normals into training and test."""
    return next(word for word in map(str, range(1000)) if all(
        {'train', 'test'} <= {splits.split_of(name, word) for name in names[first::2]}
        for first in (0, 1)))


def rewrite(folder, rows):
    with (folder / 'labels.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['prepare', *map(str, arguments)])
    return prepare.main()


@pytest.mark.parametrize(('form', 'window'), [('dicom', 'known'), ('nifti', 'known'),
                                              ('jpeg', 'unknown')])
def test_every_form_becomes_slices_of_patients(tmp_path, monkeypatch, drawn, form, window):
    source = phantoms(tmp_path / 'in', drawn, form)
    assert run(monkeypatch, source, '--out', tmp_path / 'out') == 0
    data = load(tmp_path / 'out')
    assert {(one.name, one.stroke) for one in data.patients} == {
        (f'p{i:02d}', bool(one.lesions)) for i, one in enumerate(drawn)}
    assert {one.window for one in data.patients} == {window}
    assert {one.split for one in data.patients} == {'train', 'test'}
    # Jaw and skull base are left out, the brain is there.
    for patient in data.patients:
        assert 5 <= len(patient.rows) < 19
    picture, inside = data.slice(data.patients[0].rows[-1])
    assert picture.shape == (SIZE, SIZE, 3)
    assert 0.01 < inside.mean() < 0.9
    with (tmp_path / 'out/rejected.csv').open() as file:
        assert {row['reason'] for row in csv.DictReader(file)} == {'hardly any brain'}


def test_a_prepared_slice_knows_its_way_back(tmp_path, monkeypatch, drawn):
    source = phantoms(tmp_path / 'in', drawn, 'nifti')
    assert run(monkeypatch, source, '--out', tmp_path / 'out') == 0
    data = load(tmp_path / 'out')
    row = data.patients[0].rows[-3]
    index = int(row['original'].rpartition('#')[2])
    hu = drawn[0].hu[index]
    grey = np.clip((hu - 40) / 80 + 0.5, 0, 1).astype(np.float32) * 255
    again = cv2.warpAffine(grey, to_original(row), (SIZE, SIZE),
                           flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    picture, inside = data.slice(row)
    assert np.corrcoef(again[inside], picture[..., 0][inside])[0, 1] > 0.9


def test_slices_without_a_patient_are_refused_unless_told(tmp_path, monkeypatch, drawn, capsys):
    source = tmp_path / 'in'
    for i, one in enumerate(drawn):
        (source / one.label).mkdir(parents=True, exist_ok=True)
        write_patient(tmp_path / 'tmp', f'p{i:02d}', one, 'png', single=True)
        shutil.copy(tmp_path / f'tmp/p{i:02d}/001.png', source / one.label / f'{i} (1).png')
    assert run(monkeypatch, source, '--out', tmp_path / 'out') == 2
    error = capsys.readouterr().err
    assert 'without a patient' in error
    assert '--one-picture-per-patient' in error
    assert not (tmp_path / 'out').exists()
    for form, more in (('{} (1)', ['--one-picture-per-patient']),
                       ('{}', ['--patient-pattern', r'^(\d+) '])):
        salt = salt_for([form.format(i) for i in range(12)])
        status = run(monkeypatch, source, '--out', tmp_path / 'out', *more, '--salt', salt)
        assert status == 0, capsys.readouterr().err
        assert len(load(tmp_path / 'out').patients) == 12
    assert {one.name for one in load(tmp_path / 'out').patients} == {str(i) for i in range(12)}
    assert run(monkeypatch, source, '--out', tmp_path / 'out', '--patient-pattern', '(') == 2
    assert 'no regular expression' in capsys.readouterr().err


def test_one_picture_under_two_patients_ties_them_together(tmp_path, monkeypatch, drawn):
    source = phantoms(tmp_path / 'in', drawn, 'png', split=False)
    for number in range(8, 17):
        shutil.copy(source / f'p00/{number:03d}.png', source / f'p02/{number:03d}.png')
    salt = salt_for(['p00' if i == 2 else f'p{i:02d}' for i in range(12)])
    assert run(monkeypatch, source, '--out', tmp_path / 'out', '--salt', salt) == 0
    with (tmp_path / 'out/dataset.csv').open() as file:
        groups = {row['patient']: row['group'] for row in csv.DictReader(file)}
    assert groups['p00'] == groups['p02'] == 'p00'


def test_a_picture_under_both_labels_goes_and_a_patient_of_both_is_a_stroke(
        tmp_path, monkeypatch, drawn, capsys):
    source = phantoms(tmp_path / 'in', drawn, 'png')
    shutil.copy(source / 'p04/012.png', source / 'p05/012.png')
    assert run(monkeypatch, source, '--out', tmp_path / 'out') == 0
    rejected = (tmp_path / 'out/rejected.csv').read_text()
    assert rejected.count('same picture under both labels') == 2
    rows = [{'filename': f'p06/{n:03d}.png', 'label': 'normal' if n < 12 else 'stroke',
             'patient': 'p06', 'split': 'train'} for n in range(1, 20)]
    with (source / 'labels.csv').open() as file:
        others = [{key: row[key] for key in rows[0]} for row in csv.DictReader(file)
                  if row['patient'] != 'p06']
    rewrite(source, [*others, *rows])
    assert run(monkeypatch, source, '--out', tmp_path / 'out') == 0
    assert {one.name: one.stroke for one in load(tmp_path / 'out').patients}['p06']


def test_a_picture_under_two_labels_ties_its_patients_also_through_one_of_whom_nothing_is_left(
        tmp_path, monkeypatch, drawn):
    source = phantoms(tmp_path / 'in', drawn, 'png', split=False)
    shutil.rmtree(source / 'p05')
    (source / 'p05').mkdir()  # p05, "normal", is who p04 is, a stroke, and p02 too
    for name in ('p02', 'p04'):
        shutil.copy(source / name / '012.png', source / f'p05/{name}.png')
    shutil.copy(source / 'p04/013.png', source / 'p07/020.png')  # and p07 is, "normal"
    salt = salt_for(['p02' if i == 4 else 'p01' if i in (5, 7) else f'p{i:02d}'
                     for i in range(12)])
    assert run(monkeypatch, source, '--out', tmp_path / 'out', '--salt', salt) == 0
    with (tmp_path / 'out/dataset.csv').open() as file:
        rows = list(csv.DictReader(file))
    found = {row['patient']: (row['group'], row['label']) for row in rows}
    assert found['p02'] == found['p04'] == found['p07'] == ('p02', 'stroke')
    manifest = json.loads((tmp_path / 'out/manifest.json').read_text())
    assert sum(one['stroke'] for one in manifest['patients'].values() if one) == 5


def test_who_was_tested_stays_so_when_a_confirmed_case_ties_him_to_others(
        tmp_path, monkeypatch, drawn):
    old, new = phantoms(tmp_path / 'in', drawn[:8], 'png', split=False), tmp_path / 'confirmed'
    assert run(monkeypatch, old, '--out', tmp_path / 'old', '--salt',
               salt_for([f'p{i:02d}' for i in range(8)])) == 0
    tested = load(tmp_path / 'old').of('test')[0]
    name = next(name for name in map('-{}'.format, range(99)) if splits.split_of(name) == 'train')
    shutil.copytree(old / tested.name, new / name)
    rewrite(new, [{'filename': name, 'label': 'stroke' if tested.stroke else 'normal',
                   'patient': name}])
    assert run(monkeypatch, old, new, '--out', tmp_path / 'new',
               '--earlier', tmp_path / 'old') == 0
    again = load(tmp_path / 'new')
    assert {one.name: one.split for one in again.patients} == {
        **{one.name: one.split for one in load(tmp_path / 'old').patients
           if one.name != tested.name}, name: 'test'}
    assert run(monkeypatch, old, '--out', tmp_path / 'new', '--earlier', new) == 2


@pytest.mark.parametrize(('spoil', 'words'), [
    (lambda folder: (folder / 'p03/010.png').write_bytes(b'no picture'), 'neither DICOM'),
    (lambda folder: (folder / 'p03/010.png').write_bytes(
        (folder / 'p03/010.png').read_bytes()[:900]), 'p03/010.png'),
    (lambda folder: (folder / 'labels.csv').write_text(
        (folder / 'labels.csv').read_text().replace('p03,normal', 'p03,tumour')),
     'unknown label ""tumour""')])
def test_what_cannot_be_used_is_named(tmp_path, monkeypatch, drawn, spoil, words):
    source = phantoms(tmp_path / 'in', drawn, 'png')
    spoil(source)
    assert run(monkeypatch, source, '--out', tmp_path / 'out') == 0
    assert words in (tmp_path / 'out/rejected.csv').read_text()
    # One file costs itself, not its patient.
    assert ('p03' in {one.name for one in load(tmp_path / 'out').patients}) == (
        'label' not in words)


def test_a_source_is_what_labels_say_or_the_device_or_the_folder(tmp_path, monkeypatch, drawn):
    for form, stated, told in (('dicom', 'ward 3', 'ward 3'), ('dicom', '', 'PHANTOM scanner a'),
                               ('nifti', '', 'in-nifti')):
        source = phantoms(tmp_path / f'in-{form}', drawn, form)
        with (source / 'labels.csv').open() as file:
            rewrite(source, [{**row, 'source': stated} for row in csv.DictReader(file)])
        assert run(monkeypatch, source, '--out', tmp_path / 'out') == 0
        assert {one.source for one in load(tmp_path / 'out').patients} == {told}
        shutil.rmtree(source)


def test_three_windows_as_channels_are_what_hounsfield_units_are(tmp_path, monkeypatch, drawn):
    """As the clinic page exports the series that an expert confirmed."""
    source = phantoms(tmp_path / 'dicom', drawn, 'dicom')
    assert run(monkeypatch, source, '--out', tmp_path / 'first') == 0
    with (source / 'labels.csv').open() as file:
        rows = [{**row, 'window': WINDOW_TEXT} for row in csv.DictReader(file)]
    for row in rows:
        series, = read_files({path.name: path.read_bytes()
                              for path in (source / row['filename']).iterdir()})
        shutil.rmtree(source / row['filename'])
        (source / row['filename']).mkdir()
        for number, one in enumerate(series.slices):
            cv2.imwrite(str(source / row['filename'] / f'{number:03d}.png'),
                        one.channels[..., ::-1])
    rewrite(source, rows)
    assert run(monkeypatch, source, '--out', tmp_path / 'again') == 0
    first, again = load(tmp_path / 'first'), load(tmp_path / 'again')
    assert {one.window for one in again.patients} == {'known'}
    for one, other in zip(first.patients, again.patients, strict=True):
        for row, same in zip(one.rows, other.rows, strict=True):
            assert np.array_equal(first.slice(row)[0], again.slice(same)[0])
    rewrite(source, [{**row, 'window': 'W1 L1'} for row in rows])
    assert run(monkeypatch, source, '--out', tmp_path / 'never') == 2


def test_faces_and_scans_are_not_mixed(tmp_path, monkeypatch, drawn, capsys):
    scans = phantoms(tmp_path / 'scans', drawn[:4], 'png')
    for name in ('left', 'none', 'right'):
        (tmp_path / 'faces' / name).mkdir(parents=True)
    assert run(monkeypatch, scans, tmp_path / 'faces', '--out', tmp_path / 'out') == 2
    assert 'some head scans' in capsys.readouterr().err


def test_a_split_without_a_class_is_refused_and_nothing_is_left(
        tmp_path, monkeypatch, drawn, capsys):
    source = phantoms(tmp_path / 'in', [one for one in drawn if not one.lesions], 'png')
    assert run(monkeypatch, source, '--out', tmp_path / 'out') == 2
    assert 'labelled stroke' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


def test_another_version_of_the_preparation_is_refused(tmp_path, monkeypatch, drawn):
    source = phantoms(tmp_path / 'in', drawn, 'png')
    assert run(monkeypatch, source, '--out', tmp_path / 'out') == 0
    manifest = json.loads((tmp_path / 'out/manifest.json').read_text())
    (tmp_path / 'out/manifest.json').write_text(json.dumps({**manifest, 'preprocessing': 'x'}))
    with pytest.raises(prepare.TrainingError, match='run prepare again'):
        load(tmp_path / 'out')
