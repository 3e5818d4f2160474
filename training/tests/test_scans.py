"""A scan model from phantoms to the exported file, and what it may not do. All are PHANTOMS."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from training.common import TrainingError, write_table
from training.scans.augment import Changes, changed, draw_device
from training.scans.config import ScanConfig, read_scan_config
from training.scans.dataset import load
from training.scans.evaluate import evaluate_scans
from training.scans.export import export_scans
from training.scans.gate import LostError, gate
from training.scans.heads import (
    Bag,
    build_head,
    fit_head,
    fit_reducer,
    patient_logits,
    slices_said,
    together,
)
from training.scans.judge import (
    LOW_CONFIDENCE,
    NO_BRAIN,
    REVIEW,
    SOURCE_UNKNOWN,
    UNLIKE_TRAINING,
    ScanModel,
    ScanModelError,
    distance,
    heat,
    offset_of,
)
from training.scans.network import _Whole
from training.scans.train import calibrate, calibrated, train_scans
from training.splits import split_of

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'training/configs'


def command(environment, step, *arguments):
    return subprocess.run([ROOT / environment / 'bin/python', '-m', f'training.{step}',
                           *map(str, arguments)], cwd=ROOT, check=False, capture_output=True,
                          text=True)


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    """Forty single-slice phantoms with large bleeds, read and cut out as a user would."""
    folder = tmp_path_factory.mktemp('scans')
    for step in (['scans', '--out', folder / 'phantoms', '--patients', 40, '--format', 'png',
                  '--single', '--kinds', 'haemorrhage', 'subdural', '--seed', 3],
                 ['prepare', folder / 'phantoms', '--out', folder / 'data']):
        done = command('.venv', *step)
        assert done.returncode == 0, done.stderr
    return folder / 'data'


@pytest.fixture(scope='module')
def config(weights):
    return replace(read_scan_config(CONFIGS / 'scan_mobilenet.yaml', weights=weights),
                   copies=1, epochs=40, folds=3, repeats=2)


@pytest.fixture(scope='module')
def run(prepared, config, tmp_path_factory):
    out = tmp_path_factory.mktemp('run') / 'run'
    train_scans(config, prepared, out, show_leak=True)
    return out


@pytest.fixture(scope='module')
def exported(run, prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp('exported')
    evaluate_scans([run], prepared, folder / 'report', 'test', made_by='training.evaluate')
    export_scans(run, folder, {'licence': 'phantoms only'})
    return folder


def test_the_chain_learns_what_is_drawn_and_says_on_whom(run, exported):
    about = json.loads((run / 'run.json').read_text())
    assert about['cross_validation']['auc']['interval_95'][0] > 0.5
    assert about['cross_validation']['auc']['people'] == about['patients_trained_on']
    assert set(about['poolings']) == {'mean', 'top', 'attention'}
    assert set(about['leak']) == {'split_by_slice', 'split_by_patient'}
    card = json.loads((exported / 'scan_model.json').read_text())
    assert card['figures']['split'] == 'test'
    assert card['licence'] == 'phantoms only'
    page = (exported / 'report/report.html').read_text()
    for words in ('always &quot;normal&quot;', 'flagged for review',
                  'slice by slice would have claimed', 'no evidence about patients'):
        assert words in page
    assert not (run / 'features').exists()


def test_the_file_says_what_each_part_adds_and_the_map_is_grad_cam(run, exported, prepared):
    model, data = ScanModel(exported / 'scan_model.tflite'), load(prepared)
    picture, inside = data.slice(data.of('test')[0].rows[0])
    look = model.look(picture, inside)
    assert (look.activation >= 0).all()
    assert look.shares.shape == (45,)
    seen = heat(look, picture, inside)
    assert seen.shape == (224, 224)
    assert (seen[~inside] == 0).all()


def test_grad_cam_written_out_equals_tensorflows_gradients():
    rng = np.random.default_rng(2)
    reducer = fit_reducer(rng.normal(size=(60, 8 + 3)).astype(np.float32), 8, 4)
    head = build_head(reducer.width, ScanConfig('x', 'scan', hidden=5))
    head.get_layer('normalised').set_weights([rng.normal(size=5), rng.normal(size=5),
                                              rng.normal(size=5), rng.uniform(0.5, 2, 5)])
    inputs = keras.Input((224, 224, 3))
    trunk = keras.Model(inputs, keras.layers.Conv2D(8, 1)(
        keras.layers.AveragePooling2D(32)(inputs / 255)))
    picture = tf.constant(rng.uniform(0, 255, (1, 224, 224, 3)).astype(np.float32))
    measured = tf.constant(rng.normal(size=(1, 3)).astype(np.float32))
    said = _Whole(trunk, reducer, head).look(picture, measured)
    maps = tf.Variable(trunk(picture))
    with tf.GradientTape() as tape:
        pooled = tf.reduce_mean(maps, axis=(1, 2))
        x = tf.concat([(pooled - reducer.mean) @ reducer.basis,
                       (measured - reducer.beside_mean) * reducer.beside_scale], axis=1)
        logit = head(x[:, None], training=False)[0]
    slope = tf.reduce_sum(tape.gradient(logit, maps), axis=(1, 2))
    expected = tf.nn.relu(tf.reduce_sum(maps * slope[:, None, None], axis=-1))
    assert said['logit'].numpy() == pytest.approx(logit.numpy(), rel=1e-5)
    assert said['activation'].numpy() == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)


def test_a_mirrored_head_hardly_changes_the_answer(exported, prepared):
    model, data = ScanModel(exported / 'scan_model.tflite'), load(prepared)
    straight, mirrored = [], []
    for patient in data.patients[:20]:
        picture, inside = data.slice(patient.rows[0])
        straight.append(model.look(picture, inside).logit)
        mirrored.append(model.look(np.ascontiguousarray(picture[:, ::-1]),
                                   np.ascontiguousarray(inside[:, ::-1])).logit)
    assert np.corrcoef(straight, mirrored)[0, 1] > 0.8


def test_unsure_unlike_and_empty_are_flagged(exported, prepared):
    model, data = ScanModel(exported / 'scan_model.tflite'), load(prepared)
    look = model.look(*data.slice(data.patients[0].rows[0]))
    assert model.judge([]).reasons == (NO_BRAIN,)
    slope, offset = (model.card['calibration'][key] for key in ('slope', 'offset'))
    unsure = model.judge([replace(look, logit=-offset / slope, features=look.features * 0)])
    assert (unsure.answer, unsure.reasons) == (REVIEW, (LOW_CONFIDENCE,))
    assert unsure.limits == (SOURCE_UNKNOWN,)
    noise = np.random.default_rng(0).integers(0, 255, (224, 224, 3), np.uint8)
    strange = model.judge([model.look(noise, np.ones((224, 224), bool))])
    assert strange.answer == REVIEW
    assert UNLIKE_TRAINING in strange.reasons
    sure = model.judge([replace(look, logit=9.0, features=look.features * 0)],
                       source='PHANTOM scanner a', window_known=False)
    assert (sure.answer, sure.limits) == ('stroke', ('window_unknown',))


@pytest.mark.parametrize(('damage', 'words'), [
    (lambda card: card.update(sha256='0' * 64), 'do not belong together'),
    (lambda card: card.update(preprocessing='head-0'), 'train again'),
    (lambda card: card.update(format='other'), 'not of format'),
    (lambda card: card.pop('threshold'), 'lacks threshold')])
def test_a_card_that_does_not_fit_is_refused(exported, tmp_path, damage, words):
    card = json.loads((exported / 'scan_model.json').read_text())
    damage(card)
    (tmp_path / 'm.tflite').write_bytes((exported / 'scan_model.tflite').read_bytes())
    (tmp_path / 'm.json').write_text(json.dumps(card))
    with pytest.raises(ScanModelError, match=words):
        ScanModel(tmp_path / 'm.tflite')


def test_an_interrupted_run_goes_on_where_it_was(prepared, config, run, tmp_path):
    # The features of the finished run are gone; a started one with some of them is continued.
    out = tmp_path / 'run'
    with pytest.raises(KeyboardInterrupt):
        _interrupted(config, prepared, out)
    assert len(list((out / 'features').glob('0*.npy'))) == 3
    with pytest.raises(TrainingError, match='another configuration'):
        train_scans(replace(config, seed=8), prepared, out)
    train_scans(config, prepared, out)
    first, second = (json.loads((one / 'run.json').read_text()) for one in (run, out))
    assert first['cross_validation']['auc'] == second['cross_validation']['auc']


def _interrupted(config, prepared, out):
    from training.scans import train
    real = train._features
    seen: list[int] = []

    def three(*arguments, **more):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(1)
        return real(*arguments, **more)

    train._features = three
    try:
        train_scans(config, prepared, out)
    finally:
        train._features = real


def test_a_model_that_loses_may_not_take_the_place_of_a_better_one(exported, prepared, tmp_path):
    good = exported / 'scan_model.tflite'
    gate(good, good, prepared, prepared, 2.0)
    card = json.loads(good.with_suffix('.json').read_text())
    bad = tmp_path / 'bad.tflite'
    bad.write_bytes(good.read_bytes())
    slope = card['calibration']['slope']
    bad.with_suffix('.json').write_text(json.dumps(
        {**card, 'calibration': {'slope': -slope, 'offset': 0.0}}))
    with pytest.raises(LostError, match='points of accuracy on the old test patients'):
        gate(good, bad, prepared, prepared, 2.0)
    done = command('.venv-train', 'scans.gate', good, bad, '--data', prepared,
                   '--new-data', prepared)
    assert done.returncode == 1
    assert 'keep' in done.stdout.splitlines()[-1]


def test_a_model_is_not_judged_by_patients_whom_it_was_trained_on(exported, prepared, tmp_path):
    """By a copy under another name, which ties a test patient to one who is trained on."""
    good, phantoms = exported / 'scan_model.tflite', prepared.parent / 'phantoms'
    tested = load(prepared).of('test')[0]
    confirmed = tmp_path / 'confirmed'
    shutil.copytree(phantoms / tested.name, confirmed / 'case')
    name = next(name for name in map('-{}'.format, range(99)) if split_of(name) == 'train')
    write_table(confirmed / 'labels.csv', ('filename', 'label', 'patient'), [{
        'filename': 'case', 'label': 'stroke' if tested.stroke else 'normal', 'patient': name}])
    for more, out in (([], 'moved'), (['--earlier', prepared], 'kept')):
        done = command('.venv', 'prepare', phantoms, confirmed, *more, '--out', tmp_path / out)
        assert done.returncode == 0, done.stderr
        new = tmp_path / f'{out}.tflite'
        shutil.copy(good, new)
        new.with_suffix('.json').write_text(json.dumps({
            **json.loads(good.with_suffix('.json').read_text()),
            'data': load(tmp_path / out).manifest}))
    with pytest.raises(LostError, match=r'trained on 1 of the .* --earlier'):
        gate(good, tmp_path / 'moved.tflite', prepared, tmp_path / 'moved', 2.0)
    gate(good, tmp_path / 'kept.tflite', prepared, tmp_path / 'kept', 2.0)
    with pytest.raises(TrainingError, match='trained on another dataset'):
        gate(good, tmp_path / 'moved.tflite', prepared, prepared, 2.0)


def test_evaluate_refuses_a_run_of_another_dataset(run, prepared, tmp_path):
    other = tmp_path / 'other'
    assert command('.venv', 'prepare', prepared.parent / 'phantoms', '--out', other, '--salt',
                   'x').returncode == 0
    with pytest.raises(TrainingError, match='another dataset'):
        evaluate_scans([run], other, tmp_path / 'report', 'test', made_by='training.evaluate')


@pytest.mark.parametrize('name', ['scan_mobilenet', 'scan_resnet50', 'scan_hybrid'])
def test_every_configuration_is_read(name):
    config = read_scan_config(CONFIGS / f'{name}.yaml')
    assert (config.name, len(config.weights)) == (name, len(config.backbones))


def test_resnet50_and_hybrid_give_a_file_too(prepared, weights, tmp_path):
    config = replace(read_scan_config(CONFIGS / 'scan_hybrid.yaml'), weights=(None, weights),
                     copies=0, epochs=3, folds=2)
    train_scans(config, prepared, tmp_path / 'run')
    model = ScanModel(tmp_path / 'run/model.tflite')
    data = load(prepared)
    assert model.look(*data.slice(data.patients[0].rows[0])).activation.shape == (7, 7)


@pytest.mark.parametrize(('text', 'words'), [
    ('pooling: max', 'one of mean, top, attention'), ('backbones: [VGG16]', 'one of MobileNetV2'),
    ('weights: [a, b]', '2 weights for 1'), ('folds: 1', 'at least 2'), ('colour: 1', 'unknown'),
    ('top_share: 0.0', 'above 0'), ('changes: {spin: 1}', 'unknown field spin')])
def test_a_configuration_that_cannot_be_is_refused(tmp_path, text, words):
    path = tmp_path / 'c.yaml'
    path.write_text(f'kind: scan\n{text}\n')
    with pytest.raises(TrainingError, match=words):
        read_scan_config(path)


def test_bags_are_learnt_though_most_slices_show_nothing():
    """One slice of twenty carries the label: 'top' learns it on other patients, 'mean' hardly."""
    rng = np.random.default_rng(1)

    def patient(stroke):
        values = rng.normal(size=(1, 20, 4)).astype(np.float32)
        if stroke:
            values[0, rng.integers(20), 0] += 5
        return Bag(values, stroke)

    bags, held = ([patient(i % 2 == 0) for i in range(n)] for n in (120, 100))
    config = ScanConfig('x', 'scan', hidden=0, dropout=0.0, l2=0.01, top_share=0.05)
    found = {}
    for pooling in ('top', 'mean'):
        mine = replace(config, pooling=pooling)
        head = fit_head(bags[:100], bags[100:], replace(mine, epochs=80), seed=1)
        said = patient_logits(head, held, mine) > 0
        found[pooling] = np.mean(said == [bag.stroke for bag in held])
    assert found['top'] > 0.9
    assert found['mean'] < 0.8


def test_components_are_white_and_strangers_are_far():
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(500, 20)) * np.linspace(5, 0.1, 20)).astype(np.float32)
    reducer = fit_reducer(values, 20, 5)
    known = reducer.known(values)
    assert np.cov(known[:, :5].T) == pytest.approx(np.eye(5), abs=0.02)
    assert distance(known) < 1.5
    assert distance(reducer.known(values + np.float32(8))) > 4


def test_a_calibration_of_few_patients_is_never_certain():
    logits = np.array([-9.0, -8, -7, 7, 8, 9])
    slope, offset = calibrate(logits, logits > 0)
    assert 1 / (1 + np.exp(-(slope * 9 + offset))) == pytest.approx(0.8, abs=0.06)
    assert calibrate(-logits, logits > 0)[0] == pytest.approx(0, abs=1e-6)


def test_a_device_whose_values_lie_higher_gets_an_offset_of_its_own():
    rng = np.random.default_rng(4)
    labels = np.arange(80) % 2 == 0
    there = np.arange(80) >= 40
    logits = np.where(labels, 1.0, -1.0) + np.where(there, 3.0, 0.0) + rng.normal(0, 0.5, 80)
    found = calibrated(logits, labels, ['new' if one else 'old' for one in there])
    said = found['slope'] * logits + [offset_of(found, 'new' if one else 'old') for one in there]
    together_said = found['slope'] * logits + found['offset']
    assert ((said > 0) == labels).mean() > 0.9
    assert ((together_said > 0) == labels).mean() < 0.75
    assert found['sources']['new'] == {'offset': pytest.approx(found['sources']['new']['offset']),
                                       'stroke': 20, 'normal': 20}
    assert offset_of(found, 'never seen') == found['offset']


def test_a_device_of_few_patients_or_one_class_gets_none():
    labels = np.array([True] * 14 + [False] * 14 + [True] * 9 + [False] * 4 + [True] * 20)
    sources = ['many'] * 28 + ['few'] * 13 + ['strokes only'] * 20
    logits = np.where(labels, 1.0, -1.0)
    assert set(calibrated(logits, labels, sources)['sources']) == {'many'}


@pytest.mark.parametrize('hidden', [0, 5])
def test_heads_together_say_the_mean_of_what_each_says(hidden):
    rng = np.random.default_rng(3)
    config = ScanConfig('x', 'scan', hidden=hidden)
    heads = [build_head(4, config) for _ in range(3)]
    for head in heads:
        for layer in head.layers:
            layer.set_weights([rng.uniform(0.5, 2, one.shape) for one in layer.get_weights()])
    bag = Bag(rng.normal(size=(1, 7, 4)).astype(np.float32), True)
    said = slices_said(together(heads, config), [bag])[0]
    each = np.mean([slices_said(head, [bag])[0] for head in heads], axis=0)
    assert said == pytest.approx(each, rel=1e-4)
    assert np.ptp(said, axis=1).min() > 0.1


def test_changes_keep_a_head_a_head(prepared):
    data = load(prepared)
    picture, inside = data.slice(data.patients[0].rows[0])
    for seed in range(12):
        rng = np.random.default_rng(seed)
        seen, mask = changed(picture, inside, Changes(), draw_device(Changes(), rng), rng)
        assert seen.shape == picture.shape
        assert seen.dtype == np.uint8
        assert 0.6 < mask.sum() / inside.sum() < 1.5
    still = Changes(mirror=False, turn_deg=0, zoom=0, shift=0, level=0, width=0, gamma=0, noise=0,
                    blur=0)
    rng = np.random.default_rng(0)
    seen, mask = changed(picture, inside, still, draw_device(still, rng), rng)
    assert cv2.absdiff(seen, picture).max() <= 1
    assert np.array_equal(mask, inside)
