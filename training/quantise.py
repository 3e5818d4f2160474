"""Keras → TFLite: full-integer with a representative set, and float as the fallback.

It never trains and never measures accuracy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

# Copies of the one linear output, each rounded at another offset: the mean of 8 copies is 8 times
# finer than an int8 step. Measured: see docs/classifier.md, "Near zero".
STAGGERED_OUTPUTS = 8
Samples = Callable[[], Iterator[NDArray[Any]]]


def to_int8(model: keras.Model, samples: Samples, batch: int) -> bytes:
    """Full-integer TFLite: uint8 in, int8 out, int8 inside.

    Args:
        model: float input in the range that the samples have.
        samples: yields float32 (batch, ...) arrays that span what the robot will see.
    """
    with _converter(model, batch) as converter:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample] for sample in samples())
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def to_float(model: keras.Model, batch: int) -> bytes:
    """Float32 TFLite, the fallback for looking into differences."""
    with _converter(model, batch) as converter:
        return bytes(converter.convert())


def antisymmetric_int8(features: keras.Model, weights: NDArray[np.float32], samples: Samples
                       ) -> bytes:
    """int8 TFLite of one linear score per view; batch 2 = crop and mirrored crop.

    Args:
        features: image → feature map, without bias towards a side of its own.
        weights: float32, as many as the map has values.
        samples: as in to_int8, batches of 2.

    Returns:
        A model with int8 output (2, STAGGERED_OUTPUTS).
    """
    head = keras.layers.Dense(STAGGERED_OUTPUTS)
    model = keras.Model(features.input, head(keras.layers.Flatten()(features.output)))
    kernel = np.repeat(weights.reshape(-1, 1), STAGGERED_OUTPUTS, axis=1)
    head.set_weights([kernel, np.zeros(STAGGERED_OUTPUTS, np.float32)])
    step = output_scale(to_int8(model, samples, 2))
    offsets = ((np.arange(STAGGERED_OUTPUTS) + 0.5) / STAGGERED_OUTPUTS - 0.5) * step
    head.set_weights([kernel, offsets.astype(np.float32)])
    return to_int8(model, samples, 2)


def output_scale(content: bytes) -> float:
    """Size of one step of the (first) output of a quantised model."""
    return float(Interpreter(model_content=content).get_output_details()[0]['quantization'][0])


@contextmanager
def _converter(model: keras.Model, batch: int) -> Iterator[Any]:
    # Through a SavedModel: Keras 3 variables do not survive from_keras_model's calibration.
    with tempfile.TemporaryDirectory() as folder:
        shape = (batch, *model.input_shape[1:])
        model.export(folder, format='tf_saved_model', verbose=False,
                     input_signature=[tf.TensorSpec(shape, tf.float32)])
        yield tf.lite.TFLiteConverter.from_saved_model(folder)
