"""A scan configuration: one YAML file of kind `scan`, every field checked. It only reads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from training.common import TrainingError
from training.config import build, read_fields
from training.scans.augment import Changes

KIND = 'scan'
BACKBONES = ('MobileNetV2', 'ResNet50')
POOLINGS = ('mean', 'top', 'attention')
OPTIMIZERS = ('adam', 'rmsprop')


@dataclass(frozen=True)
class ScanConfig:
    """What to train.

    backbones: of keras.applications, frozen; their features are concatenated. weights: for each
        'imagenet', a path, or null. measurements: whether those of `scans.measure` stand beside
        them. components: principal components kept of the features.
    hidden: units of the dense layer (0: none); dropout; l2: of its weights.
    pooling: how slices make a patient; all are compared. top_share: of the slices, for 'top'.
    copies: changed copies of each training slice, by `changes`. folds: of patients. repeats: of
        the folds, differently drawn; the heads of all of them answer together.
    epochs at most; patience: epochs without improvement on held-out patients.
    threshold: of the confidence; an answer below it is flagged for review.
    """

    name: str
    kind: str
    backbones: tuple[str, ...] = ('MobileNetV2',)
    weights: tuple[str | None, ...] = ('imagenet',)
    measurements: bool = True
    components: int = 24
    hidden: int = 16
    dropout: float = 0.5
    l2: float = 0.05
    pooling: str = 'top'
    top_share: float = 0.25
    copies: int = 1
    changes: Changes = field(default_factory=Changes)
    optimizer: str = 'adam'
    learning_rate: float = 0.01
    batch_size: int = 16
    epochs: int = 120
    patience: int = 15
    folds: int = 5
    repeats: int = 3
    threshold: float = 0.7
    seed: int = 7


def read_scan_config(path: Path, *, weights: str | None = None, seed: int | None = None,
                     epochs: int | None = None, name: str | None = None) -> ScanConfig:
    """Read a YAML configuration of kind `scan`.

    Args:
        weights: paths, by commas, one per backbone. seed, epochs, name: instead of the file's.

    Raises:
        TrainingError: missing, not YAML, a field unknown, of the wrong type or out of its range.
    """
    content = read_fields(path)
    content['changes'] = build(Changes, content.get('changes', {}), path)
    for listed in ('backbones', 'weights'):
        if listed in content:
            value = content[listed]
            content[listed] = tuple(value) if isinstance(value, list) else (value,)
    config: ScanConfig = build(ScanConfig, content, path)
    given: dict[str, Any] = {'seed': seed, 'epochs': epochs, 'name': name,
                             'weights': tuple(weights.split(',')) if weights else None}
    config = replace(config, **{key: value for key, value in given.items() if value is not None})
    _check(config, path)
    return config


def _check(config: ScanConfig, path: Path) -> None:
    for name, value, allowed in (
            ('pooling', config.pooling, POOLINGS), ('optimizer', config.optimizer, OPTIMIZERS),
            *(('backbones', one, BACKBONES) for one in config.backbones)):
        if value not in allowed:
            raise TrainingError(f'{path}: {name} is {value!r}; one of {", ".join(allowed)}')
    if len(config.weights) != len(config.backbones):
        raise TrainingError(f'{path}: {len(config.weights)} weights for '
                            f'{len(config.backbones)} backbones; give one for each '
                            '(--weights A,B)')
    for name, number, least in (
            ('folds', config.folds, 2), ('repeats', config.repeats, 1),
            ('components', config.components, 1),
            ('epochs', config.epochs, 1), ('copies', config.copies, 0),
            ('batch_size', config.batch_size, 1), ('hidden', config.hidden, 0)):
        if number < least:
            raise TrainingError(f'{path}: {name} is {number}; at least {least}')
    for name, share in (('top_share', config.top_share), ('threshold', config.threshold)):
        if not 0 < share <= 1:
            raise TrainingError(f'{path}: {name} is {share}; above 0, at most 1')
    if not 0 <= config.dropout < 1:
        raise TrainingError(f'{path}: dropout is {config.dropout}; 0 or more, below 1')
