"""The shipped side classifier on real photographs, and what it says to files it must not use."""

import hashlib
import json
import shutil

import cv2
import numpy as np
import pytest

from stroke_side_monitor import resources
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.perception.crop import aligned_crop
from stroke_side_monitor.perception.face_mesh import FaceMesh
from stroke_side_monitor.perception.side_classifier import SideClassifier, SideScore
from stroke_side_monitor.perception.tflite import ModelError
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import portrait, read_picture
from stroke_side_monitor.simulation.still import simulate_still

# People whom the shipped model was not trained on (see the card's data.split).
PEOPLE = 6


def held_out(name):
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10 < 2


@pytest.fixture(scope='module')
def mesh():
    mesh = FaceMesh(tracking=False, max_faces=2)
    yield mesh
    mesh.close()


@pytest.fixture(scope='module')
def classifier():
    return SideClassifier(resources.model_path('side_classifier.tflite'))


@pytest.fixture(scope='module')
def photographs(shared):
    files = sorted((shared / 'data/london_faces/neutral').glob('*.jpg'))
    files = [file for file in files if held_out(f'london_{file.stem}')]
    assert len(files) >= PEOPLE
    return [read_picture(file) for file in files[:PEOPLE]]


def crop_of(mesh, rgb):
    return aligned_crop(rgb, mesh.detect(rgb)[0])


@pytest.fixture(scope='module')
def crops(mesh, photographs):
    return [crop_of(mesh, rgb) for rgb in photographs]


def test_a_mirrored_crop_gets_the_negated_score_bit_for_bit(classifier, crops):
    noise = np.random.default_rng(5).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    for crop in (*crops, noise):
        seen, mirrored = classifier.score(crop), classifier.score(cv2.flip(crop, 1))
        assert seen.score != 0.0
        assert mirrored == SideScore(-seen.score, seen.probability_right,
                                     seen.probability_none, seen.probability_left)


def test_a_symmetric_crop_scores_zero(classifier, crops):
    symmetric = crops[0].copy()
    symmetric[:, 112:] = symmetric[:, :112][:, ::-1]
    assert classifier.score(symmetric).score == 0.0


def test_the_same_crop_scores_the_same_whatever_came_before(classifier, crops):
    first = classifier.score(crops[0])
    classifier.score(crops[1])
    assert classifier.score(crops[0]) == first


@pytest.mark.parametrize('pattern', ['central', 'peripheral'])
def test_a_severe_simulated_palsy_of_an_unknown_person_reads_its_side(
        classifier, mesh, photographs, pattern):
    right = 0
    for rgb in photographs:
        person = portrait(rgb, mesh=mesh)
        for side, sign in ((Side.LEFT, 1), (Side.RIGHT, -1)):
            drawn, _ = simulate_still(person, Palsy.of(side, 1.0, pattern))
            right += sign * classifier.score(crop_of(mesh, drawn)).score > 0
    # 12 pictures; one miss is what the card's interval allows, chance would give 6.
    assert right >= 2 * len(photographs) - 1


def test_the_simulated_palsy_of_the_mirrored_photograph_reads_the_other_side(
        classifier, mesh, photographs):
    for rgb in photographs[:2]:
        person = portrait(rgb, mesh=mesh)
        drawn, _ = simulate_still(person, Palsy.of(Side.LEFT, 1.0, 'peripheral'))
        mirrored = cv2.flip(drawn, 1)
        assert classifier.score(crop_of(mesh, drawn)).score > 0
        assert classifier.score(crop_of(mesh, mirrored)).score < 0


def test_probabilities_are_probabilities(classifier, crops):
    for crop in crops:
        score = classifier.score(crop)
        parts = (score.probability_left, score.probability_none, score.probability_right)
        assert sum(parts) == pytest.approx(1.0, abs=1e-12)
        assert min(parts) >= 0.0
        assert (score.probability_left > score.probability_right) == (score.score > 0)


def test_it_says_what_it_is_and_what_runs_it(classifier):
    file = resources.model_path('side_classifier.tflite')
    assert classifier.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert classifier.runtime in ('LiteRT', 'tflite_runtime')
    assert classifier.name
    assert SideClassifier(file, threads=2).threads == 2


@pytest.mark.parametrize('wrong', [
    np.zeros((224, 224), np.uint8), np.zeros((192, 192, 3), np.uint8),
    np.zeros((224, 224, 3), np.float32)])
def test_a_crop_of_another_kind_is_refused(classifier, wrong):
    with pytest.raises(ValueError, match='crop must be uint8'):
        classifier.score(wrong)


@pytest.fixture
def copied(tmp_path):
    for suffix in ('tflite', 'json'):
        shutil.copy(resources.model_path(f'side_classifier.{suffix}'), tmp_path)
    return tmp_path / 'side_classifier.tflite'


def refusal(path):
    with pytest.raises(ModelError) as refused:
        SideClassifier(path)
    text = str(refused.value)
    assert '\n' not in text
    assert 'restore both files' in text  # how to mend it
    return text


def change_card(model, **changes):
    path = model.with_suffix('.json')
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_untouched_copy_is_accepted(copied):
    assert SideClassifier(copied).name


def test_an_altered_model_file_is_refused(copied):
    content = bytearray(copied.read_bytes())
    content[len(content) // 2] ^= 1
    copied.write_bytes(content)
    assert 'sha256' in refusal(copied)


def test_a_truncated_model_file_with_a_fitting_card_is_refused(copied):
    content = copied.read_bytes()[:1000]
    copied.write_bytes(content)
    change_card(copied, sha256=hashlib.sha256(content).hexdigest())
    assert 'cannot load' in refusal(copied)


def test_a_missing_model_or_card_is_refused(copied, tmp_path):
    assert 'No such file' in refusal(tmp_path / 'other.tflite')
    copied.with_suffix('.json').unlink()
    assert 'side_classifier.json' in refusal(copied)


@pytest.mark.parametrize(('field', 'value', 'named'), [
    ('crop_version', 'whole-picture-0', 'crop_version is whole-picture-0'),
    ('label_frame', 'image', 'label_frame is image'),
    ('labels', ['right', 'none', 'left'], 'labels'),
    ('format', 'something-else', 'format'),
    ('input', {'size': [192, 192], 'scaling': '0..1'}, 'input scaling'),
    ('input', {'size': [224, 224], 'scaling': 'uint8'}, 'takes uint8'),
    ('calibration', {}, 'not a model card'),
    ('calibration', {'dead_band': 0.0, 'slope': 1.0, 'none_band': 1.0}, 'impossible'),
])
def test_a_card_that_does_not_fit_is_refused(copied, field, value, named):
    change_card(copied, **{field: value})
    assert named in refusal(copied)


def test_a_card_that_is_no_json_is_refused(copied):
    copied.with_suffix('.json').write_text('{')
    assert 'not a model card' in refusal(copied)
