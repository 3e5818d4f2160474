"""Labelled pictures as users hand them over, and what is said about the bad ones."""

from pathlib import Path

import pytest

from training.common import TrainingError, claim, run_command
from training.sources import Item, read_source


def folder_with(tmp_path, table, files=()):
    (tmp_path / 'labels.csv').write_text(table)
    for name in files:
        (tmp_path / name).write_bytes(b'picture')
    return tmp_path


def test_labels_csv_gives_items_in_the_patients_frame(tmp_path):
    folder = folder_with(tmp_path, 'filename,label,subject\na.jpg,left,Ann\nb.jpg,none,\n',
                         ['a.jpg', 'b.jpg'])
    items, rejected = read_source(folder, 'patient')
    assert [(i.label, i.subject) for i in items] == [('left', 'Ann'), ('none', '')]
    assert rejected == []


def test_image_left_is_the_patients_right(tmp_path):
    folder = folder_with(tmp_path, 'filename,label\na.jpg,left\nb.jpg,none\n', ['a.jpg', 'b.jpg'])
    items, _ = read_source(folder, 'image')
    assert [i.label for i in items] == ['right', 'none']


@pytest.mark.parametrize('frame', [None, 'camera'])
def test_an_unstated_label_frame_stops(tmp_path, frame):
    folder = folder_with(tmp_path, 'filename,label\na.jpg,left\n', ['a.jpg'])
    with pytest.raises(TrainingError, match='--label-frame'):
        read_source(folder, frame)


def test_bad_rows_are_named_with_their_reason(tmp_path):
    folder = folder_with(
        tmp_path, 'filename,label\ngone.jpg,left\na.jpg,links\nb.jpg,skip\nc.txt,left\n',
        ['a.jpg', 'b.jpg', 'c.txt'])
    items, rejected = read_source(folder, 'patient')
    assert items == []
    assert {r.file.rsplit('/', 1)[1]: r.reason.split(';')[0] for r in rejected} == {
        'gone.jpg': 'no such file', 'a.jpg': 'unknown label "links"', 'b.jpg': 'labelled skip',
        'c.txt': 'unknown kind of file ".txt"'}


@pytest.mark.parametrize(('severity', 'region', 'reason'), [
    ('much', '', 'unknown severity "much"'), ('1.2', '', 'unknown severity "1.2"'),
    ('nan', '', 'unknown severity "nan"'), ('0.5', 'nose', 'unknown region "nose"'),
    ('0.5', 'mouth', ''), ('Near normal', '', ''), ('', 'Eye', '')])
def test_an_unknown_severity_or_region_is_named(tmp_path, severity, region, reason):
    folder = folder_with(
        tmp_path, f'filename,label,severity,region\na.jpg,left,{severity},{region}\n', ['a.jpg'])
    items, rejected = read_source(folder, 'patient')
    assert len(items) == (not reason)
    assert [r.reason.split(';')[0] for r in rejected] == [reason][:bool(reason)]


@pytest.mark.parametrize(('table', 'named'), [
    ('', 'is empty'), ('filename,label\n', 'no row below its first line'),
    ('file,side\na.jpg,left\n', 'lacks the column')])
def test_a_table_without_the_columns_stops(tmp_path, table, named):
    with pytest.raises(TrainingError, match=named):
        read_source(folder_with(tmp_path, table), 'patient')


@pytest.mark.parametrize(('table', 'named'), [
    ('file,side,severity_mouth\na.jpg,left,much\n', 'severity of a.jpg is no number'),
    ('picture,which\na.jpg,left\n', r'lacks the column\(s\) side'),
    ('file,side\n', 'no row below')])
def test_a_bad_truth_table_stops_in_one_line(tmp_path, table, named):
    (tmp_path / 'truth.csv').write_text(table)
    with pytest.raises(TrainingError, match=named) as stopped:
        read_source(tmp_path, None)
    assert '\n' not in str(stopped.value)


def test_a_folder_that_cannot_be_written_is_told_in_one_line(capsys):
    assert run_command(lambda: claim(Path('/proc/there/is/none'), 'training.prepare')) == 2
    told = capsys.readouterr().err
    assert told.startswith('error: cannot read or write /proc/there')
    assert told.count('\n') == 1


def test_class_folders(tmp_path):
    for label in ('left', 'right'):
        (tmp_path / label).mkdir()
        (tmp_path / label / f'{label}1.png').write_bytes(b'picture')
    items, _ = read_source(tmp_path, 'patient')
    assert [(i.path.name, i.label) for i in items] == [
        ('left1.png', 'left'), ('right1.png', 'right')]


def test_simulated_patients_state_their_own_side_and_a_mirrored_picture_the_other(tmp_path):
    (tmp_path / 'truth.csv').write_text(
        'file,side,severity_mouth,severity_eye,mirrored\na.jpg,left,0.7,0.2,0\n'
        'b.jpg,left,0.1,0.4,1\n')
    for name in ('a.jpg', 'b.jpg'):
        (tmp_path / name).write_bytes(b'picture')
    items, _ = read_source(tmp_path, None)
    assert [(i.label, float(i.severity), i.region) for i in items] == [
        ('left', 0.7, 'mouth'), ('right', 0.4, 'eye')]


@pytest.mark.parametrize('name', ['aug_12_face7.jpg', 'face7_aug3.png', 'flip_face7.jpg',
                                  'aug_flip_face7_copy1.jpg', 'face7.jpg'])
def test_augmented_siblings_share_their_origin(tmp_path, name):
    assert Item(tmp_path / name, 'left').origin.removeprefix('12_') == 'face7'


def test_semicolons_and_capitals_are_what_spreadsheets_write(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'x')
    (tmp_path / 'labels.csv').write_bytes(
        '\ufeffFileName;LABEL;Subject\r\na.jpg;Left;Müller\r\n'.encode())
    (item,), rejected = read_source(tmp_path, 'patient')
    assert (item.path.name, item.label, item.subject, rejected) == ('a.jpg', 'left', 'Müller', [])


def test_pictures_in_folders_below_the_class_folders_are_found(tmp_path):
    for name in ('left/ward/a.jpg', 'right/b.jpg'):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b'x')
    items, _ = read_source(tmp_path, 'patient')
    assert [(item.path.name, item.label) for item in items] == [('a.jpg', 'left'),
                                                               ('b.jpg', 'right')]
