"""How often a hidden mouth is told, and how often a clear one is called hidden.

It prints the tables of docs/measurement.md ("Hidden mouths"). Everything is DRAWN before healthy
portraits: people, things and stuffs that the network was not chosen on (training/occlusion), and
the things that it was, before the same new people. No patient was measured.
Run: .venv/bin/python -m studies.hidden_mouth --data ../shared/data
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline.inputs import read_picture
from stroke_side_monitor.perception.face_tracker import StillFaceFinder
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.face import HeadMotion, SimulatedFace
from stroke_side_monitor.simulation.palsy import Expression, Palsy, random_palsy
from stroke_side_monitor.simulation.portrait import PictureError, Portrait, portrait
from stroke_side_monitor.simulation.session import Session, SessionPlan
from stroke_side_monitor.simulation.still import random_still
from studies.measurement_study import share
from training.occlusion import choosing, people, reporting
from training.occlusion.face import DrawnFace
from training.occlusion.people import Photograph

# Eye distances that a robot's camera sees; Congress portraits have no more than 46 px to give.
SIZES = (40.0, 110.0)
FILMED = 14


class Tally:
    """What was answered, by kind of picture."""

    def __init__(self) -> None:
        self._answers: dict[str, Counter[str]] = {}

    def add(self, kind: str, pipeline: Pipeline, rgb: NDArray[np.uint8]) -> None:
        """Assess one still and note the answer."""
        side = pipeline.assess(rgb, 0.0).side
        answer = 'hidden' if 'mouth_hidden' in side.reasons else \
            'unknown' if side.side is Side.UNKNOWN else 'answered'
        self._answers.setdefault(kind, Counter())[answer] += 1

    def show(self, title: str) -> None:
        """One row per kind, and all together."""
        print(f'\n{title}\n{"":30s} {"mouth_hidden":34s} other UNKNOWN  answered')
        total: Counter[str] = Counter()
        for kind, found in self._answers.items():
            _row(kind, found)
            total += found
        _row('all', total)


def _row(kind: str, found: Counter[str]) -> None:
    count = sum(found.values())
    print(f'{kind:30s} {share(found["hidden"], count):34s} {found["unknown"]:13d} '
          f'{found["answered"]:9d}')


def main() -> None:
    """Print all tables."""
    options = _parse()
    photographs = people.photographs(options.data)[::options.every]
    held = [one for one in photographs if people.split_of(one.person) == 'report']
    pipeline = Pipeline(PipelineSettings(), video=False)
    as_they_are(photographs, pipeline)
    faces = list(_faces(held))
    hidden(faces, pipeline)
    clear(faces, pipeline)
    portraits = list(patients(held, options.data))
    simulated(portraits, pipeline)
    turned(portraits, pipeline)
    pipeline.close()
    filmed(portraits[:FILMED])


def as_they_are(photographs: Sequence[Photograph], pipeline: Pipeline) -> None:
    """Every portrait, untouched; the people held out apart from those chosen on."""
    tally = Tally()
    for photograph in tqdm(photographs, desc='as they are'):
        held = people.split_of(photograph.person) == 'report'
        tally.add(f'{photograph.source}, {"held out" if held else "chosen on"}', pipeline,
                  read_picture(photograph.path))
    tally.show('Healthy portraits as they are')


def hidden(faces: Sequence[tuple[Photograph, DrawnFace]], pipeline: Pipeline) -> None:
    """Something drawn before the mouth of people held out."""
    for title, split, things in (('Held out too', 'report', reporting.HIDING),
                                 ('Chosen on', 'validation', choosing.HIDING)):
        tally, rng = Tally(), np.random.default_rng(12)
        for photograph, face in tqdm(faces, desc=title):
            for kind in things:
                drawn = people.hiding(_framed(photograph, face, rng), split, kind, rng)
                tally.add(kind, pipeline, people.photographed(drawn.rgb, rng))
        tally.show(f'Hidden mouths of people held out. What hides them: {title.lower()}')


def clear(faces: Sequence[tuple[Photograph, DrawnFace]], pipeline: Pipeline) -> None:
    """Clear mouths of people held out: beards, things beside the mouth, bad light, open mouths."""
    tally, rng = Tally(), np.random.default_rng(13)
    for photograph, face in tqdm(faces, desc='clear'):
        framed = _framed(photograph, face, rng)
        tally.add('nothing', pipeline, people.photographed(framed.rgb, rng))
        tally.add('darker', pipeline, people.photographed(people.darker(framed.rgb, rng), rng))
        tally.add('mouth opened', pipeline, people.photographed(people.opened(framed, rng), rng))
        tally.add('36 px between the eyes', pipeline, people.photographed(
            people.framed(face, 37.0, 0.0).rgb, rng))
        for kind in reporting.CLEAR:
            drawn = people.clear(framed, 'report', kind, rng)
            tally.add(kind, pipeline, people.photographed(drawn.rgb, rng))
        for kind in reporting.HIDING:
            drawn = people.beside(framed, 'report', kind, rng)
            tally.add('something beside the mouth', pipeline,
                      people.photographed(drawn.rgb, rng))
    tally.show('Clear mouths of people held out; drawn things held out')


def simulated(patients: Sequence[Portrait], pipeline: Pipeline) -> None:
    """SIMULATED palsies and healthy expressions of people held out, six of each."""
    tally, rng = Tally(), np.random.default_rng(14)
    for patient in tqdm(patients, desc='simulated'):
        for _ in range(6):
            rgb, truth = random_still(patient, rng)
            tally.add(truth.exercise, pipeline, people.photographed(rgb, rng))
    tally.show('SIMULATED palsies of people held out, severities as they come')


def turned(patients: Sequence[Portrait], pipeline: Pipeline) -> None:
    """SIMULATED healthy and palsied people held out, seen from nearby, turned to every side."""
    tally, rng = Tally(), np.random.default_rng(15)
    for patient in tqdm(patients, desc='turned'):
        face = SimulatedFace(replace(patient, camera_mm=CAMERA_MM),
                             random_palsy(rng, Side.NONE if rng.random() < 0.3 else None))
        for name, (yaw, pitch) in TURNS.items():
            for exercise in ('rest', 'smile'):
                head = HeadMotion(float(rng.choice((-1, 1))) * yaw, pitch)
                rgb, _ = face.draw(Expression.of(exercise), head)
                tally.add(name, pipeline, people.photographed(rgb, rng))
    tally.show('SIMULATED people held out, turned from where they were photographed')


CAMERA_MM = 800.0
TURNS = {'not turned': (0.0, 0.0), 'aside by 20°': (20.0, 0.0), 'up by 20°': (0.0, 20.0),
         'down by 15°': (0.0, -15.0), 'down by 25°': (0.0, -25.0)}


def filmed(patients: Sequence[Portrait]) -> None:
    """SIMULATED sessions, frame by frame: without anything, then with a mask put on."""
    found: Counter[str] = Counter()
    for number, patient in enumerate(tqdm(patients, desc='filmed')):
        side = (Side.LEFT, Side.RIGHT, Side.NONE)[number % 3]
        session = Session(patient, Palsy.of(side, float(side is not Side.NONE), 'central'),
                          SessionPlan(), seed=number)
        pipeline = Pipeline(PipelineSettings(), video=True)
        for frame in session:
            said = pipeline.assess(frame.rgb, frame.truth.stamp_ns * 1e-9).side
            found['frames'] += 1
            found['hidden'] += 'mouth_hidden' in said.reasons
        pipeline.close()
    print(f'\nSIMULATED sessions of {len(patients)} people held out: {found["hidden"]} of '
          f'{found["frames"]} frames mouth_hidden')


def _faces(held: Sequence[Photograph]) -> Iterator[tuple[Photograph, DrawnFace]]:
    finder = StillFaceFinder()
    for photograph in held:
        face = people.find(finder, read_picture(photograph.path))
        if face is not None:
            yield photograph, face
    finder.close()


def _framed(photograph: Photograph, face: DrawnFace, rng: np.random.Generator) -> DrawnFace:
    size = 46.0 if photograph.source == 'congress' else float(rng.uniform(*SIZES))
    framed = people.framed(face, size, float(rng.normal(0.0, 6.0)))
    if photograph.source == 'congress' and rng.random() < 0.5:
        framed = replace(framed, rgb=people.tinted(framed.rgb, framed.lips, rng))
    return framed


def patients(held: Sequence[Photograph], data: Path) -> Iterator[Portrait]:
    """Those of them whom palsies are simulated on: in colour, and usable."""
    for photograph in held:
        if photograph.source not in ('london_neutral', 'canada'):
            continue
        smiling = read_picture(data / people.FOLDERS['london_smiling'] / photograph.path.name) \
            if photograph.source == 'london_neutral' else None
        try:
            yield portrait(read_picture(photograph.path), photograph.person,
                           smiling_rgb=smiling).framed(480, 520, 90.0)
        except PictureError:
            continue


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='folder of healthy portraits')
    parser.add_argument('--every', type=int, default=1, help='each so-manieth portrait only')
    return parser.parse_args()


if __name__ == '__main__':
    main()
