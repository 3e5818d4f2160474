"""A small head on frozen features, trained on patients as bags of slices.

Frozen principal components → dense + batch normalisation + dropout → softmax of two, pooled over a
patient's slices; early stopping by held-out patients. It sees no picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from training.scans.config import ScanConfig
from training.scans.pooling import pooled, top_count

# Slices drawn of each patient in each step, so that patients fit into one tensor.
_DRAWN = 24
_CLIP = 6.0


@dataclass(frozen=True)
class Bag:
    """One patient's slices. values: float32 (copies, n, features); stroke: the label."""

    values: NDArray[np.float32]
    stroke: bool


@dataclass(frozen=True)
class Reducer:
    """Features → their whitened principal components; measurements → standardised beside them.

    mean: float32 (f,); basis: float32 (f, k); residual: mean squared length of what the components
    leave; beside_mean, beside_scale: float32 (m,), m may be 0.
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]
    residual: float
    beside_mean: NDArray[np.float32]
    beside_scale: NDArray[np.float32]

    @property
    def width(self) -> int:
        """Values per slice after it."""
        return self.basis.shape[1] + len(self.beside_mean)

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (..., f + m) → (..., k + m)."""
        count = len(self.mean)
        components = (values[..., :count] - self.mean) @ self.basis
        beside = (values[..., count:] - self.beside_mean) * self.beside_scale
        return np.concatenate([components, np.clip(beside, -_CLIP, _CLIP)], axis=-1)

    def known(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, f + m) → (n, k + 1): components, and the length of what they leave against what
        they left of the training slices. `judge.distance` measures it."""
        centred = values[:, :len(self.mean)] - self.mean
        components = centred @ self.basis
        rest = ((centred - components @ self.axes.T) ** 2).sum(axis=1, keepdims=True)
        return np.concatenate([components, np.sqrt(rest / self.residual)], axis=1)

    @property
    def axes(self) -> NDArray[np.float32]:
        """Takes components back to features, float32 (f, k)."""
        return np.asarray(self.basis / np.square(np.linalg.norm(self.basis, axis=0)), np.float32)


def fit_reducer(values: NDArray[np.float32], features: int, components: int) -> Reducer:
    """Components of the training slices; float32 (n, features + measurements)."""
    seen = values[:, :features].astype(np.float64)
    mean = seen.mean(axis=0)
    centred = seen - mean
    kept = min(components, len(seen) - 1, features)
    # By the smaller of the two Gram matrices.
    spread, axes = np.linalg.eigh(centred.T @ centred / len(seen))
    spread, axes = spread[::-1][:kept], axes[:, ::-1][:, :kept]
    basis = axes / np.sqrt(np.maximum(spread, 1e-9))
    left = (centred ** 2).sum(axis=1) - ((centred @ axes) ** 2).sum(axis=1)
    beside = values[:, features:].astype(np.float64)
    scale = 1 / np.maximum(beside.std(axis=0), 1e-3) if beside.size else np.zeros(beside.shape[1])
    return Reducer(mean.astype(np.float32), basis.astype(np.float32),
                   float(max(left.mean(), 1e-9)), beside.mean(axis=0).astype(np.float32),
                   scale.astype(np.float32))


def build_head(width: int, config: ScanConfig) -> keras.Model:
    """(batch, slices, width) → logits and attention, (batch, slices) each."""
    inputs = keras.Input((None, width))
    x = inputs
    if config.hidden:
        x = layers.Dense(config.hidden, activation='relu', name='hidden',
                         kernel_regularizer=keras.regularizers.L2(config.l2))(x)
        x = layers.BatchNormalization(name='normalised')(x)
    x = layers.Dropout(config.dropout)(x)
    two = layers.Dense(2, name='two', kernel_regularizer=keras.regularizers.L2(config.l2))(x)
    attention = layers.Dense(1, name='attention',
                             kernel_regularizer=keras.regularizers.L2(config.l2))(x)
    return keras.Model(inputs, [two[..., 1] - two[..., 0], attention[..., 0]])


def together(heads: Sequence[keras.Model], config: ScanConfig) -> keras.Model:
    """One head that says the mean of several of one configuration, their units side by side."""
    whole = build_head(heads[0].input_shape[-1],
                       replace(config, hidden=len(heads) * config.hidden))
    # Side by side in the hidden layer; the layers behind it take all of them, or, without it, each
    # head's own view of the same inputs.
    for name in ('hidden', 'normalised') if config.hidden else ():
        whole.get_layer(name).set_weights([
            np.concatenate(parts, axis=-1) for parts in _weights(heads, name)])
    for name in ('two', 'attention'):
        kernels, biases = _weights(heads, name)
        kernel = np.concatenate(kernels) / len(heads) if config.hidden else np.mean(kernels, axis=0)
        whole.get_layer(name).set_weights([kernel, np.mean(biases, axis=0)])
    return whole


def _weights(heads: Sequence[keras.Model], name: str) -> list[tuple[NDArray[np.float32], ...]]:
    """Each weight of a layer, of all heads."""
    return list(zip(*(head.get_layer(name).get_weights() for head in heads), strict=True))


def fit_head(bags: Sequence[Bag], held: Sequence[Bag], config: ScanConfig, *, seed: int
             ) -> keras.Model:
    """Train a head.

    Args:
        bags: reduced. held: patients that stop it early.
    """
    keras.utils.set_random_seed(seed)
    head = build_head(bags[0].values.shape[-1], config)
    optimizer = {'adam': keras.optimizers.Adam, 'rmsprop': keras.optimizers.RMSprop}[
        config.optimizer](config.learning_rate)
    step = _step(head, optimizer, config)
    rng = np.random.default_rng(seed)
    weights = _class_weights(bags)
    best, best_epoch, kept = np.inf, 0, head.get_weights()
    for epoch in range(1, config.epochs + 1):
        for batch in _batches(bags, weights, config.batch_size, rng):
            step(*batch)
        loss = held_loss(head, held, config)
        if loss < best - 1e-4:
            best, best_epoch, kept = loss, epoch, head.get_weights()
        elif epoch - best_epoch >= config.patience:
            break
    head.set_weights(kept)
    return head


def _step(head: keras.Model, optimizer: Any, config: ScanConfig) -> Any:
    @tf.function
    def step(values: Any, labels: Any, weights: Any) -> None:
        with tf.GradientTape() as tape:
            logits, attention = head(values, training=True)
            together = _pooled_in_graph(logits, attention, config)
            loss = tf.reduce_mean(weights * tf.nn.sigmoid_cross_entropy_with_logits(
                labels, together)) + tf.add_n([tf.constant(0.0), *head.losses])
        gradients = tape.gradient(loss, head.trainable_variables)
        optimizer.apply_gradients(
            (gradient, variable) for gradient, variable in
            zip(gradients, head.trainable_variables, strict=True) if gradient is not None)

    return step


def _pooled_in_graph(logits: Any, attention: Any, config: ScanConfig) -> Any:
    if config.pooling == 'attention':
        return tf.reduce_sum(tf.nn.softmax(attention, axis=1) * logits, axis=1)
    if config.pooling == 'top':
        largest = tf.math.top_k(logits, top_count(_DRAWN, config.top_share)).values
        return tf.reduce_mean(largest, axis=1)
    return tf.reduce_mean(logits, axis=1)


def _class_weights(bags: Sequence[Bag]) -> tuple[float, float]:
    share = float(np.mean([bag.stroke for bag in bags]))
    return 0.5 / max(1 - share, 1e-6), 0.5 / max(share, 1e-6)


def _batches(bags: Sequence[Bag], weights: tuple[float, float], size: int,
             rng: np.random.Generator) -> Any:
    order = rng.permutation(len(bags))
    for start in range(0, len(order), size):
        chosen = [bags[i] for i in order[start:start + size]]
        values = np.stack([_drawn(bag, rng) for bag in chosen])
        labels = np.array([bag.stroke for bag in chosen], np.float32)
        yield (tf.constant(values), tf.constant(labels),
               tf.constant(np.where(labels > 0, weights[1], weights[0]).astype(np.float32)))


def _drawn(bag: Bag, rng: np.random.Generator) -> NDArray[np.float32]:
    """Slices of one copy, each once before any comes twice."""
    copy = bag.values[rng.integers(len(bag.values))]
    count = len(copy)
    order = np.concatenate([rng.permutation(count) for _ in range(-(-_DRAWN // count))])
    return copy[order[:_DRAWN]]


def patient_logits(head: keras.Model, bags: Sequence[Bag], config: ScanConfig
                   ) -> NDArray[np.float64]:
    """float64 (patients,), of the unchanged slices."""
    return np.array([patient_logit(said, config) for said in slices_said(head, bags)])


def patient_logit(said: NDArray[np.float64], config: ScanConfig) -> float:
    """One patient's, of what his slices said, float64 (2, n)."""
    return pooled(said[0], said[1], config.pooling, config.top_share)


def slices_said(head: keras.Model, bags: Sequence[Bag]) -> list[NDArray[np.float64]]:
    """Logit and attention of each unchanged slice, float64 (2, n) a patient."""
    # All slices at once: a call for each patient takes most of the training's time.
    values = np.concatenate([bag.values[0] for bag in bags])[None]
    said = np.stack([one.numpy()[0] for one in head(values, training=False)]).astype(np.float64)
    return np.split(said, np.cumsum([len(bag.values[0]) for bag in bags])[:-1], axis=1)


def held_loss(head: keras.Model, bags: Sequence[Bag], config: ScanConfig) -> float:
    """Cross-entropy by patient."""
    logits = patient_logits(head, bags, config)
    sign = np.where([bag.stroke for bag in bags], 1.0, -1.0)
    return float(np.logaddexp(0, -sign * logits).mean())
