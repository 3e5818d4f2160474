"""So many frames of a 30 Hz camera through the chain without ROS, for a counter of instructions.

It measures nothing itself: an emulator or callgrind counts, and the difference between two numbers
of frames is what the frames cost. It needs neither rclpy nor a face on the disk of the emulated
computer: the pictures are drawn beforehand, on a real one. docs/platforms.md says how.
Run: python -m bench.instructions draw frames.npy
     python -m bench.instructions chain 90 frames.npy
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.perception.light_mediapipe import face_mesh
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings

CAMERA_HZ = 30
PICTURES = 30
# Assesses every frame of the camera.
EVERY_HZ = 60.0

Frames = Iterator[NDArray[np.uint8]]


def bare_mesh(frames: Frames) -> int:
    """FaceMesh alone on every frame."""
    mesh = face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True)
    return sum(mesh.process(rgb) is not None for rgb in frames)


def without_classifier(frames: Frames) -> int:
    """Every frame assessed."""
    return _assessed(frames, PipelineSettings(use_classifier=False, assess_rate_hz=EVERY_HZ))


def every_frame(frames: Frames) -> int:
    """Every frame assessed, the classifier at its own rhythm, as during an exercise."""
    return _assessed(frames, PipelineSettings(assess_rate_hz=EVERY_HZ))


def chain(frames: Frames) -> int:
    """As the node does by default."""
    return _assessed(frames, PipelineSettings())


def _assessed(frames: Frames, settings: PipelineSettings) -> int:
    pipeline = Pipeline(settings, video=True)
    looked = 0
    for number, rgb in enumerate(frames):
        stamp_s = 1000.0 + number / CAMERA_HZ
        if pipeline.due(stamp_s):
            pipeline.assess(rgb, stamp_s)
            looked += 1
    pipeline.close()
    return looked


WAYS: dict[str, Callable[[Frames], int]] = {
    'mesh': bare_mesh, 'without-classifier': without_classifier, 'every-frame': every_frame,
    'chain': chain}


def main() -> int:
    """Draw the pictures, or show so many of them."""
    parser = argparse.ArgumentParser(prog='python -m bench.instructions', description=__doc__)
    ways = parser.add_subparsers(dest='way', required=True)
    ways.add_parser('draw').add_argument('pictures', type=Path, help='.npy to write')
    for way in WAYS:
        one = ways.add_parser(way, description=WAYS[way].__doc__)
        one.add_argument('count', type=int, help='frames')
        one.add_argument('pictures', type=Path, help='.npy of `draw`')
        one.add_argument('--nobody', action='store_true', help='grey pictures instead')
    given = parser.parse_args()
    if given.way == 'draw':
        # What draws is not installed on an emulated robot.
        from bench.scene import simulated_frames

        np.save(given.pictures, np.stack(simulated_frames(PICTURES)))
        return 0
    pictures = np.load(given.pictures)
    if given.nobody:
        pictures = np.full_like(pictures[:1], 127)
    looked = WAYS[given.way](pictures[number % len(pictures)] for number in range(given.count))
    sys.stdout.write(f'{given.count} frames shown, {looked} looked at\n')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
