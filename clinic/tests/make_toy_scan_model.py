"""`python -m clinic.tests.make_toy_scan_model PREPARED WORK`: the model that the page's tests use.

Run in .venv-train on prepared phantoms. A trunk of eight fixed random filters and the measurements:
it knows phantoms and nothing else, is never installed by anybody, and stays below 50 kB.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import keras
from keras import layers

from training.common import read_json, write_json, write_whole
from training.scans import network
from training.scans.config import ScanConfig
from training.scans.evaluate import evaluate_scans
from training.scans.export import export_scans
from training.scans.train import train_scans

HERE = Path(__file__).parent / 'data'


def toy_trunk(config: ScanConfig) -> keras.Model:
    """(n, 224, 224, 3) → (n, 7, 7, 8)."""
    inputs = keras.Input((224, 224, 3))
    x = layers.AveragePooling2D(32)(layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, layers.Conv2D(
        8, 1, activation='relu', kernel_initializer=keras.initializers.GlorotUniform(seed=1))(x))


def main(prepared: Path, work: Path) -> None:
    """Train, evaluate, export into `data/`."""
    network.trunk = toy_trunk
    config = replace(ScanConfig('toy of phantoms', 'scan'), weights=(None,), components=6,
                     copies=0)
    train_scans(config, prepared, work / 'run')
    evaluate_scans([work / 'run'], prepared, work / 'report', 'test', made_by='toy')
    export_scans(work / 'run', HERE, {'licence': 'Apache-2.0', 'note': 'drawn phantoms only'})
    write_whole(HERE / 'toy.tflite', (HERE / 'scan_model.tflite').read_bytes())
    write_json(HERE / 'toy.json', read_json(HERE / 'scan_model.json', 'this'))
    for left in ('scan_model.tflite', 'scan_model.json'):
        (HERE / left).unlink()


if __name__ == '__main__':
    main(Path(sys.argv[1]), Path(sys.argv[2]))
