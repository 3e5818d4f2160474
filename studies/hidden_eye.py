"""What is said of faces with one eye covered, and how often a clear eye is taken for a covered one.

It prints the tables of docs/measurement.md ("Covered eyes"). Covers are DRAWN, palsies SIMULATED,
before portraits of healthy people on whom the border was not chosen (training/occlusion/people).
Run: .venv/bin/python -m studies.hidden_eye --data ../shared/data
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline.inputs import read_picture
from stroke_side_monitor.perception.face_tracker import StillFaceFinder
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.still import simulate_still
from studies.hidden_mouth import patients
from training.occlusion import people
from training.occlusion.face import DrawnFace, union

_EYES = {Side.RIGHT: (33, 133), Side.LEFT: (263, 362)}
_PATCH_MM = (24.0, 20.0)
# Colour by the face's skin.
STUFFS: Mapping[str, Callable[[DrawnFace], Any]] = {
    'black patch': lambda face: (15, 15, 18), 'gauze': lambda face: (235, 232, 228),
    'plaster': lambda face: face.skin * 0.9}


def covered(face: DrawnFace, stuff: str, *sides: Side, rng: np.random.Generator
            ) -> NDArray[np.uint8]:
    """The face with the PATIENT's eyes of these sides covered; uint8 (H, W, 3)."""
    colour = np.asarray(STUFFS[stuff](face), np.float32)
    where = union([face.ellipse(face.places[list(_EYES[side])].mean(axis=0), _PATCH_MM)
                   for side in sides])
    return face.with_layer(face.layer(colour, face.within(where)), rng)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog='python -m studies.hidden_eye', description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='folder of healthy portraits')
    data = parser.parse_args().data
    pipeline = Pipeline(PipelineSettings(), video=False)
    faces_with_covers(data, pipeline)
    faces_without(data, pipeline)
    pipeline.close()


def faces_with_covers(data: Path, pipeline: Pipeline) -> None:
    """Healthy and palsied people at rest, by what covers which eye."""
    rng, finder = np.random.default_rng(5), StillFaceFinder()
    held = [one for one in people.photographs(data) if people.split_of(one.person) == 'report']
    found: dict[tuple[str, str], Counter[str]] = {}
    for number, patient in enumerate(tqdm(list(patients(held, data)))):
        side = (Side.LEFT, Side.RIGHT)[number % 2]
        for name, severity in (('healthy', 0.0), ('severity .5', 0.5), ('severity 1', 1.0)):
            palsy = Palsy.of(side, severity, 'peripheral')
            rgb, _ = simulate_still(patient, palsy, 'rest')
            face = people.find(finder, rgb)
            if face is None:
                continue
            stuff = list(STUFFS)[int(rng.integers(len(STUFFS)))]
            for eye, picture in (
                    ('clear', rgb), ('on that side', covered(face, stuff, side, rng=rng)),
                    ('on the other', covered(face, stuff, side.mirrored, rng=rng)),
                    ('both', covered(face, stuff, *_EYES, rng=rng))):
                said = pipeline.assess(picture, 0.0).side.side
                found.setdefault((name, eye), Counter())[_verdict(said, palsy.side)] += 1
    finder.close()
    print('| person | covered | right | NONE | UNKNOWN | wrong |\n|---|---|---|---|---|---|')
    for (name, eye), count in found.items():
        print(f'| {name} | {eye} | ' + ' | '.join(
            str(count[verdict]) for verdict in ('right', 'NONE', 'UNKNOWN', 'wrong')) + ' |')


def faces_without(data: Path, pipeline: Pipeline) -> None:
    """Every portrait as it is."""
    count: Counter[str] = Counter()
    called: Counter[str] = Counter()
    for photograph in tqdm(people.photographs(data)):
        said = pipeline.assess(read_picture(photograph.path), 0.0).side
        count[photograph.source] += 1
        called[photograph.source] += 'eye_hidden' in said.reasons
    for source, number in count.items():
        print(f'{source}: {called[source]} of {number} with an eye called covered')


def _verdict(said: Side, true: Side) -> str:
    if said is Side.UNKNOWN:
        return 'UNKNOWN'
    if said is Side.NONE:
        return 'NONE'
    return 'right' if said is true else 'wrong'


if __name__ == '__main__':
    main()
