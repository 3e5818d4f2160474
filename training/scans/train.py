"""A prepared scan dataset and a configuration → a run folder with the trained model.

The part of `training.train` that knows heads. It sees training and validation patients, never the
test ones; what it says of itself is measured on patients held out of each fold.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from sklearn.model_selection import StratifiedKFold, train_test_split
from tqdm import tqdm

from training.common import TrainingError, log, read_json, write_json, write_whole
from training.scans import augment, network
from training.scans.config import KIND, POOLINGS, ScanConfig
from training.scans.dataset import Patient, ScanDataset, load
from training.scans.figures import patient_figures, text
from training.scans.heads import (
    Bag,
    Reducer,
    fit_head,
    fit_reducer,
    patient_logit,
    slices_said,
    together,
)
from training.scans.judge import FORMAT, distance, offset_of, open_model
from training.scans.leak import leak
from training.scans.measure import measurements

# Of the patients of a fold, for stopping early.
_STOPPING_SHARE = 0.2
# Of held-out patients, whose slices lie within the distance that is still called known.
_KNOWN_SHARE = 0.975
_LEAST_PATIENTS = 10
# Of each class of one source, before it gets an offset of its own; and how strongly that is drawn
# to the offset of all [own].
_LEAST_OF_SOURCE = 5
_TO_ALL = 1.0
_BATCH = 32
# In a slice's logit, by half precision [measured: .02].
_LARGEST_DIFFERENCE = 0.1


def train_scans(config: ScanConfig, data: Path, out: Path, *, show_leak: bool = False) -> None:
    """Train and leave `out` with run.json, model.tflite and model.json.

    Raises:
        TrainingError: too few patients, or weights are missing.
    """
    dataset = load(data)
    patients = dataset.of('train', 'validation')
    _check_enough(patients, config)
    if (out / 'run.json').is_file():
        raise TrainingError(f'{out} holds a finished run; give another folder or delete it')
    _same_as_before(config, data, dataset, out)
    trunk = network.trunk(config)
    bags = _bags(config, dataset, patients, trunk, out / 'features')
    count = trunk.output_shape[-1]
    reducer = _reducer(config, bags, count)
    reduced = [Bag(reducer(bag.values), bag.stroke) for bag in bags]
    compared = _compare(config, reduced, patients)
    best = _cross_validate(config, reduced, patients)
    content = network.to_tflite(trunk, reducer, best['head'])
    write_whole(out / 'model.tflite', content)
    write_json(out / 'model.json', _card(config, dataset, content, {
        **best, 'features_threshold': _known_distance(config, bags, count)}))
    _check_file(out, dataset, patients[0], best['head'], reduced[0])
    about: dict[str, Any] = {
        'kind': KIND, 'config': asdict(config), 'dataset': dataset.manifest,
        'patients_trained_on': len(patients), 'poolings': compared,
        'cross_validation': best['figures'], 'calibration': best['calibration']}
    if show_leak:
        about['leak'] = leak([bag.values[0] for bag in bags], [bag.stroke for bag in bags],
                             count, config)
        for way, figures in about['leak'].items():
            log.info('%-28s slice AUC %.3f, patient AUC %.3f', way.replace('_', ' '),
                     figures['slice_auc'], figures['patient_auc'])
    write_json(out / 'run.json', about)
    shutil.rmtree(out / 'features')
    (out / 'started.json').unlink()
    log.info('trained: %s', out)


def _check_enough(patients: Sequence[Patient], config: ScanConfig) -> None:
    strokes = sum(one.stroke for one in patients)
    least = max(_LEAST_PATIENTS // 2, config.folds)
    if min(strokes, len(patients) - strokes) < least:
        raise TrainingError(f'{strokes} patients with stroke and {len(patients) - strokes} without '
                            f'to train on; at least {least} of each are needed for '
                            f'{config.folds} folds')


def _same_as_before(config: ScanConfig, data: Path, dataset: ScanDataset, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    mine = {'config': _plain(config), 'data': str(data), 'manifest': dataset.manifest}
    started = out / 'started.json'
    if started.is_file():
        if read_json(started, 'train') != mine:
            raise TrainingError(f'{out} holds an unfinished run of another configuration or '
                                'dataset; give another folder or delete it')
        log.info('going on with the unfinished run in %s', out)
    elif any(out.iterdir()):
        raise TrainingError(f'{out} holds something else; give another folder')
    write_json(started, mine)


def _plain(config: ScanConfig) -> dict[str, Any]:
    values = asdict(config)
    return {name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()}


# --- Features, kept so that an interrupted run goes on ------------------------------------------

def _bags(config: ScanConfig, dataset: ScanDataset, patients: Sequence[Patient],
          trunk: keras.Model, cache: Path) -> list[Bag]:
    cache.mkdir(exist_ok=True)
    bags = []
    for number, patient in enumerate(tqdm(patients, desc='features', unit='patient')):
        file = cache / f'{number:05d}.npy'
        if not file.is_file():
            values = _features(config, dataset, patient, trunk, seed=config.seed + number)
            temporary = cache / 'unfinished.npy'
            np.save(temporary, values)
            temporary.replace(file)
        bags.append(Bag(np.load(file), patient.stroke))
    return bags


def _features(config: ScanConfig, dataset: ScanDataset, patient: Patient, trunk: keras.Model, *,
              seed: int) -> NDArray[np.float32]:
    """float32 (1 + copies, slices, features + measurements); the first copy is unchanged."""
    rng = np.random.default_rng(seed)
    slices = [dataset.slice(row) for row in patient.rows]
    copies = []
    for copy in range(1 + config.copies):
        device = augment.draw_device(config.changes, rng)
        seen = slices if copy == 0 else [
            augment.changed(*one, config.changes, device, rng) for one in slices]
        maps = [network.features(trunk, np.stack([picture for picture, _ in seen[i:i + _BATCH]]))
                for i in range(0, len(seen), _BATCH)]
        values = np.concatenate(maps)
        if config.measurements:
            values = np.concatenate([values, np.stack([measurements(*one) for one in seen])],
                                    axis=1)
        copies.append(values)
    return np.stack(copies)


# --- Folds of patients --------------------------------------------------------------------------

def _compare(config: ScanConfig, reduced: Sequence[Bag], patients: Sequence[Patient]
             ) -> dict[str, Any]:
    """Every pooling on the same folds, drawn once."""
    compared = {}
    for pooling in POOLINGS:
        found = _cross_validate(replace(config, pooling=pooling, repeats=1), reduced, patients)
        compared[pooling] = {key: found['figures'][key] for key in ('auc', 'accuracy')}
        log.info('%-10s %s', pooling, text(found['figures']))
    return compared


def _cross_validate(config: ScanConfig, reduced: Sequence[Bag], patients: Sequence[Patient]
                    ) -> dict[str, Any]:
    """Heads of all folds, and what each patient was told by those that had not seen him.

    They answer together, as each saw other patients; a patient held out hears only a fold's share
    of them, so the figures are of a somewhat weaker model. The reducer saw all patients' slices,
    but no label.
    """
    labels = np.array([bag.stroke for bag in reduced])
    heads: list[keras.Model] = []
    said: list[list[NDArray[np.float64]]] = [[] for _ in reduced]
    for repeat in range(config.repeats):
        folds = StratifiedKFold(config.folds, shuffle=True, random_state=config.seed + repeat)
        for mine, held in folds.split(labels, labels):
            fitting, stopping = train_test_split(
                mine, test_size=_STOPPING_SHARE, stratify=labels[mine], random_state=config.seed)
            heads.append(fit_head([reduced[i] for i in fitting], [reduced[i] for i in stopping],
                                  config, seed=config.seed + len(heads)))
            for i, told in zip(held, slices_said(heads[-1], [reduced[i] for i in held]),
                               strict=True):
                said[i].append(told)
    logits = np.array([patient_logit(np.mean(told, axis=0), config) for told in said])
    calibration = calibrated(logits, labels, [one.source for one in patients])
    offsets = np.array([offset_of(calibration, one.source) for one in patients])
    return {
        'head': together(heads, config),
        'calibration': {**calibration, 'on': 'patients held out of each fold'},
        'figures': patient_figures([one.name for one in patients], labels,
                                   1 / (1 + np.exp(-(calibration['slope'] * logits + offsets))))}


def _known_distance(config: ScanConfig, bags: Sequence[Bag], count: int) -> float:
    """How far held-out patients lie from a reducer that has not seen them."""
    labels = [bag.stroke for bag in bags]
    distances = []
    folds = StratifiedKFold(config.folds, shuffle=True, random_state=config.seed)
    for mine, held in folds.split(labels, labels):
        reducer = _reducer(config, [bags[i] for i in mine], count)
        distances += [distance(reducer.known(bags[i].values[0])) for i in held]
    return float(np.quantile(distances, _KNOWN_SHARE))


def _reducer(config: ScanConfig, bags: Sequence[Bag], count: int) -> Reducer:
    values = np.concatenate([bag.values.reshape(-1, bag.values.shape[-1]) for bag in bags])
    return fit_reducer(values, count, config.components)


def calibrated(logits: NDArray[np.float64], labels: NDArray[np.bool_], sources: Sequence[str]
               ) -> dict[str, Any]:
    """The calibration of a model's card.

    Args:
        logits, labels, sources: one each per patient, held out.

    Returns:
        slope and offset, of all; sources: for each with enough patients of both classes its own
        offset, drawn to that of all, and how many they are.
    """
    slope, offset = calibrate(logits, labels)
    wanted = _wanted(labels)
    found = {}
    for source in sorted(set(sources)):
        mine = np.array([one == source for one in sources])
        counts = Counter(labels[mine].tolist())
        if min(counts[True], counts[False]) < _LEAST_OF_SOURCE:
            continue
        z, aim = slope * logits[mine] + offset, wanted[mine]

        def loss(shift: float, z: Any = z, aim: Any = aim) -> float:
            return float((np.logaddexp(0, z + shift) - aim * (z + shift)).sum()
                         + _TO_ALL * shift ** 2 / 2)

        found[source] = {'offset': offset + float(minimize_scalar(loss).x),
                         'stroke': counts[True], 'normal': counts[False]}
    return {'slope': slope, 'offset': offset, 'sources': found}


def calibrate(logits: NDArray[np.float64], labels: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset of held-out logits (Platt 1999); the slope is not negative."""
    wanted = _wanted(labels)

    def loss(found: NDArray[np.float64]) -> float:
        z = found[0] * logits + found[1]
        return float((np.logaddexp(0, z) - wanted * z).mean())

    slope, offset = minimize(loss, [1.0, 0.0], bounds=[(0.0, None), (None, None)]).x
    return float(slope), float(offset)


def _wanted(labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Platt's targets: few patients told apart do not mean certainty."""
    positive, negative = int(labels.sum()), int((~labels).sum())
    return np.where(labels, (positive + 1) / (positive + 2), 1 / (negative + 2))


def _check_file(out: Path, dataset: ScanDataset, patient: Patient, head: keras.Model,
                reduced: Bag) -> None:
    """The file says what the network in memory says."""
    model = open_model(out)
    said = np.array([model.look(*dataset.slice(row)).logit for row in patient.rows[:8]])
    meant = slices_said(head, [reduced])[0][0, :8]
    apart = float(np.abs(said - meant).max())
    if apart > _LARGEST_DIFFERENCE:
        raise TrainingError(f'the file strays from the network by {apart:.2f} in the logit; give '
                            'another seed, or more patients')


def _card(config: ScanConfig, dataset: ScanDataset, content: bytes, best: dict[str, Any]
          ) -> dict[str, Any]:
    return {
        'format': FORMAT, 'name': config.name, 'sha256': hashlib.sha256(content).hexdigest(),
        'labels': ['normal', 'stroke'], 'preprocessing': dataset.manifest['preprocessing'],
        'windows': dataset.manifest['windows'], 'window_trained_on': dataset.manifest['window'],
        'measurements': config.measurements, 'pooling': config.pooling,
        'top_share': config.top_share, 'calibration': best['calibration'],
        'threshold': config.threshold, 'features_threshold': best['features_threshold'],
        'cross_validation': best['figures']}
