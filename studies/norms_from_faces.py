"""Computes config/norms.yaml from photographs of healthy faces (`make norms`).

It never invents a figure: what it writes was measured by this package's own
perception on the pictures named in the file. Pictures stay where they are.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor import __version__, atomic_file, resources
from stroke_side_monitor.assessment import metrics, side
from stroke_side_monitor.assessment.norms import SCHEMA, Context, MetricNorm, Norms
from stroke_side_monitor.perception import crop, frame
from stroke_side_monitor.perception.face_tracker import StillFaceFinder
from stroke_side_monitor.perception.side_classifier import SideClassifier


@dataclass(frozen=True)
class Source:
    """One folder of healthy faces. `resample`: also look at it at lower resolution."""

    name: str
    folder: str
    expression: str
    licence: str
    resample: bool


SOURCES = (
    Source('london_neutral', 'london_faces/neutral', 'neutral', 'CC BY 4.0', True),
    Source('london_smiling', 'london_faces/smiling', 'smiling', 'CC BY 4.0', True),
    Source('canada', 'canada_faces', 'neutral', 'CC BY 4.0', True),
    Source('congress', 'congress_portraits', 'mostly smiling', 'public domain', False),
)
# Eye distances at which large portraits are looked at again: a robot's camera
# sees faces of about 60 to 120 px, and coarser pictures give noisier landmarks.
RESAMPLED_INTEROCULAR_PX = (90.0, 60.0)
LARGEST_RATIO = 10.0  # r²/σ² beyond this counts as this: one odd face must not set a slope
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_GROUPS = ('london', 'canada', 'congress')


@dataclass(frozen=True)
class Sample:
    """One healthy face, measured. `scale`: 0 as photographed, 1.. resampled.

    classifier: its score, NaN where it was not asked; no norm depends on it.
    """

    source: str
    person: str
    scale: int
    values: dict[str, float]
    context: Context
    classifier: float = math.nan


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `make norms`."""
    options = _parse(arguments)
    samples = list(measure_folders(options.data))
    if len(samples) < 100:
        print(f'norms: only {len(samples)} healthy faces found under {options.data}; give the '
              'folder that holds london_faces, canada_faces, congress_portraits', file=sys.stderr)
        return 1
    content = build(samples)
    text = HEADER + yaml.safe_dump(content, sort_keys=False, width=100)
    atomic_file.write(options.out, text.encode())
    print(f'{options.out}: {len(samples)} measurements')
    return 0


HEADER = '''# What healthy faces show; computed by "make norms", never edited by hand.
# Positive: the patient's left side looks weaker. The healthy mean is zero by construction.
'''


def measure_folders(data: Path, classifier: SideClassifier | None = None) -> Iterator[Sample]:
    """Measure every picture of every source below `data`; unreadable or faceless ones are named."""
    finder = StillFaceFinder()
    for source in SOURCES:
        paths = sorted((data / source.folder).glob('*.jpg'))
        for path in tqdm(paths, desc=source.name, unit='face'):
            picture = cv2.imread(str(path))
            sample = None if picture is None else measure(
                finder, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), source.name, path.stem, 0,
                classifier)
            if sample is None:
                tqdm.write(f'norms: no face in {path}; left out')
                continue
            yield sample
            if source.resample:
                yield from _resampled(finder, picture, sample, classifier)


def _resampled(finder: StillFaceFinder, picture: NDArray[Any], sample: Sample,
               classifier: SideClassifier | None) -> Iterator[Sample]:
    for scale, pixels in enumerate(RESAMPLED_INTEROCULAR_PX, start=1):
        factor = pixels / sample.context.interocular_px
        small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        again = measure(finder, cv2.cvtColor(small, cv2.COLOR_BGR2RGB), sample.source,
                        sample.person, scale, classifier)
        if again is not None:
            yield again


def measure(finder: StillFaceFinder, rgb: NDArray[Any], source: str, person: str,
            scale: int, classifier: SideClassifier | None = None) -> Sample | None:
    """Both mesh passes of one picture, averaged as the pipeline does on stills."""
    sighting = finder.look(rgb, 0.0)
    if not sighting.opinions:
        return None
    faces = [frame.normalise(face) for face in sighting.opinions]
    measured = [metrics.measure_all(face.points) for face in faces]
    context = Context(
        float(np.mean([face.yaw_deg for face in faces])),
        float(np.mean([face.roll_deg for face in faces])),
        float(np.mean([metrics.mouth_width(face.points) for face in faces])),
        float(np.mean([face.interocular_px for face in faces])))
    values = {name: sum(one[name] for one in measured) / len(measured) for name in measured[0]}
    score = math.nan if classifier is None else classifier.score(
        crop.aligned_crop(rgb, sighting.face)).score
    return Sample(source, person, scale, values, context, score)


def build(samples: Sequence[Sample]) -> dict[str, Any]:
    """The content of the norms file."""
    fitted = {metric.name: fit(samples, metric.name) for metric in metrics.METRICS}
    norms = Norms(fitted)
    entries = {}
    for metric in metrics.METRICS:
        model = {key: round(value, 5) for key, value in fitted[metric.name].__dict__.items()}
        entries[metric.name] = {
            'unit': metric.unit, 'model': model, 'observed': _observed(samples, metric.name)}
    scores = np.array([side.mouth_score(norms.z(sample.values, sample.context))
                       for sample in samples])
    return {
        'schema': SCHEMA,
        'package_version': __version__,
        'measured_by': f'metrics and frame code {_code_version()}, both mesh passes averaged',
        'sources': [_provenance(source, samples) for source in SOURCES],
        'metrics': entries,
        'mouth_score_sd': {source.name: round(float(np.sqrt(np.mean(
            [score ** 2 for score, sample in zip(scores, samples, strict=True)
             if sample.source == source.name and sample.scale == 0]))), 3) for source in SOURCES},
    }


def fit(samples: Sequence[Sample], name: str) -> MetricNorm:
    """Fit one metric's pose leak and its spread.

    The leak is least squares through the origin (a symmetric face seen from the
    front shows no asymmetry). The spread is a gamma regression with log link of
    the squared residuals on the spread terms. Each group of sources has its own
    level in it, so that what differs between groups (age, cameras) is not
    mistaken for an effect of expression or resolution; the common level then
    makes the mean squared z one, all groups counting alike.
    """
    values = np.array([sample.values[name] for sample in samples])
    pose = np.array([(sample.context.yaw_deg, sample.context.roll_deg) for sample in samples])
    slopes = np.linalg.lstsq(pose, values, rcond=None)[0]
    squared = (values - pose @ slopes) ** 2
    terms = np.array([sample.context.spread_terms for sample in samples])
    groups = np.array([sample.source.split('_')[0] for sample in samples])
    informative = terms.copy()
    # At 46 px between the eyes the mouth's width says little about a smile, and
    # there is only one resolution: Congress informs the effect of yaw alone.
    informative[np.ix_(groups == 'congress', (0, 2))] = 0.0
    membership = np.array([[group == name for name in _GROUPS] for group in groups], dtype=float)
    effects = _gamma_regression(np.hstack([informative, membership]), squared)[:3] / 2
    effects = np.maximum(effects, 0.0)  # none of these sharpens a measurement
    squared_z = squared / np.exp(2 * terms @ effects)
    level = np.mean([squared_z[groups == name].mean() for name in _GROUPS])
    return MetricNorm(float(slopes[0]), float(slopes[1]), math.log(level) / 2,
                      *map(float, effects))


def _gamma_regression(design: NDArray[np.float64], response: NDArray[np.float64]
                      ) -> NDArray[np.float64]:
    """Coefficients of a gamma GLM with log link, by Fisher scoring (McCullagh & Nelder 1989)."""
    start = np.log(np.maximum(response, 0.1 * response.mean()))
    coefficients = np.linalg.lstsq(design, start, rcond=None)[0]
    for _ in range(50):
        linear = design @ coefficients
        working = linear + np.clip(response / np.exp(linear) - 1, -1, LARGEST_RATIO)
        coefficients = np.linalg.lstsq(design, working, rcond=None)[0]
    return coefficients


def _observed(samples: Sequence[Sample], name: str) -> dict[str, Any]:
    observed = {}
    for source in SOURCES:
        values = np.array([sample.values[name] for sample in samples
                           if sample.source == source.name and sample.scale == 0])
        if len(values) == 0:
            continue
        observed[source.name] = {
            'n': len(values), 'mean': round(float(values.mean()), 3),
            'sd': round(float(values.std(ddof=1)), 3),
            'percentiles': {level: round(float(np.percentile(values, level)), 2)
                            for level in PERCENTILES}}
    return observed


def _provenance(source: Source, samples: Sequence[Sample]) -> dict[str, Any]:
    own = [sample for sample in samples if sample.source == source.name and sample.scale == 0]
    return {'name': source.name, 'people': len({sample.person for sample in own}),
            'expression': source.expression, 'licence': source.licence,
            'interocular_px_median': round(float(np.median(
                [sample.context.interocular_px for sample in own])), 1) if own else None,
            'also_resampled_to_px': list(RESAMPLED_INTEROCULAR_PX) if source.resample else []}


def _code_version() -> str:
    """Changes when the code that measures changes."""
    text = b''.join(Path(str(module.__file__)).read_bytes() for module in (metrics, frame))
    return hashlib.sha256(text).hexdigest()[:12]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='norms_from_faces', description=__doc__)
    parser.add_argument('--data', type=Path, default=resources.photographs(),
                        help='folder with london_faces, canada_faces, congress_portraits')
    parser.add_argument('--out', type=Path, default=resources.config_path('norms.yaml'))
    return parser.parse_args(arguments)


if __name__ == '__main__':
    sys.exit(main())
