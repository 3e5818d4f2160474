"""Compares ways to look at a video: one tracker, two in turns, two on every frame.

It prints the table of docs/measurement.md; simulated patients at rest and smiling.
Run: .venv/bin/python -m studies.video_passes_study --data ../shared/data
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor import resources
from stroke_side_monitor.assessment import metrics, side
from stroke_side_monitor.assessment.norms import Context, Norms
from stroke_side_monitor.assessment.side import SideRule
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.perception import frame
from stroke_side_monitor.perception.face_mesh import FaceMesh
from stroke_side_monitor.pipeline import load_norms
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import portrait, read_picture
from stroke_side_monitor.simulation.session import Session, SessionPlan

PLAN = SessionPlan(exercises=('smile',), first_rest_s=2.0, hold_s=1.5, rest_s=1.0, fps=15.0)
WINDOW = 15  # frames: one second


def main() -> None:
    """Film every person healthy, score every frame in four ways, compare."""
    options = _parse()
    norms = load_norms(resources.config_path('norms.yaml'))
    scores: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    files = sorted((options.data / 'london_faces/neutral').glob('*.jpg'))[::4][:options.people]
    for seed, path in enumerate(tqdm(files, unit='person')):
        smiling = options.data / 'london_faces/smiling' / path.name
        person = portrait(read_picture(path), path.name, smiling_rgb=read_picture(smiling),
                          smiling_name=smiling.name)
        for way, values in _score(Session(person, Palsy(Side.NONE), PLAN, seed), norms).items():
            scores[way].append(values)
    print(f'{len(files)} healthy simulated people, {sum(map(len, scores["both"]))} frames')
    for way, sessions in scores.items():
        away = [steady(one) - steady(best) for one, best in zip(sessions, scores['both'],
                                                                strict=True)]
        false = np.abs(np.concatenate([steady(one) for one in sessions])) >= SideRule.mouth_on
        jumps = np.concatenate([np.abs(np.diff(one)) for one in sessions])
        print(f'  {way:15s} one-second medians of M away from both: SD '
              f'{np.concatenate(away).std():.3f}, largest {np.abs(np.concatenate(away)).max():.2f}'
              f'; frame to frame {np.median(jumps):.3f}; false sides '
              f'{100 * false.mean():.1f} %')


def steady(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Medians over the last second of frames, as the monitor takes them."""
    return np.array([np.median(values[index - WINDOW:index])
                     for index in range(WINDOW, len(values) + 1)])


def _score(session: Session, norms: Norms) -> dict[str, NDArray[np.float64]]:
    trackers = FaceMesh(tracking=True), FaceMesh(tracking=True)
    passes = []
    for index in range(len(session)):
        rgb = session.frame(index).rgb
        found = [tracker.detect(rgb, through_mirror=bool(way))
                 for way, tracker in enumerate(trackers)]
        if all(found):
            passes.append([_mouth(frame.normalise(faces[0]), norms) for faces in found])
    for tracker in trackers:
        tracker.close()
    direct, mirrored = np.array(passes).T
    turns = np.where(np.arange(len(direct)) % 2 == 0, direct, mirrored)
    in_turns = np.concatenate([[(direct[0] + mirrored[0]) / 2], (turns[1:] + turns[:-1]) / 2])
    return {'direct alone': direct, 'mirror alone': mirrored, 'in turns': in_turns,
            'both': (direct + mirrored) / 2}


def _mouth(face: frame.NormalisedFace, norms: Norms) -> float:
    context = Context(face.yaw_deg, face.roll_deg, metrics.mouth_width(face.points),
                      face.interocular_px)
    return side.mouth_score(norms.z(metrics.measure_all(face.points), context))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--people', type=int, default=20)
    return parser.parse_args()


if __name__ == '__main__':
    main()
