"""prepare on real photographs: what comes out, what is left out, and where it stops."""

import csv
import json
import shutil
import struct

import cv2
import numpy as np
import pytest

from stroke_side_monitor.perception import crop
from stroke_side_monitor.perception.face_mesh import FaceMesh
from training.common import TrainingError, appearing_folder, check_own_card
from training.prepare import prepare
from training.splits import split_of

LABELS = ('left', 'right', 'none')


@pytest.fixture
def labelled(shared, tmp_path):
    """Fifteen people, every label in every split; real faces, labels made up."""
    wanted = {'train': list(LABELS) * 2, 'validation': list(LABELS), 'test': list(LABELS) * 2}
    folder = tmp_path / 'pictures'
    folder.mkdir()
    rows = []
    for file in sorted((shared / 'data/london_faces/neutral').glob('*.jpg')):
        labels = wanted[split_of(file.stem)]
        if labels:
            shutil.copy(file, folder)
            rows.append({'filename': file.name, 'label': labels.pop(), 'subject': file.stem})
    assert not any(wanted.values())
    return folder, rows


def write(folder, rows, columns=('filename', 'label', 'subject')):
    with (folder / 'labels.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, columns, restval='')
        writer.writeheader()
        writer.writerows(rows)


def run(folder, out, **options):
    prepare([folder], out, **{'label_frame': 'patient', 'fps': 3.0, **options})
    table = list(csv.DictReader((out / 'dataset.csv').open()))
    rejected = {r['file'].rsplit('/', 1)[-1]: r['reason']
                for r in csv.DictReader((out / 'rejected.csv').open())}
    return table, rejected


def test_crops_are_the_robots_and_splits_are_by_person(labelled, tmp_path):
    folder, rows = labelled
    write(folder, rows)
    table, rejected = run(folder, tmp_path / 'out')
    assert len(table) == 15
    assert rejected == {}
    for row in table:
        assert row['split'] == split_of(row['subject'])
        assert row['file'].startswith(f'{row["split"]}/{row["label"]}/')
    mesh = FaceMesh(tracking=False, max_faces=2)
    rgb = cv2.cvtColor(cv2.imread(table[0]['original']), cv2.COLOR_BGR2RGB)
    expected = crop.aligned_crop(rgb, mesh.detect(rgb)[0])
    mesh.close()
    written = cv2.cvtColor(cv2.imread(str(tmp_path / 'out' / table[0]['file'])), cv2.COLOR_BGR2RGB)
    assert np.array_equal(written, expected)
    manifest = json.loads((tmp_path / 'out/manifest.json').read_text())
    assert manifest['crop_version'] == crop.VERSION
    assert manifest['people'] == {'train': 6, 'validation': 3, 'test': 6}


def test_what_cannot_be_used_is_left_out_by_name(labelled, tmp_path):
    folder, rows = labelled
    first = cv2.imread(str(folder / rows[0]['filename']))
    cv2.imwrite(str(folder / 'tiny.png'), cv2.resize(first, (80, 80)))
    cv2.imwrite(str(folder / 'wall.png'), np.full((300, 300, 3), 128, np.uint8))
    cv2.imwrite(str(folder / 'two.png'), np.hstack([first, first]))
    cv2.imwrite(str(folder / 'copy.png'), first)
    (folder / 'broken.jpg').write_bytes(b'no picture')
    added = ('tiny.png', 'wall.png', 'two.png', 'copy.png', 'broken.jpg', 'gone.jpg')
    write(folder, rows + [{'filename': name, 'label': rows[0]['label']} for name in added])
    table, rejected = run(folder, tmp_path / 'out')
    assert len(table) == 15
    assert 'too small' in rejected['tiny.png']
    assert rejected['wall.png'] == 'no face found'
    assert 'several faces' in rejected['two.png']
    assert 'exact duplicate' in rejected['copy.png']
    assert 'decoded' in rejected['broken.jpg']
    assert rejected['gone.jpg'] == 'no such file'


def test_one_picture_under_two_labels_is_left_out_twice(labelled, tmp_path):
    folder, rows = labelled
    extra = next(r for r in rows if r['label'] == 'none')
    shutil.copy(folder / extra['filename'], folder / 'again.jpg')
    write(folder, [*rows, {'filename': 'again.jpg', 'label': 'left'}])
    table, rejected = run(folder, tmp_path / 'out')
    assert len(table) == 14
    assert 'both left out' in rejected['again.jpg']
    assert 'both left out' in rejected[extra['filename']]


@pytest.mark.parametrize('again', ['left', 'right'])
def test_one_picture_under_two_subjects_ties_them_together_though_it_is_left_out(
        labelled, shared, tmp_path, again):
    folder, rows = labelled
    ann, bo, carl = (next(name for name in map(f'{word}{{}}'.format, range(99))
                          if split_of(name) == side)
                     for word, side in (('ann', 'train'), ('bo', 'test'), ('carl', 'test')))
    spare = sorted((shared / 'data/london_faces/neutral').glob('*.jpg'))[::-1]
    spare = [file for file in spare if not (folder / file.name).exists()][:3]
    for name, file in zip(('one', 'ann', 'bo'), spare, strict=True):
        shutil.copy(file, folder / f'{name}.jpg')
    shutil.copy(folder / 'one.jpg', folder / 'again.jpg')
    small = cv2.resize(cv2.imread(str(folder / 'one.jpg')), None, fx=0.5, fy=0.5)
    cv2.imwrite(str(folder / 'carl.png'), small)
    write(folder, [*rows, *({'filename': name, 'label': label, 'subject': who} for
                            name, label, who in (
        ('one.jpg', 'left', ann), ('again.jpg', again, bo), ('ann.jpg', 'left', ann),
        ('bo.jpg', 'left', bo), ('carl.png', 'left', carl)))])
    table, rejected = run(folder, tmp_path / 'out')
    assert 'again.jpg' in rejected
    assert ('one.jpg' in rejected) == (again == 'right')
    found = {r['subject']: (r['group'], r['split']) for r in table}
    assert found[ann] == found[bo] == found[carl] == (ann, 'train')


@pytest.mark.parametrize('given_again', [True, False])
def test_who_was_tested_stays_so_when_a_copy_ties_him_to_others(labelled, tmp_path, given_again):
    folder, rows = labelled
    write(folder, rows)
    table, _ = run(folder, tmp_path / 'old')
    old = next(r for r in table if r['split'] == 'test')
    name = next(name for name in map('-{}'.format, range(99)) if split_of(name) == 'train')
    assert name < old['group']
    shutil.copy(old['original'], folder / 'copy.jpg')
    if not given_again:  # only his name is left, under another picture
        picture = cv2.imread(old['original'])
        cv2.imwrite(old['original'], picture[8:-8, 8:-8])
        cv2.imwrite(str(folder / 'copy.jpg'), picture[8:-8, 8:-8])
    write(folder, [*rows, {'filename': 'copy.jpg', 'label': old['label'], 'subject': name}])
    table, _ = run(folder, tmp_path / 'new')
    assert {r['split'] for r in table if r['group'] == name} == {'train'}
    table, _ = run(folder, tmp_path / 'new', earlier=tmp_path / 'old')
    assert {r['split'] for r in table if r['group'] == name} == {'test'}
    (tmp_path / 'old/manifest.json').write_text('{"format": "stroke-scan-dataset-1"}')
    with pytest.raises(TrainingError, match='holds no prepared pictures of this kind'):
        run(folder, tmp_path / 'new', earlier=tmp_path / 'old')


def test_a_mirrored_sibling_without_a_subject_joins_its_picture(labelled, tmp_path):
    folder, rows = labelled
    weak = next(r for r in rows if r['label'] == 'left')
    cv2.imwrite(str(folder / 'other_name.png'),
                cv2.flip(cv2.imread(str(folder / weak['filename'])), 1))
    write(folder, [*rows, {'filename': 'other_name.png', 'label': 'right'}])
    table, _ = run(folder, tmp_path / 'out')
    groups = {r['original'].rsplit('/', 1)[1]: (r['group'], r['split']) for r in table}
    assert groups['other_name.png'] == groups[weak['filename']]


def test_video_frames_are_taken_at_the_rate_asked_for(labelled, tmp_path):
    folder, rows = labelled
    weak = next(r for r in rows if r['label'] == 'left')
    film(folder / 'film.mp4', cv2.imread(str(folder / weak['filename'])), frames=30)
    write(folder, [*rows, {'filename': 'film.mp4', 'label': 'left', 'subject': weak['subject']}])
    table, _ = run(folder, tmp_path / 'out', fps=3.0)
    assert [r['original'].rsplit('#')[1] for r in table if '#' in r['original']] == [
        '0', '10', '20']


def film(path, face, frames):
    """An MP4 of a face that becomes brighter from frame to frame, 30 a second."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 30, (640, 640))
    for number in range(frames):
        video.write(cv2.convertScaleAbs(cv2.resize(face, (640, 640)), beta=number))
    video.release()


def test_a_selfie_video_is_taken_as_it_is_shown(labelled, tmp_path):
    # Stored mirrored, with a matrix that says so, which OpenCV does not follow.
    folder, rows = labelled
    weak = next(r for r in rows if r['label'] == 'left')
    face = cv2.imread(str(folder / weak['filename']))
    film(folder / 'film.mp4', np.ascontiguousarray(face[:, ::-1]), frames=3)
    data = bytearray((folder / 'film.mp4').read_bytes())
    struct.pack_into('>i', data, data.index(b'tkhd') + 4 + 40, -1 << 16)
    (folder / 'film.mp4').write_bytes(data)
    write(folder, [*rows, {'filename': 'film.mp4', 'label': 'left', 'subject': weak['subject']}])
    table, _ = run(folder, tmp_path / 'out')
    files = {r['original'].rsplit('/', 1)[1]: tmp_path / 'out' / r['file'] for r in table}
    shown, still = (cv2.imread(str(files[name])).astype(float)
                    for name in ('film.mp4#0', weak['filename']))
    assert np.abs(shown - still).mean() < 0.5 * np.abs(shown[:, ::-1] - still).mean()


def test_a_video_that_cannot_be_shown_upright_is_left_out_by_name(labelled, tmp_path):
    folder, rows = labelled
    film(folder / 'askew.mp4', cv2.imread(str(folder / rows[0]['filename'])), frames=3)
    data = bytearray((folder / 'askew.mp4').read_bytes())
    struct.pack_into('>i', data, data.index(b'tkhd') + 4 + 40, 2 << 16)
    (folder / 'askew.mp4').write_bytes(data)
    (folder / 'broken.mp4').write_bytes(b'no video')
    write(folder, rows + [{'filename': name, 'label': 'left'}
                          for name in ('askew.mp4', 'broken.mp4')])
    table, rejected = run(folder, tmp_path / 'out')
    assert len(table) == 15
    assert 'askew or stretched' in rejected['askew.mp4']
    assert 'not a video that can be decoded' in rejected['broken.mp4']


def test_one_class_only_stops_and_leaves_nothing(labelled, tmp_path):
    folder, rows = labelled
    write(folder, [{**row, 'label': 'left'} for row in rows])
    with pytest.raises(TrainingError, match='holds no picture labelled right'):
        run(folder, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_subject_on_both_sides_stops(labelled, tmp_path):
    folder, rows = labelled
    same = [{**rows[0], 'split': 'train'}, {**rows[1], 'subject': rows[0]['subject'],
                                            'split': 'test'}]
    write(folder, [*same, *rows[2:]], ('filename', 'label', 'subject', 'split'))
    with pytest.raises(TrainingError, match='on two sides of the split'):
        run(folder, tmp_path / 'out')


def test_no_face_anywhere_stops(tmp_path):
    folder = tmp_path / 'walls'
    folder.mkdir()
    cv2.imwrite(str(folder / 'a.png'), np.full((300, 300, 3), 128, np.uint8))
    write(folder, [{'filename': 'a.png', 'label': 'left'}])
    with pytest.raises(TrainingError,
                       match=r'no usable picture among 1: 1 × no face found; .* is .*a\.png'):
        run(folder, tmp_path / 'out')


def test_the_folder_is_rebuilt_from_empty(labelled, tmp_path):
    folder, rows = labelled
    write(folder, rows)
    out = tmp_path / 'out'
    out.mkdir()  # an empty folder is nobody's
    run(folder, out)
    stale = out / 'train' / 'left' / 'stale.png'
    stale.write_bytes(b'old')
    run(folder, out)
    assert not stale.exists()


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None
            for path in folder.rglob('*')}


@pytest.mark.parametrize('out', ['.', 'pictures', 'pictures/prepared', 'home', 'other', 'file'])
def test_a_folder_that_holds_anything_else_is_refused_before_any_work(labelled, tmp_path, out):
    folder, rows = labelled
    write(folder, rows)
    (tmp_path / 'home').mkdir()
    (tmp_path / 'home' / 'letter.txt').write_text('precious')
    with appearing_folder(tmp_path / 'other', 'training.evaluate') as hidden:
        (hidden / 'report.html').write_text('precious')
    (tmp_path / 'file').write_text('precious')
    before = everything(tmp_path)
    with pytest.raises(TrainingError, match=r'--out .* choose'):
        prepare([folder], tmp_path / out, label_frame='patient', fps=3.0)
    assert everything(tmp_path) == before


@pytest.mark.parametrize('damage', ['cut', 'zeroed', 'closed'])
def test_a_damaged_jpeg_is_left_out_by_name(labelled, tmp_path, damage):
    folder, rows = labelled
    write(folder, rows)
    victim = folder / rows[0]['filename']
    victim.write_bytes(DAMAGES[damage](victim.read_bytes()))
    _, rejected = run(folder, tmp_path / 'out')
    assert 'damaged JPEG' in rejected[victim.name]


DAMAGES = {
    'cut': lambda data: data[:len(data) // 2],
    'closed': lambda data: data[:len(data) // 2] + b'\xff\xd9',
    'zeroed': lambda data: data[:len(data) // 2] + bytes(512) + data[len(data) // 2 + 512:]}


def test_an_interrupted_run_is_taken_up_again(labelled, tmp_path, monkeypatch):
    folder, rows = labelled
    write(folder, rows)
    detect, calls = FaceMesh.detect, []

    def interrupted(mesh, rgb, **options):
        calls.append(1)
        if len(calls) == 13:
            raise KeyboardInterrupt
        return detect(mesh, rgb, **options)

    monkeypatch.setattr(FaceMesh, 'detect', interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    monkeypatch.setattr(FaceMesh, 'detect', lambda mesh, rgb, **o: (
        calls.append(2), detect(mesh, rgb, **o))[1])
    table, _ = run(folder, tmp_path / 'out')
    assert len(table) == 15
    assert calls.count(2) == 2 * (15 - 6)  # two looks each at the nine not yet done


@pytest.mark.parametrize(('name', 'why'), [
    ('left/notes.txt', 'no picture below the class folders'),
    ('left/a.jpg', 'no usable picture among 1')])
def test_class_folders_without_a_usable_picture_are_refused_in_one_line(tmp_path, name, why):
    path = tmp_path / 'pictures' / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b'no picture')
    with pytest.raises(TrainingError, match=why):
        prepare([tmp_path / 'pictures'], tmp_path / 'out', label_frame='patient', fps=3.0)
    assert not (tmp_path / 'out').exists()


def test_a_working_folder_of_somebody_else_is_left_alone(labelled, tmp_path):
    folder, rows = labelled
    write(folder, rows)
    work = tmp_path / '.out.work'
    work.mkdir()
    (work / 'thesis.txt').write_text('mine')
    with pytest.raises(TrainingError, match='something else than an interrupted run'):
        run(folder, tmp_path / 'out')
    assert (work / 'thesis.txt').read_text() == 'mine'


def test_a_model_takes_the_place_of_a_model_only(tmp_path):
    target = tmp_path / 'side_classifier.tflite'
    check_own_card(target, ('ours',))  # nothing there
    target.with_suffix('.json').write_text(json.dumps({'format': 'ours'}))
    target.write_bytes(b'model')
    check_own_card(target, ('ours',))
    for content in ('{"format": "theirs"}', '[]', 'no json'):
        target.with_suffix('.json').write_text(content)
        with pytest.raises(TrainingError, match='no model with its card'):
            check_own_card(target, ('ours',))
    target.with_suffix('.json').unlink()
    with pytest.raises(TrainingError, match='no model with its card'):
        check_own_card(target, ('ours',))
