"""The networks: the reference systems' exactly as published, and our mirror-antisymmetric family.

It builds and never trains. Pixel values 0–255 go in; scaling is part of the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from keras import layers

from training.common import TrainingError

SIZE = 224
# Published parameter counts of reference A: (total, trainable at first).
NOTEBOOK_COUNTS = {'notebook_mobilenet': (2_340_033, 82_049), 'notebook_cnn': (5_631_169,) * 2}


def notebook_mobilenet(weights: str | None) -> keras.Model:
    """Reference A.1: frozen MobileNetV2, global average pooling, Dense 64, Dropout .3, sigmoid.

    Scaled to [-1, 1], which the ImageNet weights expect (the notebook fed them [0, 1]). The
    trunk is called with training=False, so BatchNorm stays in inference mode for good.
    """
    trunk = backbone('MobileNetV2', weights)
    trunk.trainable = False
    inputs = keras.Input((SIZE, SIZE, 3))
    x = trunk(layers.Rescaling(1 / 127.5, offset=-1)(inputs), training=False)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(64, activation='relu')(x)
    x = layers.Dropout(0.3)(x)
    return _counted('notebook_mobilenet',
                    keras.Model(inputs, layers.Dense(1, activation='sigmoid')(x)))


def notebook_cnn(_: str | None) -> keras.Model:
    """Reference A.3: Conv 32-64-128 (3×3, valid) + MaxPool each, Dense 64, Dropout .3, sigmoid."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, activation='relu')(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dense(64, activation='relu')(layers.Flatten()(x))
    return _counted('notebook_cnn', keras.Model(
        inputs, layers.Dense(1, activation='sigmoid')(layers.Dropout(0.3)(x))))


def unfreeze_last(model: keras.Model, count: int) -> None:
    """Reference A.2: make the trunk's last `count` layers trainable, BatchNorm excepted."""
    trunk = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    trunk.trainable = True
    for layer in trunk.layers[:-count]:
        layer.trainable = False
    for layer in trunk.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


def severity_vggface(weights: str | None) -> keras.Model:
    """Reference B: VGGFace (VGG16's layout, VGG-Face weights), last 10 layers trained, 6 grades."""
    if weights in (None, 'imagenet') or not Path(weights).is_file():
        raise TrainingError(
            f'weights of VGG-Face cannot be downloaded, and "{weights}" is no file; give a Keras '
            'weights file of VGG-Face (VGG16 layout, no top) under weights: or with --weights, '
            'and check its licence yourself')
    return _severity('VGG16', weights, trained_layers=10, dropout=0.0)


def severity_resnet50(weights: str | None) -> keras.Model:
    """Reference B: ResNet50, last 150 layers trained, dropout .5, 6 grades."""
    return _severity('ResNet50', weights, trained_layers=150, dropout=0.5)


def severity_vgg16(weights: str | None) -> keras.Model:
    """Reference B: VGG16, last 8 layers trained, dropout .6, 6 grades."""
    return _severity('VGG16', weights, trained_layers=8, dropout=0.6)


def severity_mobilenet(weights: str | None) -> keras.Model:
    """Reference B's recipe on MobileNetV2: last 40 layers trained, dropout .5, 6 grades."""
    return _severity('MobileNetV2', weights, trained_layers=40, dropout=0.5)


def six_class_cnn(_: str | None) -> keras.Model:
    """Reference C: Conv 16/32/64/128 + MaxPool + Dropout .25 each, Dense 256, six logits.

    Rescaled once; the reference did it twice. Softmax is part of the network here, so that
    every model answers with probabilities.
    """
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    for filters in (16, 32, 64, 128):
        x = layers.Conv2D(filters, 3, padding='same', activation='relu')(x)
        x = layers.Dropout(0.25)(layers.MaxPooling2D()(x))
    x = layers.Dense(256, activation='relu')(layers.Flatten()(x))
    return keras.Model(inputs, layers.Softmax()(layers.Dense(6)(x)))


def regions_cnn(_: str | None) -> keras.Model:
    """Reference D, phase 2: eyes, nose and mouth cut out of the aligned crop, one branch each.

    The crop is aligned by the eyes, so fixed rows hold each region: brows to lower lids,
    nasion to subnasale, philtrum to chin.
    """
    inputs = keras.Input((SIZE, SIZE, 3))
    scaled = layers.Rescaling(1 / 255)(inputs)
    branches = []
    for top, bottom in ((10, 80), (60, 130), (110, 200)):
        x = layers.Cropping2D(((top, SIZE - bottom), (30, 30)))(scaled)
        for filters in (16, 32, 64):
            x = layers.MaxPooling2D()(layers.Conv2D(filters, 3, activation='relu')(x))
        branches.append(layers.Dense(32, activation='relu')(layers.Flatten()(x)))
    x = layers.Dropout(0.3)(layers.Concatenate()(branches))
    return keras.Model(inputs, layers.Dense(1, activation='sigmoid')(x))


def block_trunk(layer: str, size: int, weights: str | None) -> keras.Model:
    """MobileNetV2 up to one of its layers, input float [-1, 1] (size, size, 3).

    Raises:
        TrainingError: no such layer.
    """
    whole = backbone('MobileNetV2', weights, size)
    names = [one.name for one in whole.layers]
    if layer not in names:
        raise TrainingError(f'MobileNetV2 has no layer {layer}; for instance block_6_expand_relu')
    return keras.Model(whole.input, whole.get_layer(layer).output)


BUILDERS: dict[str, Callable[[str | None], keras.Model]] = {
    f.__name__: f for f in (notebook_mobilenet, notebook_cnn, severity_vggface, severity_resnet50,
                            severity_vgg16, severity_mobilenet, six_class_cnn, regions_cnn)}
_SCALING: dict[str, Callable[[Any], Any]] = {
    'MobileNetV2': lambda x: layers.Rescaling(1 / 127.5, offset=-1)(x),
    # Caffe's: BGR, ImageNet mean taken off.
    'ResNet50': lambda x: _caffe(x), 'VGG16': lambda x: _caffe(x)}


def _caffe(x: Any) -> Any:
    mean = [103.939, 116.779, 123.68]
    reversed_ = layers.Concatenate()([x[..., 2:3], x[..., 1:2], x[..., 0:1]])
    return layers.Normalization(mean=mean, variance=[1.0, 1.0, 1.0])(reversed_)


def _severity(name: str, weights: str | None, *, trained_layers: int, dropout: float
              ) -> keras.Model:
    trunk = backbone(name, weights)
    for layer in trunk.layers[:-trained_layers]:
        layer.trainable = False
    for layer in trunk.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.GlobalAveragePooling2D()(trunk(_SCALING[name](inputs), training=False))
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(6, activation='softmax')(x))


def backbone(name: str, weights: str | None, size: int = SIZE) -> keras.Model:
    """A network of keras.applications without its top.

    Raises:
        TrainingError: its weights cannot be had.
    """
    build = getattr(keras.applications, name)
    if weights is not None and weights != 'imagenet' and not Path(weights).is_file():
        raise TrainingError(f'weights: {weights} is not there; give a Keras weights file of '
                            f'{name} without top, or "imagenet" to download it')
    try:
        return build(include_top=False, weights=weights, input_shape=(size, size, 3))
    except Exception as error:
        # Keras raises the bare class when a download fails.
        if not isinstance(error, OSError | ValueError) and type(error) is not Exception:
            raise
        first = str(error).splitlines()[0]
        raise TrainingError(f'weights of {name} cannot be had ({first}); give the path of a Keras '
                            'weights file without top under weights: in the configuration, or '
                            'with --weights') from error


def _counted(name: str, model: keras.Model) -> keras.Model:
    total = model.count_params()
    trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    if (total, trained) != NOTEBOOK_COUNTS[name]:
        raise TrainingError(f'{name} has {total} parameters, {trained} trained; published are '
                            f'{NOTEBOOK_COUNTS[name]}')
    return model

