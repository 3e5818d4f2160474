"""The frozen trunk of a scan model, and trunk + head as one TFLite file with a heat map.

It builds and converts, and never trains. Pixel values 0 to 255 go in.
"""

from __future__ import annotations

import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from training.models import backbone
from training.scans.config import ScanConfig
from training.scans.head import SIZE
from training.scans.heads import Reducer

# Means of ImageNet in the order blue, green, red, which ResNet-50's weights expect taken off
# [keras.applications.imagenet_utils, mode "caffe"].
_BGR_MEANS = (103.939, 116.779, 123.68)


def trunk(config: ScanConfig) -> keras.Model:
    """(n, 224, 224, 3), 0 to 255 → feature maps of all backbones beside each other.

    Raises:
        TrainingError: weights cannot be had.
    """
    inputs = keras.Input((SIZE, SIZE, 3))
    maps = []
    for name, weights in zip(config.backbones, config.weights, strict=True):
        network = backbone(name, weights)
        network.trainable = False
        if name == 'ResNet50':
            scaled = keras.ops.flip(inputs, axis=-1) - np.array(_BGR_MEANS, np.float32)
        else:
            scaled = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
        maps.append(network(scaled, training=False))
    return keras.Model(inputs, layers.Concatenate()(maps) if len(maps) > 1 else maps[0])


class _Whole(tf.Module):
    """Trunk, reducer and head as one graph: what `judge.ScanModel` runs."""

    def __init__(self, network: keras.Model, reducer: Reducer, head: keras.Model) -> None:
        super().__init__()
        self.network, self.head, self.reducer = network, head, reducer
        # What tf.Module does not find in a Keras model, a SavedModel would lack.
        self.kept = [one.value for one in (*network.variables, *head.variables)]

    def look(self, picture: Any, measured: Any) -> dict[str, Any]:
        """One slice; see judge.Look for what comes out."""
        maps = self.network(picture, training=False)
        reducer = self.reducer
        centred = tf.reduce_mean(maps, axis=(1, 2)) - reducer.mean
        components = centred @ reducer.basis
        x = components
        if measured is not None:
            beside = (measured - reducer.beside_mean) * reducer.beside_scale
            x = tf.concat([components, tf.clip_by_value(beside, -6.0, 6.0)], axis=1)
        logits, attention = self.head(x[:, None], training=False)
        slopes = self._slope(x)
        count = reducer.basis.shape[1]
        slope = slopes[:, :count] @ reducer.basis.T
        activation = tf.nn.relu(tf.reduce_sum(maps * slope[:, None, None], axis=-1))
        # What the components leave of a picture, against what they left of the training slices.
        left = centred - components @ reducer.axes.T
        rest = tf.reduce_sum(tf.square(left), axis=1, keepdims=True)
        # Gradient times input: what the network and each measurement add to the logit.
        shares = slopes * x
        return {'logit': logits, 'attention': attention, 'activation': activation,
                'shares': tf.concat([tf.reduce_sum(shares[:, :count], axis=1, keepdims=True),
                                     shares[:, count:]], axis=1),
                'features': tf.concat([components, tf.sqrt(rest / reducer.residual)], axis=1)}

    def _slope(self, x: Any) -> Any:
        """Gradient of the logit by the head's inputs, written out: TFLite has no gradients.

        With it the maps give Grad-CAM (Selvaraju et al. 2017) exactly: pooling is a mean.
        """
        kernel = self.head.get_layer('two').kernel
        last = kernel[:, 1] - kernel[:, 0]
        names = {layer.name for layer in self.head.layers}
        if 'hidden' not in names:
            return tf.ones_like(x) * last
        hidden, normal = self.head.get_layer('hidden'), self.head.get_layer('normalised')
        scale = normal.gamma / tf.sqrt(normal.moving_variance + normal.epsilon)
        on = tf.cast(x @ hidden.kernel + hidden.bias > 0, tf.float32)
        return (on * (last * scale)) @ tf.transpose(hidden.kernel)


def to_tflite(network: keras.Model, reducer: Reducer, head: keras.Model) -> bytes:
    """One file, weights in half precision, inputs and outputs by name in its signature."""
    whole = _Whole(network, reducer, head)
    picture = tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32, name='picture')
    count = len(reducer.beside_mean)
    measured = [tf.TensorSpec((1, count), tf.float32, name='measured')] if count else []

    def with_measurements(picture: Any, measured: Any) -> dict[str, Any]:
        return whole.look(picture, measured)

    def without(picture: Any) -> dict[str, Any]:
        return whole.look(picture, None)

    look = tf.function(with_measurements if count else without,
                       input_signature=[picture, *measured])
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(whole, folder, signatures={'look': look})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=['look'])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())


def features(network: keras.Model, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean of the maps of each picture, float32 (n, f)."""
    maps = network(pictures.astype(np.float32), training=False)
    return np.asarray(tf.reduce_mean(maps, axis=(1, 2)), np.float32)
