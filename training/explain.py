"""Which part of the face a model's answer came from: Grad-CAM, and exactly so for a linear head.

It explains the float model; the quantised one has no gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.antisymmetric import views
from training.dataset import Dataset
from training.predictors import Run
from training.tasks import Row


@dataclass(frozen=True)
class HeatMap:
    """picture: uint8 (224, 224, 3), the crop with the map over it. label: the true class."""

    picture: NDArray[np.uint8]
    label: str


def heat_maps(run: Run, dataset: Dataset, rows: Sequence[Row]) -> list[HeatMap]:
    """One map per row; none for models that see no picture or have several branches."""
    if run.kind == 'landmarks':
        return []
    model = keras.models.load_model(run.folder / 'model.keras')
    if run.kind == 'probabilities' and len(_reductions(model)) != 1:
        return []  # several branches look at several parts; one map would mislead
    if run.kind == 'antisymmetric':
        head = np.load(run.folder / 'head.npy')
        maps = [_contributions(model, head, dataset.crop(row)) for row in rows]
    else:
        maps = [_grad_cam(model, dataset.crop(row)) for row in rows]
    return [HeatMap(_overlay(dataset.crop(row), seen), run.task.classify(row) or '')
            for row, seen in zip(rows, maps, strict=True)]


def _contributions(model: keras.Model, head: NDArray[np.float32], crop: NDArray[np.uint8]
                   ) -> NDArray[np.float32]:
    """What each cell adds to s(x), direct view minus mirrored view brought back: exact, signed."""
    maps = model(views(crop, model.input_shape[1]).astype(np.float32) / 127.5 - 1,
                 training=False).numpy()
    direct, mirrored = (maps * head).sum(axis=3)
    return direct - mirrored[:, ::-1]


def _grad_cam(model: keras.Model, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grad-CAM of the chosen class (Selvaraju et al. 2017) at the last feature map."""
    middle = _reductions(model)[-1].input
    before, after = keras.Model(model.inputs, middle), keras.Model(middle, model.outputs)
    maps = before(crop[None].astype(np.float32), training=False)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        answer = tf.reshape(after(maps, training=False), [-1])
        chosen = tf.maximum(answer[0], 1 - answer[0]) if len(answer) == 1 \
            else tf.reduce_max(answer)
    weights = tf.reduce_mean(tape.gradient(chosen, maps), axis=(1, 2), keepdims=True)
    seen: NDArray[np.float32] = tf.nn.relu(tf.reduce_sum(maps * weights, axis=3))[0].numpy()
    return seen


def _reductions(model: keras.Model) -> list[Any]:
    """Layers that turn a feature map of the whole crop into numbers."""
    kinds = (keras.layers.Flatten, keras.layers.GlobalAveragePooling2D)
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def _overlay(crop: NDArray[np.uint8], seen: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Red speaks for the patient's left (or the chosen class), blue against."""
    strength = cv2.resize(seen, crop.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    strength = strength / (np.abs(strength).max() or 1.0)
    colour = np.where(strength[..., None] > 0, (220, 40, 30), (40, 80, 220))
    share = 0.6 * np.abs(strength)[..., None]
    return np.clip(crop * (1 - share) + colour * share, 0, 255).astype(np.uint8)
