"""Our family: a frozen trunk, its grid of features kept, ONE linear score, against its mirror.

s(x) = g(x) - g(mirrored x) with g linear and without bias, so s(mirrored x) = -s(x) exactly.
It never trains the trunk: on simulated palsies that fits the simulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from tqdm import tqdm

from training.common import write_whole
from training.dataset import Dataset
from training.tasks import Row, severity_number

_SIGN = {'left': 1.0, 'none': 0.0, 'right': -1.0}
_CHUNK = 256
# Enough for stable ranges; more changes the scales by less than 1 %.
_REPRESENTATIVE = 160


def views(crop: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """uint8 (2, size, size, 3): the crop and its mirror image, as the robot feeds them."""
    return np.stack([cv2.resize(one, (size, size), interpolation=cv2.INTER_AREA)
                     for one in (crop, cv2.flip(crop, 1))])


def representative(dataset: Dataset, rows: Sequence[Row], size: int) -> list[NDArray[np.float32]]:
    """Float views in [-1, 1], evenly taken from the rows."""
    step = max(1, len(rows) // _REPRESENTATIVE)
    return [views(dataset.crop(row), size).astype(np.float32) / 127.5 - 1 for row in rows[::step]]


class Features:
    """Runs a quantised trunk over crops: what the head will really see on the robot.

    float32 (n, grid * grid * channels): features of the crop minus those of its mirror image.
    """

    def __init__(self, trunk: bytes, grid: int) -> None:
        self._interpreter = Interpreter(model_content=trunk, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self.size = int(self._input['shape'][1])
        self._grid = grid

    def difference(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of one crop."""
        self._interpreter.set_tensor(self._input['index'], views(crop, self.size))
        self._interpreter.invoke()
        seen = self._interpreter.get_tensor(self._output['index']).astype(np.float32)
        scale, zero = self._output['quantization']
        pooled = _pool((seen - zero) * scale, self._grid)
        return pooled[0] - pooled[1]

    def of(self, dataset: Dataset, rows: Sequence[Row], cache: Path) -> NDArray[np.float32]:
        """Of many rows, in chunks that survive an interruption under `cache`."""
        cache.mkdir(parents=True, exist_ok=True)
        chunks = []
        for start in tqdm(range(0, len(rows), _CHUNK), desc='features', unit='chunk'):
            file = cache / f'{start:07d}.npy'
            if not file.is_file():
                crops: Iterator[Any] = dataset.crops(rows[start:start + _CHUNK])
                values = np.stack([self.difference(crop) for crop in crops]).astype(np.float16)
                temporary = cache / 'unfinished.npy'
                np.save(temporary, values)
                temporary.replace(file)
            chunks.append(np.load(file))
        return np.concatenate(chunks).astype(np.float32)


def _pool(maps: NDArray[np.float32], grid: int) -> NDArray[np.float32]:
    cell = maps.shape[1] // grid
    kept = maps[:, :cell * grid, :cell * grid]
    cells = kept.reshape(2, grid, cell, grid, cell, -1)
    return cells.mean(axis=(2, 4)).reshape(2, -1)


def targets(rows: Sequence[Row], kind: str) -> NDArray[np.float32]:
    """Signed targets, positive: left. By 'side' ±1, by 'severity' ± the severity where stated."""
    values = []
    for row in rows:
        severity = severity_number(row) if kind == 'severity' else None
        values.append(_SIGN[row['label']] * (1.0 if severity is None else severity))
    return np.array(values, np.float32)


def fit_ridge(differences: NDArray[np.float32], wanted: NDArray[np.float32], ridge: float
              ) -> NDArray[np.float32]:
    """Linear weights without bias (ridge regression in its dual form; Saunders et al. 1998).

    Features are scaled to comparable size first; `ridge` is in units of the kernel's mean
    diagonal, so it does not depend on how many features or pictures there are.
    """
    size = np.sqrt((differences ** 2).mean(axis=0))
    scale = 1.0 / (size + 0.1 * np.median(size) + 1e-6)
    scaled = differences * scale
    kernel = scaled @ scaled.T
    kernel[np.diag_indices_from(kernel)] += ridge * np.trace(kernel) / len(kernel)
    weights: NDArray[np.float32] = (scaled.T @ np.linalg.solve(kernel, wanted)) * scale
    return weights


def spread_over_map(weights: NDArray[np.float32], grid: int, width: int) -> NDArray[np.float32]:
    """Weights of pooled cells → of every position of the (width, width, channels) map.

    The linear head then needs no pooling layer, whose int8 rounding would be lost signal.
    """
    cell = width // grid
    per_cell = weights.reshape(grid, grid, -1) / (cell * cell)
    full = np.zeros((width, width, per_cell.shape[2]), np.float32)
    full[:cell * grid, :cell * grid] = per_cell.repeat(cell, axis=0).repeat(cell, axis=1)
    return full


def calibrate(raw: NDArray[np.float64], labels: Sequence[str]) -> dict[str, Any]:
    """Dead band, slope and none-band from validation pictures.

    dead_band: 95th percentile of |raw| over healthy pictures (without any: 10th percentile over
    weak ones). slope, none_band, in units of it: maximum likelihood of the mirror-symmetric
    ordinal model P(left) = σ(slope (s - none_band)), P(right) = σ(slope (-s - none_band));
    healthy and weak weigh the same. Answers count as right with probability (n + 1) / (n + 2)
    (Platt 1999), n pictures of the kind: else few pictures, all told apart, mean certainty.
    """
    sign = np.array([_SIGN[label] for label in labels])
    healthy = sign == 0
    dead_band = float(np.quantile(np.abs(raw[healthy]), 0.95) if healthy.any()
                      else np.quantile(np.abs(raw), 0.10))
    basis = '95 % of healthy pictures lie inside' if healthy.any() else \
        'no healthy pictures: 10 % of weak ones lie inside'
    score = raw / dead_band
    weight = np.where(healthy, 0.5 / max(healthy.mean(), 1e-9), 0.5 / max((~healthy).mean(), 1e-9))
    alike = np.where(healthy, healthy.sum(), (~healthy).sum())
    hit = (alike + 1) / (alike + 2)

    def loss(logs: NDArray[np.float64]) -> float:
        left, none, right = _ordinal(score, float(np.exp(logs[0])), float(np.exp(logs[1])))
        chosen = np.where(sign > 0, left, np.where(sign < 0, right, none))
        likelihood = hit * np.log(chosen + 1e-9) + (1 - hit) * np.log(1 - chosen + 1e-9)
        return float(-(weight * likelihood).mean())

    found = minimize(loss, [0.5, 0.0 if healthy.any() else -3.0], method='Nelder-Mead')
    slope, none_band = (float(v) for v in np.exp(found.x))
    return {'dead_band': dead_band, 'slope': slope, 'none_band': none_band, 'basis': basis,
            'pictures': len(raw)}


def _ordinal(score: NDArray[np.float64], slope: float, band: float
             ) -> tuple[NDArray[np.float64], ...]:
    left, right = expit(slope * (score - band)), expit(slope * (-score - band))
    return left, 1 - (left + right), right


def save_head(path: Path, weights: NDArray[np.float32]) -> None:
    """Keep the weights beside the model, whole or not at all."""
    temporary = path.with_name('.head.npy')
    np.save(temporary, weights)
    write_whole(path, temporary.read_bytes())
    temporary.unlink()


def float_scores(features: keras.Model, weights: NDArray[np.float32],
                 crops: Iterator[NDArray[np.uint8]], size: int) -> NDArray[np.float64]:
    """The same score in float arithmetic throughout, for parity."""
    scores = []
    for crop in crops:
        maps = features(views(crop, size).astype(np.float32) / 127.5 - 1, training=False).numpy()
        direct, mirrored = (maps.astype(np.float64) * weights).sum(axis=(1, 2, 3))
        scores.append(direct - mirrored)
    return np.array(scores)
