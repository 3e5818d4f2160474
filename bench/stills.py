"""What a still costs in one `assess` job, beside one look of bare FaceMesh at the same picture.

It never judges the figures. The ways take turns on each picture, so that all see the same
machine; figures are medians. `looks` is the two looks of the job alone, one search and two
meshes: what remains of the difference is classifier, metrics and decision.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor.offline import inputs
from stroke_side_monitor.offline.run_folder import Writers
from stroke_side_monitor.offline.sources import Source
from stroke_side_monitor.offline.tasks import Options, Worker, number
from stroke_side_monitor.perception.face_tracker import StillFaceFinder
from stroke_side_monitor.perception.light_mediapipe import face_mesh
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings

Picture = TypeVar('Picture')


def of_frames(frames: Sequence[NDArray[np.uint8]], count: int) -> dict[str, float]:
    """Without files: pictures that are in memory already.

    Args:
        frames: uint8 (H, W, 3), looked at again and again.
        count: looks that count.

    Returns:
        assess_per_s, looks_per_s, mesh_per_s: pictures per second; ratio: the first to the last.
    """
    with closing(Pipeline(PipelineSettings(), video=False)) as pipeline, \
            closing(StillFaceFinder()) as finder, _bare_mesh() as bare:
        return _compare([frames[index % len(frames)] for index in range(count)], {
            'assess': lambda rgb: pipeline.assess(rgb, 0.0),
            'looks': lambda rgb: finder.look(rgb, 0.0),
            'mesh': bare.process})


def of_files(paths: Sequence[Path]) -> dict[str, float]:
    """With files: every way reads the picture, and `assess` writes its results; else as above."""
    options = Options(False, None, None, PipelineSettings())
    worker = Worker(options)
    tasks = dict(zip(paths, number(map(Source, inputs.find(paths))), strict=True))
    with tempfile.TemporaryDirectory() as folder, Writers(Path(folder)) as writers, \
            closing(StillFaceFinder()) as finder, _bare_mesh() as bare:
        return _compare(paths, {
            'assess': lambda path: writers.write(worker.records(tasks[path])),
            'looks': lambda path: finder.look(inputs.read_picture(path), 0.0),
            'mesh': lambda path: bare.process(inputs.read_picture(path))})


def _bare_mesh() -> Any:
    return face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True)


def _compare(pictures: Sequence[Picture], ways: Mapping[str, Callable[[Picture], Any]]
             ) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways)
    for picture in tqdm(pictures, desc='stills', unit='picture', disable=None):
        order.append(order.pop(0))  # whoever comes later finds warmer caches
        for name in order:
            start = time.perf_counter()
            ways[name](picture)
            times[name].append(time.perf_counter() - start)
    seconds = {name: float(np.median(spent[len(spent) // 10:])) for name, spent in times.items()}
    return {**{f'{name}_per_s': 1 / spent for name, spent in seconds.items()},
            'ratio': seconds['mesh'] / seconds['assess']}
