"""The trainer: published networks to the weight, exact mirrors, files measured as saved."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from stroke_side_monitor.perception import crop as cropping
from stroke_side_monitor.perception.side_classifier import SideClassifier
from stroke_side_monitor.perception.tflite import ModelError
from training import antisymmetric, common, config, evaluate, export, models, predictors
from training import dataset as datasets
from training.common import TrainingError
from training.intervals import with_interval
from training.tasks import TASKS
from training.train import train

CONFIGS = config.Path(__file__).resolve().parents[1] / 'configs'


@pytest.fixture(scope='module')
def run(dataset, weights, tmp_path_factory):
    """Our family, trained, evaluated and exported on the tiny dataset."""
    folder = tmp_path_factory.mktemp('run') / 'antisymmetric'
    train(config.read_config(CONFIGS / 'antisymmetric.yaml', weights=weights), dataset, folder)
    evaluate.evaluate([folder], dataset, folder.parent / 'report')
    return folder


def test_reference_a_has_exactly_its_published_weights(weights):
    mobilenet = models.notebook_mobilenet(weights)
    assert mobilenet.count_params() == 2_340_033
    assert sum(int(np.prod(w.shape)) for w in mobilenet.trainable_weights) == 82_049
    assert models.notebook_cnn(None).count_params() == 5_631_169


def test_a_changed_layer_is_noticed(weights, monkeypatch):
    monkeypatch.setitem(models.NOTEBOOK_COUNTS, 'notebook_mobilenet', (2_340_034, 82_049))
    with pytest.raises(TrainingError, match='published are'):
        models.notebook_mobilenet(weights)


def test_fine_tuning_leaves_batch_norm_alone(weights):
    model = models.notebook_mobilenet(weights)
    models.unfreeze_last(model, 40)
    names = [w.path for w in model.trainable_weights]
    assert any('block_16' in name for name in names)
    assert not [name for name in names if '_bn' in name.lower() or '_BN' in name]


def test_every_network_builds(weights):
    for name, build in models.BUILDERS.items():
        if name == 'severity_vggface':
            for given in ('imagenet', None, '/nowhere'):
                with pytest.raises(TrainingError, match='VGG-Face cannot be downloaded'):
                    build(given)
        else:
            outputs = build(weights if 'mobilenet' in name else None).output_shape[-1]
            assert outputs == (6 if 'severity' in name or 'six' in name else 1)


def test_a_failed_download_is_one_clear_line(tmp_path):
    unreachable = {**os.environ, 'KERAS_HOME': str(tmp_path), 'https_proxy': 'http://127.0.0.1:9'}
    ended = subprocess.run(
        [sys.executable, '-c', 'from training import models\n'
         'from training.common import run_command\n'
         'raise SystemExit(run_command(lambda: models.severity_resnet50("imagenet")))'],
        env=unreachable, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith('error: weights of ResNet50 cannot be had')
    assert 'Traceback' not in ended.stderr


def test_missing_weights_are_named():
    with pytest.raises(TrainingError, match='/nowhere is not there'):
        models.notebook_mobilenet('/nowhere')


def test_every_configuration_reads():
    files = sorted(CONFIGS.glob('*.yaml'))
    assert len(files) > 10
    for file in files:
        if file.stem != 'provenance':
            found = config.read_config(file)
            assert found.kind != 'gradient' or found.model in models.BUILDERS


@pytest.mark.parametrize(('text', 'named'), [
    ('kind: gradient\nmodel: x\ntask: sid\n', "task is 'sid'"),
    ('kind: gradient\nmodel: x\ntask: side2\nepoch: 3\n', 'unknown field epoch'),
    ('kind: gradient\ntask: side2\n', 'model'),
    ('kind: gradient\nmodel: x\ntask: side2\nseed: many\n', 'seed must be int'),
    ('- 1\n', 'must hold fields'), ('a: [', 'not YAML')])
def test_a_bad_configuration_is_refused_by_name(tmp_path, text, named):
    (tmp_path / 'c.yaml').write_text(text)
    with pytest.raises(TrainingError, match=named):
        config.read_config(tmp_path / 'c.yaml')


def test_the_robot_loads_the_trained_file_and_its_mirror_is_exact(run, dataset):
    opened = datasets.load(dataset)
    rows = opened.split('test')[:20]
    said = predictors.answers(predictors.open_run(run), opened, rows)
    assert said.scores is not None
    assert said.mirrored_scores is not None
    assert (said.mirrored_scores == -said.scores).all()
    assert np.abs(said.scores).max() > 0
    figures = json.loads((run / 'evaluation.json').read_text())
    assert figures['mirror'] == {'agreement': 1.0, 'exactly_negated': True,
                                 'largest_probability_difference': 0.0}


def test_the_saved_file_knows_more_than_chance_about_unknown_people(run):
    side = json.loads((run / 'evaluation.json').read_text())['side']['spline']
    assert side['side_accuracy_severity_0.5_up']['value'] > 0.75


def test_staggered_outputs_are_finer_than_one(run, dataset):
    opened = datasets.load(dataset)
    classifier = SideClassifier(run / 'model.tflite')
    steps = set()
    for crop in opened.crops(opened.split('test')[:20]):
        classifier.score(crop)
        seen = classifier._interpreter.get_tensor(classifier._output)
        assert np.ptp(seen, axis=1).max() <= 1  # the same number, rounded at other offsets
        steps |= set((seen.sum(axis=1) % seen.shape[1]).tolist())
    assert len(steps) >= 6


def test_export_gives_a_card_that_the_robot_accepts(run, dataset, tmp_path):
    export.export(run, dataset, tmp_path, CONFIGS / 'provenance.yaml')
    assert SideClassifier(tmp_path / 'side_classifier.tflite').name
    card = json.loads((tmp_path / 'side_classifier.json').read_text())
    assert card['parity_float_int8']['correlation'] >= export.LEAST_CORRELATION
    assert 'CC BY 4.0' in json.dumps(card['provenance'])
    assert card['figures']['side']['spline']['side_accuracy']['people'] > 0


def test_export_fails_when_int8_strays_from_float(run, dataset, tmp_path):
    other = tmp_path / 'strayed'
    shutil.copytree(run, other)
    head = np.load(other / 'head.npy')
    np.save(other / 'head.npy', head[::-1].copy())  # another float model than the saved file
    with pytest.raises(TrainingError, match='strays from float'):
        export.export(other, dataset, tmp_path / 'models', None)
    assert not (tmp_path / 'models').exists()


@pytest.mark.parametrize(('change', 'fails'), [
    ({}, False), ({'right_int8': 39}, False), ({'right_int8': 38}, True),
    ({'right_float': 440, 'right_int8': 431, 'pictures_with_a_side': 455}, False),
    ({'right_float': 440, 'right_int8': 430, 'pictures_with_a_side': 455}, True),
    ({'correlation': 0.96}, True), ({'sign_agreement': 0.97}, True),
    ({'correlation': float('nan')}, True)])
def test_the_parity_limit_is_where_it_is_said_to_be(change, fails):
    found = {'correlation': 0.99, 'sign_agreement': 1.0, 'right_float': 40, 'right_int8': 40,
             'pictures_with_a_side': 42, **change}
    if fails:
        with pytest.raises(TrainingError, match='strays from float'):
            export.check_parity(found)
    else:
        export.check_parity(found)


def test_an_altered_file_is_not_evaluated(run, dataset, tmp_path):
    other = tmp_path / 'altered'
    shutil.copytree(run, other)
    content = bytearray((other / 'model.tflite').read_bytes())
    content[-20] ^= 1
    (other / 'model.tflite').write_bytes(content)
    with pytest.raises(TrainingError, match='sha256'):
        evaluate.evaluate([other], dataset, tmp_path / 'report')
    assert not (tmp_path / 'report').exists()
    with pytest.raises(ModelError):
        SideClassifier(other / 'model.tflite')


@pytest.mark.parametrize('bad', ['no dataset', 'one class', 'gone crop', 'other crop'])
def test_training_on_a_useless_dataset_stops_in_one_line(dataset, weights, tmp_path, bad):
    data = tmp_path / 'data'
    if bad != 'no dataset':
        shutil.copytree(dataset, data)
    table = data / 'dataset.csv'
    if bad == 'one class':
        header, *rows = table.read_text().splitlines()
        table.write_text('\n'.join([header, *(r for r in rows if ',left,' in r), '']))
    elif bad == 'gone crop':
        next((data / 'train/left').iterdir()).unlink()
    elif bad == 'other crop':
        manifest = json.loads((data / 'manifest.json').read_text())
        (data / 'manifest.json').write_text(json.dumps({**manifest, 'crop_version': 'older'}))
    said = {'no dataset': 'run prepare first', 'one class': 'needs 2 classes or more',
            'gone crop': 'is gone or damaged', 'other crop': 'cropped by older'}[bad]
    with pytest.raises(TrainingError, match=said) as stopped:
        train(config.read_config(CONFIGS / 'antisymmetric.yaml', weights=weights), data,
              tmp_path / 'run')
    assert '\n' not in str(stopped.value)
    assert not (tmp_path / 'run/run.json').exists()


def test_steps_taken_out_of_order_name_the_one_before(run, dataset, tmp_path):
    with pytest.raises(TrainingError, match='run train first'):
        evaluate.evaluate([tmp_path / 'nothing'], dataset, tmp_path / 'report')
    fresh = tmp_path / 'fresh'
    shutil.copytree(run, fresh)
    (fresh / 'evaluation.json').unlink()
    with pytest.raises(TrainingError, match='run evaluate first'):
        export.export(fresh, dataset, tmp_path / 'models', None)


def test_the_report_is_one_file_without_links(run):
    page = (run.parent / 'report/report.html').read_text()
    assert 'data:image/png;base64,' in page
    assert 'http' not in page.replace('http-equiv', '')
    assert 'simulated' in page


def test_a_killed_training_goes_on_where_it_was(dataset, weights, tmp_path, monkeypatch):
    asked = config.read_config(CONFIGS / 'antisymmetric.yaml', weights=weights)
    seen = []
    difference = antisymmetric.Features.difference
    monkeypatch.setattr(antisymmetric, '_CHUNK', 16)

    def killed(self, crop):
        seen.append(1)
        if len(seen) == 40:
            raise KeyboardInterrupt
        return difference(self, crop)

    monkeypatch.setattr(antisymmetric.Features, 'difference', killed)
    with pytest.raises(KeyboardInterrupt):
        train(asked, dataset, tmp_path / 'run')
    assert not (tmp_path / 'run/run.json').exists()
    with pytest.raises(TrainingError, match='another configuration'):
        train(config.replace(asked, seed=99), dataset, tmp_path / 'run')
    before = len(seen)
    train(asked, dataset, tmp_path / 'run')
    total = len(datasets.load(dataset).split('train'))
    assert len(seen) - before == total - 32


def test_the_pooled_weights_spread_over_the_map_give_the_same_score():
    rng = np.random.default_rng(1)
    maps = rng.normal(size=(2, 24, 24, 5)).astype(np.float32)
    weights = rng.normal(size=8 * 8 * 5).astype(np.float32)
    pooled = antisymmetric._pool(maps, 8) @ weights
    full = (maps * antisymmetric.spread_over_map(weights, 8, 24)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(pooled, full, rtol=1e-4)


def test_calibration_without_healthy_pictures_says_so():
    raw = np.linspace(-2, 2, 41)
    found = antisymmetric.calibrate(raw, ['left' if v > 0 else 'right' for v in raw])
    assert 'no healthy pictures' in found['basis']
    assert found['none_band'] < 0.5


@pytest.mark.parametrize('count', [5, 50])
def test_few_pictures_all_told_apart_are_no_certainty(count):
    raw = np.concatenate([np.linspace(2, 3, count), np.linspace(-0.5, 0.5, count)])
    found = antisymmetric.calibrate(raw, ['left'] * count + ['none'] * count)
    left = 1 / (1 + np.exp(-found['slope'] * (raw[:count] / found['dead_band']
                                              - found['none_band'])))
    assert left.mean() == pytest.approx((count + 1) / (count + 2), abs=0.03)


def test_flip_swaps_sides_and_leaves_grades():
    assert TASKS['side2'].mirrored == {'left': 'right', 'right': 'left'}
    assert TASKS['grade6'].mirrored == {}


def test_intervals_resample_people_not_pictures():
    right = np.array([1.0] * 50 + [0.0] * 50)
    by_picture = with_interval([str(i) for i in range(100)], lambda i: float(right[i].mean()))
    by_person = with_interval(['a'] * 25 + ['b'] * 25 + ['c'] * 25 + ['d'] * 25,
                              lambda i: float(right[i].mean()))
    alone = with_interval(['a'] * 100, lambda i: float(right[i].mean()))
    assert by_picture['interval_95'][0] > 0.35
    assert by_person['interval_95'] == [0.0, 1.0]
    assert alone['interval_95'] is None


@pytest.mark.parametrize('name', ['notebook_mobilenet', 'landmarks_logistic'])
def test_reference_models_train_and_are_evaluated(dataset, weights, tmp_path, name):
    given = None if name.startswith('landmarks') else weights
    train(config.read_config(CONFIGS / f'{name}.yaml', weights=given, epochs=1), dataset,
          tmp_path / name)
    found = evaluate.evaluate([tmp_path / name], dataset, tmp_path / 'report')
    assert found[name]['accuracy']['pictures'] > 0
    if name.startswith('landmarks'):
        assert (tmp_path / name / 'shap.png').stat().st_size > 5000
        with pytest.raises(TrainingError, match='nothing to export'):
            export.export(tmp_path / name, dataset, tmp_path / 'models', None)


def test_a_class_that_nobody_showed_the_model_is_never_its_answer(tmp_path):
    """Metrics drawn by hand: training pictures of left and right, test pictures of all three."""
    rng = np.random.default_rng(4)
    rows = [{'file': f'{split}{number}.png', 'split': split, 'label': label, 'group': f'{number}',
             'source': 'drawn'}
            for split, labels in (('train', ('left', 'right')), ('test', TASKS['side3'].classes))
            for number, label in enumerate(labels * 20)]
    lean = {'left': 1.0, 'none': 0.0, 'right': -1.0}
    common.write_table(tmp_path / 'dataset.csv', (*rows[0], 'severity', 'age', 'gender',
                                                  'ethnicity'), rows)
    common.write_table(tmp_path / 'metrics.csv', ('file', 'a', 'b'), [
        {'file': row['file'], 'a': lean[row['label']] + 0.3 * rng.normal(), 'b': rng.normal()}
        for row in rows])
    common.write_json(tmp_path / 'manifest.json', {
        'format': 'stroke-side-dataset-1', 'crop_version': cropping.VERSION, 'rejected': {},
        'pictures': {}, 'people': {}, 'sources': {}, 'near_duplicate_pairs': 0})
    train(config.read_config(CONFIGS / 'landmarks_logistic.yaml'), tmp_path, tmp_path / 'run')
    figures = evaluate.evaluate([tmp_path / 'run'], tmp_path, tmp_path / 'report')[
        'landmarks_logistic']
    assert [sum(said) for said in zip(*figures['confusion'], strict=True)][1] == 0
    assert figures['confusion'][0][0] + figures['confusion'][2][2] > 35
