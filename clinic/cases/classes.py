"""The optional network of face classes: its confidence in every class, beside the robot's answer.

It names no side and changes no answer. It is asked only where the robot's pipeline names a side:
a network such as `training/configs/six_class_cnn.yaml` knows no healthy face.
"""

from __future__ import annotations

import threading
from pathlib import Path

from django.conf import settings

from clinic.cases.pictures import Picture
from stroke_side_monitor import atomic_file
from stroke_side_monitor.perception.crop import aligned_crop
from stroke_side_monitor.perception.face_mesh import FaceLandmarks
from training.class_network import SidelessNetwork

_turn = threading.Lock()
_loaded: tuple[int, SidelessNetwork] | None = None


def installed_at() -> Path:
    """Where the one that is used lies, its card beside it."""
    return Path(settings.MODELS) / 'face_classes.tflite'


def install(path: Path) -> SidelessNetwork:
    """Use this export from now on, in place of an earlier one.

    Raises:
        TrainingError: it cannot be used.
    """
    network = SidelessNetwork(path)
    # The card last: it says that the file is whole.
    for suffix in ('.tflite', '.json'):
        atomic_file.write(installed_at().with_suffix(suffix), path.with_suffix(suffix).read_bytes())
    return network


def remove() -> bool:
    """Use none any more; False where none was installed."""
    there = installed_at().exists()
    for suffix in ('.json', '.tflite'):
        installed_at().with_suffix(suffix).unlink(missing_ok=True)
    return there


def ask(rgb: Picture, face: FaceLandmarks) -> tuple[SidelessNetwork, dict[str, float]] | None:
    """The installed network and the probability that it gives each class; None without one.

    Args:
        rgb: uint8 (H, W, 3). face: landmarks in that picture.

    Raises:
        TrainingError: the installed one cannot be used.
    """
    with _turn:
        network = _network()
        return None if network is None else (network, network.probabilities(
            aligned_crop(rgb, face)))


def _network() -> SidelessNetwork | None:
    global _loaded
    try:
        since = installed_at().with_suffix('.json').stat().st_mtime_ns
    except FileNotFoundError:
        _loaded = None
        return None
    if _loaded is None or _loaded[0] != since:
        _loaded = (since, SidelessNetwork(installed_at()))
    return _loaded[1]
