"""Trains the network that tells a hidden mouth, on what training.occlusion.draw has drawn.

It sees the people and the things that the network may be chosen on, and nothing of those that its
figures are reported on (studies/hidden_mouth.py).
Run: .venv-train/bin/python -m training.hidden_mouth out/hidden_mouth --out models
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.common import TrainingError, log, run_command, write_whole

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import keras
import tensorflow as tf

from training import quantise

NAME = 'hidden_mouth.tflite'
BATCH = 64
# Of the windows with a clear mouth in the validation set at most so many are called hidden. They
# are harder than life: two of three have a beard, a shadow, or a hand beside the mouth. Of .010 and
# .004 the latter: it halves what is called hidden and costs two points of tubes and hands.
LARGEST_FALSE = 0.004


def network(size: int, width: float) -> keras.Model:
    """uint8-ranged window (size, size, 3) → log odds of a hidden mouth, (1,)."""
    layers = keras.layers

    def filters(number: int) -> int:
        return 8 * round(number * width / 8)

    def conv(x: Any, number: int, kernel: int, stride: int) -> Any:
        x = layers.Conv2D(number, kernel, stride, 'same', use_bias=False)(x)
        return layers.ReLU(6.0)(layers.BatchNormalization()(x))

    given = x = layers.Input((size, size, 3))
    x = conv(layers.Rescaling(1 / 127.5, -1)(x), filters(16), 3, 2)
    for number, stride in ((24, 1), (32, 2), (32, 1), (48, 2), (64, 1), (64, 2)):
        x = layers.DepthwiseConv2D(3, stride, 'same', use_bias=False)(x)
        x = conv(layers.ReLU(6.0)(layers.BatchNormalization()(x)), filters(number), 1, 1)
    x = layers.SpatialDropout2D(0.1)(x)
    # Not averaged over places: a corner that is not where it should be is what counts.
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    return keras.Model(given, layers.Dense(1)(x))


def train(data: Path, out: Path, epochs: int, width: float, seed: int) -> None:
    """Train, set the border, quantise, compare, write.

    Raises:
        TrainingError: the data are missing, or int8 strays from float.
    """
    out.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    keras.utils.set_random_seed(seed)
    windows, hidden = _load(data / 'train.npz')[:2]
    model = network(windows.shape[1], width)
    steps = -(-len(windows) // BATCH)
    model.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(3e-3, steps * epochs),
                               weight_decay=1e-3),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.02))
    model.fit(_stream(windows, hidden, seed), epochs=epochs, verbose=2)
    seen, truth, kinds = _load(data / 'validation.npz')
    border = float(np.quantile(_both_views(model, seen)[~truth], 1.0 - LARGEST_FALSE))
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias - border])  # from 0 on a mouth is hidden
    few = windows[::max(1, len(windows) // 400)].astype(np.float32)
    content = quantise.to_int8(model, lambda: _pairs(few), 2)
    _report('float', _both_views(model, seen), truth, kinds)
    whole = _scores(content, seen)
    _report('int8', whole, truth, kinds)
    agreement = float(np.corrcoef(whole, _both_views(model, seen))[0, 1])
    if agreement < 0.99:
        raise TrainingError(f'int8 and float correlate {agreement:.3f} only; train anew')
    write_whole(out / NAME, content)
    log.info('%s: %d bytes, correlation with float %.4f', out / NAME, len(content), agreement)


def _load(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.str_]]:
    try:
        with np.load(path) as found:
            return found['window'], found['hidden'], found['kind']
    except (OSError, KeyError, ValueError) as error:
        raise TrainingError(f'cannot read {path} ({error}); run training.occlusion.draw first') \
            from error


def _stream(windows: NDArray[np.uint8], hidden: NDArray[np.bool_], seed: int) -> Any:
    size = windows.shape[1]

    def changed(window: Any, label: Any) -> Any:
        x = tf.cast(tf.image.random_flip_left_right(window), tf.float32)
        x = tf.pad(x, [[3, 3], [3, 3], [0, 0]], 'SYMMETRIC')
        x = tf.image.random_contrast(tf.image.random_crop(x, (size, size, 3)), 0.7, 1.3)
        x = x * tf.random.uniform((1, 1, 3), 0.9, 1.1) + tf.random.uniform((), -25.0, 25.0)
        grey, colourful = tf.reduce_mean(x, -1, keepdims=True), tf.random.uniform((), 0.0, 1.2)
        x = tf.where(colourful < 1.0, grey + (x - grey) * colourful, x)
        return tf.clip_by_value(x, 0.0, 255.0), label

    examples = tf.data.Dataset.from_tensor_slices((windows, hidden.astype(np.float32)))
    return examples.shuffle(len(windows), seed=seed).map(
        changed, num_parallel_calls=2).batch(BATCH).prefetch(2)


def _both_views(model: keras.Model, windows: NDArray[np.uint8]) -> NDArray[np.float64]:
    found = [model.predict(views.astype(np.float32), batch_size=256, verbose=0)[:, 0]
             for views in (windows, windows[:, :, ::-1])]
    return (found[0].astype(np.float64) + found[1]) / 2


def _pairs(windows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for window in windows:
        yield np.stack([window, window[:, ::-1]])


def _scores(content: bytes, windows: NDArray[np.uint8]) -> NDArray[np.float64]:
    interpreter = quantise.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    given, found = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = found['quantization']
    scores = []
    for window in windows:
        interpreter.set_tensor(given['index'], np.stack([window, window[:, ::-1]]))
        interpreter.invoke()
        scores.append(scale * (interpreter.get_tensor(found['index']).astype(float).mean() - zero))
    return np.array(scores)


def _report(name: str, scores: NDArray[np.float64], hidden: NDArray[np.bool_],
            kinds: NDArray[np.str_]) -> None:
    called = scores >= 0.0
    log.info('%s: hidden found %.3f, clear called hidden %.4f', name, called[hidden].mean(),
             called[~hidden].mean())
    for kind in np.unique(kinds):
        log.info('  %-24s %5d  called hidden %.3f', kind, (kinds == kind).sum(),
                 called[kinds == kind].mean())


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.hidden_mouth', description=__doc__)
    parser.add_argument('data', type=Path, help='folder made by training.occlusion.draw')
    parser.add_argument('--out', type=Path, required=True, help='folder for the network')
    parser.add_argument('--epochs', type=int, default=20)
    parser.add_argument('--width', type=float, default=1.5)
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args()
    return run_command(lambda: train(given.data, given.out, given.epochs, given.width, given.seed))


if __name__ == '__main__':
    raise SystemExit(main())
