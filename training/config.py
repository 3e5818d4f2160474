"""A training configuration: one YAML file, every field checked, unknown words refused.

It only reads; defaults are the reference systems' own where they have one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from training.common import TrainingError
from training.tasks import TASKS

KINDS = ('gradient', 'antisymmetric', 'landmarks')


@dataclass(frozen=True)
class Phase:
    """One run of gradient descent.

    learning_rate of Adam; epochs at most; patience: epochs without improvement of `monitor`
    before stopping (0: never), the best weights are kept. unfreeze: the trunk's last layers
    to set free before it starts.
    """

    learning_rate: float = 1e-4
    epochs: int = 150
    patience: int = 3
    monitor: str = 'val_loss'
    unfreeze: int = 0
    optimizer: str = 'adam'


@dataclass(frozen=True)
class Config:
    """What to train.

    kind: 'gradient' (a network of models.py), 'antisymmetric' (frozen trunk, linear head, exact
        mirror antisymmetry) or 'landmarks' (scikit-learn on the metrics).
    model: name in models.BUILDERS, or 'logistic', 'forest', 'boosting' for landmarks.
    weights: path, 'imagenet', or None for none.
    flip: mirrored copies with swapped labels. rotation_deg, zoom, shear_deg: largest random
        change, in degrees and as a share.
    layer, size, grid, ridge, ridge_target: of the antisymmetric kind: trunk layer, input pixels,
        cells per side kept when pooling, regularisation, 'severity' or 'side'.
    """

    name: str
    kind: str
    model: str
    task: str
    seed: int = 7
    weights: str | None = 'imagenet'
    batch_size: int = 16
    phases: tuple[Phase, ...] = (Phase(),)
    flip: bool = True
    rotation_deg: float = 0.0
    zoom: float = 0.0
    shear_deg: float = 0.0
    layer: str = 'block_6_expand_relu'
    size: int = 192
    grid: int = 8
    ridge: float = 3.0
    ridge_target: str = 'severity'


def read_config(path: Path, *, weights: str | None = None, seed: int | None = None,
                epochs: int | None = None, name: str | None = None) -> Config:
    """Read a YAML configuration.

    Args:
        weights, seed, epochs, name: replace the file's when given; epochs caps every phase.

    Raises:
        TrainingError: missing, not YAML, a field unknown or of the wrong type.
    """
    content = read_fields(path)
    phases = content.pop('phases', None)
    config = build(Config, content, path)
    if phases is not None:
        config = replace(config, phases=tuple(build(Phase, phase, path) for phase in phases))
    _check(config, path)
    if weights is not None:
        config = replace(config, weights=weights)
    if seed is not None:
        config = replace(config, seed=seed)
    if name is not None:
        config = replace(config, name=name)
    if epochs is not None:
        config = replace(config, phases=tuple(
            replace(phase, epochs=min(epochs, phase.epochs)) for phase in config.phases))
    return config


def read_fields(path: Path) -> dict[str, Any]:
    """The fields of a YAML configuration as they stand, `name` by default the file's.

    Raises:
        TrainingError: missing, not YAML, or no fields.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise TrainingError(f'cannot read {path}: {error.strerror}') from error
    except yaml.YAMLError as error:
        raise TrainingError(f'{path} is not YAML: {str(error).splitlines()[0]}') from error
    if not isinstance(content, dict):
        raise TrainingError(f'{path} must hold fields such as kind: and model:')
    content.setdefault('name', path.stem)
    return content


_TYPES: dict[str, tuple[type, ...]] = {
    'int': (int,), 'float': (int, float), 'str': (str,), 'bool': (bool,)}


def build(kind: Any, content: Any, path: Path) -> Any:
    """A dataclass from a configuration's fields.

    Raises:
        TrainingError: a field that is unknown, missing or of the wrong type.
    """
    known = {item.name: str(item.type) for item in fields(kind)}
    if not isinstance(content, dict):
        raise TrainingError(f'{path}: {kind.__name__.lower()} must be a list of fields')
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise TrainingError(f'{path}: unknown field {unknown[0]}; known: {", ".join(known)}')
    for name, value in content.items():
        wanted = _TYPES.get(known[name])
        if wanted and (not isinstance(value, wanted) or (
                isinstance(value, bool) and wanted != (bool,))):
            raise TrainingError(f'{path}: {name} must be {known[name]}, not {value!r}')
    try:
        return kind(**content)
    except TypeError as error:
        raise TrainingError(f'{path}: {str(error).split("__init__() ")[-1]}') from error


def _check(config: Config, path: Path) -> None:
    for name, value, allowed in (('kind', config.kind, KINDS), ('task', config.task, TASKS),
                                 ('ridge_target', config.ridge_target, ('severity', 'side'))):
        if value not in allowed:
            raise TrainingError(f'{path}: {name} is {value!r}; one of {", ".join(allowed)}')
