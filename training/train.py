"""train: a prepared dataset and a configuration → a run folder with the trained, quantised model.

Runs in the training environment. It sees the training and validation pictures, never the test
ones, and goes on where it was when it is started again after a kill.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stroke_side_monitor.perception import crop
from stroke_side_monitor.perception.side_classifier import CARD_FORMAT, LABELS, SideClassifier
from training import antisymmetric, landmark_models, models, quantise
from training.common import TrainingError, log, read_json, run_command, write_json, write_whole
from training.config import Config, Phase, read_config, read_fields
from training.dataset import Dataset, answerable, load
from training.scans.config import KIND as SCAN
from training.scans.config import read_scan_config
from training.scans.train import train_scans
from training.tasks import TASKS, Row

# Below this many validation people the calibration is called rough [own].
_ENOUGH_PEOPLE = 20


def train(config: Config, data: Path, out: Path) -> None:
    """Train and leave `out` with run.json, the float model, model.tflite and history.json.

    Raises:
        TrainingError: the dataset cannot answer the task, or weights are missing.
    """
    dataset = load(data)
    _check_crop_version(dataset)
    if (out / 'run.json').is_file():
        raise TrainingError(f'{out} holds a finished run; give another folder or delete it')
    out.mkdir(parents=True, exist_ok=True)
    _same_as_before(config, data, out)
    keras.utils.set_random_seed(config.seed)
    fit = {'gradient': _gradient, 'antisymmetric': _antisymmetric, 'landmarks': _landmarks}
    result = fit[config.kind](config, dataset, out)
    write_json(out / 'run.json', {
        'config': asdict(config), 'dataset': dataset.manifest,
        'classes': TASKS[config.task].classes, **result})
    for leftover in ('features', 'backup'):
        shutil.rmtree(out / leftover, ignore_errors=True)
    (out / 'started.json').unlink()
    log.info('trained: %s', out)


def _check_crop_version(dataset: Dataset) -> None:
    found = dataset.manifest['crop_version']
    if found != crop.VERSION:
        raise TrainingError(f'{dataset.folder} was cropped by {found}, the robot crops by '
                            f'{crop.VERSION}; run prepare again')


def _same_as_before(config: Config, data: Path, out: Path) -> None:
    started = out / 'started.json'
    described = {**asdict(config), 'phases': [asdict(phase) for phase in config.phases]}
    mine = {'config': described, 'data': str(data),
            'manifest': (data / 'manifest.json').read_text()}
    if started.is_file():
        if read_json(started, 'train') != mine:
            raise TrainingError(f'{out} holds an unfinished run of another configuration or '
                                'dataset; give another folder or delete it')
        log.info('going on with the unfinished run in %s', out)
    elif any(out.iterdir()):
        raise TrainingError(f'{out} holds something else than a run; give another folder')
    write_json(started, mine)


# --- Gradient descent --------------------------------------------------------------------------

def _gradient(config: Config, dataset: Dataset, out: Path) -> dict[str, Any]:
    if config.model not in models.BUILDERS:
        raise TrainingError(f'no model {config.model}; known: {", ".join(models.BUILDERS)}')
    task = TASKS[config.task]
    rows, labels = answerable(dataset.split('train'), task)
    held_rows, held_labels = answerable(dataset.split('validation'), task)
    swap = [task.classes.index(task.mirrored.get(name, name)) for name in task.classes]
    training = _stream(dataset, rows, labels, config, swap)
    validation = _batches(dataset, held_rows, held_labels, config.batch_size)
    model = models.BUILDERS[config.model](config.weights)
    history: dict[str, list[float]] = {}
    for number, phase in enumerate(config.phases):
        _descend(model, phase, training, validation, out / 'backup' / str(number), history,
                 binary=len(task.classes) == 2)
    model.save(out / 'model.keras')
    write_json(out / 'history.json', history)
    few = rows[::max(1, len(rows) // 120)]
    write_whole(out / 'model.tflite', quantise.to_int8(
        model, lambda: (dataset.crop(row)[None].astype(np.float32) for row in few), 1))
    write_whole(out / 'model_float.tflite', quantise.to_float(model, 1))
    return {'kind': 'probabilities', 'pictures_trained_on': len(rows)}


def _descend(model: keras.Model, phase: Phase, training: Any, validation: Any, backup: Path,
             history: dict[str, list[float]], *, binary: bool) -> None:
    if phase.unfreeze:
        models.unfreeze_last(model, phase.unfreeze)
    optimizers = {'adam': keras.optimizers.Adam, 'sgd': keras.optimizers.SGD}
    model.compile(
        optimizer=optimizers[phase.optimizer](phase.learning_rate),
        loss='binary_crossentropy' if binary else 'sparse_categorical_crossentropy',
        metrics=['accuracy'])
    backup.mkdir(parents=True, exist_ok=True)
    callbacks: list[Any] = [keras.callbacks.BackupAndRestore(str(backup),
                                                             delete_checkpoint=False)]
    if phase.patience:
        callbacks.append(keras.callbacks.EarlyStopping(
            phase.monitor, patience=phase.patience, restore_best_weights=True))
    seen = model.fit(training, validation_data=validation, epochs=phase.epochs,
                     callbacks=callbacks, verbose=1)
    for name, values in seen.history.items():
        history.setdefault(name, []).extend(float(value) for value in values)


def _stream(dataset: Dataset, rows: Sequence[Row], labels: NDArray[np.int64], config: Config,
            swap: list[int]) -> Any:
    shuffles = np.random.default_rng(config.seed)  # another order every epoch
    batches = tf.data.Dataset.from_generator(
        lambda: _pairs(dataset, rows, labels, shuffles),
        output_signature=(tf.TensorSpec((224, 224, 3), tf.float32), tf.TensorSpec((), tf.int64)))
    batches = batches.apply(tf.data.experimental.assert_cardinality(len(rows)))
    swapped = tf.constant(swap, tf.int64)
    change = _changes(config)

    def augmented(picture: Any, label: Any) -> Any:
        if config.flip:
            flipped = tf.random.uniform(()) < 0.5
            picture = tf.cond(flipped, lambda: tf.image.flip_left_right(picture), lambda: picture)
            # The mirrored patient is weak on the other side.
            label = tf.where(flipped, tf.gather(swapped, label), label)
        return change(picture[None], training=True)[0] if change else picture, label

    return batches.map(augmented).batch(config.batch_size).prefetch(2)


def _changes(config: Config) -> keras.Sequential | None:
    steps: list[Any] = []
    if config.rotation_deg:
        steps.append(keras.layers.RandomRotation(config.rotation_deg / 360, 'nearest',
                                                 seed=config.seed))
    if config.zoom:
        steps.append(keras.layers.RandomZoom(config.zoom, fill_mode='nearest', seed=config.seed))
    if config.shear_deg:
        share = float(np.tan(np.radians(config.shear_deg)))
        steps.append(keras.layers.RandomShear(share, share, fill_mode='nearest',
                                              seed=config.seed))
    return keras.Sequential(steps) if steps else None


def _pairs(dataset: Dataset, rows: Sequence[Row], labels: NDArray[np.int64],
           shuffles: np.random.Generator) -> Iterator[tuple[NDArray[np.float32], int]]:
    for index in shuffles.permutation(len(rows)):
        yield dataset.crop(rows[index]).astype(np.float32), int(labels[index])


def _batches(dataset: Dataset, rows: Sequence[Row], labels: NDArray[np.int64], size: int) -> Any:
    held = tf.data.Dataset.from_generator(
        lambda: ((dataset.crop(row).astype(np.float32), int(label))
                 for row, label in zip(rows, labels, strict=True)),
        output_signature=(tf.TensorSpec((224, 224, 3), tf.float32), tf.TensorSpec((), tf.int64)))
    return held.apply(tf.data.experimental.assert_cardinality(len(rows))).batch(size)


# --- The mirror-antisymmetric family -----------------------------------------------------------

def _antisymmetric(config: Config, dataset: Dataset, out: Path) -> dict[str, Any]:
    task = TASKS['side3']
    rows, _ = answerable(dataset.split('train'), task)
    trunk = models.block_trunk(config.layer, config.size, config.weights)
    examples = antisymmetric.representative(dataset, rows, config.size)
    quantised = out / 'features' / 'trunk.tflite'
    if not quantised.is_file():
        quantised.parent.mkdir(exist_ok=True)
        write_whole(quantised, quantise.to_int8(trunk, lambda: iter(examples), 2))
    features = antisymmetric.Features(quantised.read_bytes(), config.grid)
    differences = features.of(dataset, rows, out / 'features' / 'train')
    pooled = antisymmetric.fit_ridge(
        differences, antisymmetric.targets(rows, config.ridge_target), config.ridge)
    weights = antisymmetric.spread_over_map(pooled, config.grid, trunk.output_shape[1])
    antisymmetric.save_head(out / 'head.npy', weights)
    trunk.save(out / 'model.keras')
    content = quantise.antisymmetric_int8(trunk, weights, lambda: iter(examples))
    held = dataset.split('validation')
    calibration = antisymmetric.calibrate(_raw_scores(content, config, dataset, held, out),
                                          [row['label'] for row in held])
    people = len({row['group'] for row in held})
    if people < _ENOUGH_PEOPLE:
        log.warning('dead band and probabilities rest on %d pictures of %d people only; rough '
                    'below %d people', len(held), people, _ENOUGH_PEOPLE)
    write_whole(out / 'model.tflite', content)
    write_json(out / 'model.json', card_core(config, content, calibration))
    return {'kind': 'antisymmetric', 'calibration': calibration, 'pictures_trained_on': len(rows)}


def card_core(config: Config, content: bytes, calibration: dict[str, Any]) -> dict[str, Any]:
    """The part of the card that the robot checks."""
    return {
        'format': CARD_FORMAT, 'name': config.name, 'sha256': _sha256(content),
        'labels': list(LABELS), 'label_frame': 'patient',
        'input': {'size': [config.size, config.size], 'channels': 'RGB', 'scaling': 'uint8',
                  'views': ['crop', 'mirrored crop'], 'resize': 'area'},
        'output': f'int8 (2, {quantise.STAGGERED_OUTPUTS}): one linear score per view, repeated '
                  'with staggered rounding; score = mean of view 0 - mean of view 1',
        'crop_version': crop.VERSION, 'calibration': calibration}


def _raw_scores(content: bytes, config: Config, dataset: Dataset, rows: Sequence[Row], out: Path
                ) -> NDArray[np.float64]:
    """Scores of the very file, by the very class the robot uses, before any calibration."""
    path = out / 'uncalibrated.tflite'
    write_whole(path, content)
    write_json(path.with_suffix('.json'), card_core(
        config, content, {'dead_band': 1.0, 'slope': 1.0, 'none_band': 1.0}))
    classifier = SideClassifier(path)
    scores = np.array([classifier.score(one).score for one in dataset.crops(rows)])
    path.unlink()
    path.with_suffix('.json').unlink()
    return scores


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- Light classifiers on the landmark metrics -------------------------------------------------

def _landmarks(config: Config, dataset: Dataset, out: Path) -> dict[str, Any]:
    task = TASKS[config.task]
    rows, labels = answerable(dataset.split('train'), task)
    table, names = dataset.metrics()
    values = np.stack([table[row['file']] for row in rows])
    model = landmark_models.fit(config.model, values, labels, config.seed)
    temporary = out / '.model.joblib'
    joblib.dump(model, temporary)
    temporary.replace(out / 'model.joblib')
    landmark_models.plot_shap(model, values, names, out / 'shap.png', config.seed)
    return {'kind': 'landmarks', 'metrics': list(names), 'pictures_trained_on': len(rows)}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.train', description=__doc__)
    parser.add_argument('config', type=Path, help='one of training/configs/*.yaml, or your own')
    parser.add_argument('data', type=Path, help='folder made by prepare')
    parser.add_argument('--out', type=Path, required=True, help='run folder')
    parser.add_argument('--weights', help="path of a Keras weights file, instead of the file's")
    parser.add_argument('--seed', type=int, help="instead of the file's")
    parser.add_argument('--epochs', type=int, help='at most, per phase')
    parser.add_argument('--name', help="of the model, instead of the file's; the robot's "
                        'diagnostics say it')
    parser.add_argument('--show-leak', action='store_true', help='scans: also what a split slice '
                        'by slice would have claimed')
    return run_command(lambda: _train_what_it_is(parser.parse_args()))


def _train_what_it_is(given: argparse.Namespace) -> None:
    instead = {'weights': given.weights, 'seed': given.seed, 'epochs': given.epochs,
               'name': given.name}
    if read_fields(given.config).get('kind') == SCAN:
        train_scans(read_scan_config(given.config, **instead), given.data, given.out,
                    show_leak=given.show_leak)
    elif given.show_leak:
        raise TrainingError('--show-leak is for configurations of kind scan')
    else:
        train(read_config(given.config, **instead), given.data, given.out)


if __name__ == '__main__':
    raise SystemExit(main())
