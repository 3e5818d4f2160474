"""`python -m clinic.tests.make_toy_face_network`: the network of classes that the page's tests use.

Run in .venv-train. Its weights are fixed and random: it knows nothing and is never installed by
anybody.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
import numpy as np
from keras import layers

from stroke_side_monitor.perception import crop
from training import class_network, quantise
from training.common import write_json, write_whole
from training.tasks import TASKS

HERE = Path(__file__).parent / 'data'


def main() -> None:
    """Write data/toy_classes.tflite and its card."""
    keras.utils.set_random_seed(3)
    labels = TASKS['region_level6'].classes
    inputs = keras.Input((crop.SIZE, crop.SIZE, 3))
    x = layers.Flatten()(layers.AveragePooling2D(56)(layers.Rescaling(1 / 127.5, -1)(inputs)))
    model = keras.Model(inputs, layers.Dense(len(labels), activation='softmax')(x))
    drawn = np.random.default_rng(3).integers(0, 256, (50, 7, 7, 3)).repeat(32, 1).repeat(32, 2)
    content = quantise.to_int8(model, lambda: (one[None].astype(np.float32) for one in drawn), 1)
    write_whole(HERE / 'toy_classes.tflite', content)
    write_json(HERE / 'toy_classes.json', {
        'format': class_network.FORMAT, 'name': 'toy of classes',
        'sha256': hashlib.sha256(content).hexdigest(), 'labels': list(labels),
        'label_frame': 'patient', 'crop_version': crop.VERSION,
        'figures': {'accuracy': None}, 'figures_on': 'nothing: random weights',
        'licence': 'Apache-2.0'})


if __name__ == '__main__':
    main()
