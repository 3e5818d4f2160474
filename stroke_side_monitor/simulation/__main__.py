"""`python -m stroke_side_monitor.simulation`: a simulated patient as bag, video or pictures.

It never needs ROS running. Left and right are the PATIENT's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from stroke_side_monitor.interruption import ends_cleanly
from stroke_side_monitor.simulation import recording
from stroke_side_monitor.simulation.palsy import EXERCISES
from stroke_side_monitor.simulation.portrait import PictureError
from stroke_side_monitor.simulation.recording import OutputError
from stroke_side_monitor.simulation.request import SIDES, Request
from stroke_side_monitor.simulation.session import Frame, Session, SessionPlan


@ends_cleanly('simulation')
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. 0: written; 1: the output could not be written; 2: the request was wrong."""
    parsed = _parser().parse_args(arguments)
    try:
        session = _request(parsed).session()
        _write(session, parsed)
    except (ValueError, OSError) as error:
        print(f'simulation: {error}', file=sys.stderr)
        wrong_request = isinstance(error, PictureError) or not isinstance(
            error, OutputError | OSError)
        return 2 if wrong_request else 1
    return 0


def _request(parsed: argparse.Namespace) -> Request:
    plan = SessionPlan(
        exercises=tuple(parsed.exercises), repeats=parsed.repeats, hold_s=parsed.hold,
        rest_s=parsed.rest, first_rest_s=parsed.first_rest, talk_s=parsed.talk,
        onset_s=parsed.onset, fps=parsed.fps, width=parsed.size[0], height=parsed.size[1],
        interocular_px=parsed.interocular, head_motion=parsed.head_motion,
        yaw_deg=parsed.yaw, pitch_deg=parsed.pitch, camera_distance_m=parsed.camera_distance,
        camera=parsed.camera, jpeg_quality=parsed.jpeg_quality,
        blinks_per_minute=parsed.blinks, mirrored=parsed.mirrored)
    return Request(parsed.side, parsed.severity, parsed.pattern, parsed.synkinesis, parsed.seed,
                   parsed.photo, parsed.smile_photo, plan)


def _write(session: Session, parsed: argparse.Namespace) -> None:
    def progress(frames: Iterable[Frame]) -> Iterable[Frame]:
        return tqdm(frames, total=len(session), unit='frame', disable=None)

    if parsed.bag:
        recording.write_bag(session, parsed.bag, storage=parsed.storage,
                            transport=parsed.transport, progress=progress)
        print(f'{len(session)} frames, {session.duration_s:.1f} s: {parsed.bag}')
    elif parsed.video:
        truth = recording.write_video(session, parsed.video, progress=progress)
        print(f'{len(session)} frames, {session.duration_s:.1f} s: {parsed.video}, truth: {truth}')
    else:
        recording.write_frames(session, parsed.frames, progress=progress)
        print(f'{len(session)} frames, {session.duration_s:.1f} s: {parsed.frames}')


def _parser() -> argparse.ArgumentParser:
    plan = SessionPlan()
    parser = argparse.ArgumentParser(
        prog='python -m stroke_side_monitor.simulation', description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    patient = parser.add_argument_group('the patient')
    patient.add_argument('--side', choices=list(SIDES), default='left',
                         help="weak side, the patient's own")
    patient.add_argument('--severity', type=float, default=0.7, help='0 healthy to 1 no movement')
    patient.add_argument('--pattern', choices=('central', 'peripheral'), default='central')
    patient.add_argument('--synkinesis', type=float, default=0.0, help='0 to 1')
    patient.add_argument('--seed', type=int, default=0, help='same seed, same bytes')
    patient.add_argument('--photo', default='',
                         help='healthy frontal photograph; else a public-domain one')
    patient.add_argument('--smile-photo', default='', help='the same person smiling')
    session = parser.add_argument_group('the session')
    session.add_argument('--exercises', nargs='*', choices=EXERCISES, default=plan.exercises,
                         metavar='EXERCISE', help=', '.join(EXERCISES) + '; none: rest only')
    session.add_argument('--repeats', type=int, default=plan.repeats)
    session.add_argument('--hold', type=float, default=plan.hold_s, help='seconds')
    session.add_argument('--rest', type=float, default=plan.rest_s, help='seconds between')
    session.add_argument('--first-rest', type=float, default=plan.first_rest_s, help='seconds')
    session.add_argument('--talk', type=float, default=plan.talk_s,
                         help='seconds of unasked talk and smiles before the exercises')
    session.add_argument('--onset', type=float, help='second at which the palsy sets in; '
                         'without it the patient has it from the start')
    session.add_argument('--head-motion', type=float, default=plan.head_motion,
                         help='0 still to 1 (yaw up to 12 degrees)')
    session.add_argument('--blinks', type=float, default=plan.blinks_per_minute, help='per minute')
    film = parser.add_argument_group('the camera')
    film.add_argument('--fps', type=float, default=plan.fps)
    film.add_argument('--size', type=int, nargs=2, default=(plan.width, plan.height),
                      metavar=('WIDTH', 'HEIGHT'))
    film.add_argument('--interocular', type=float, default=plan.interocular_px,
                      help='pixels between the eyes')
    film.add_argument('--yaw', type=float, default=plan.yaw_deg,
                      help='degrees by which he is turned to his left, all the time')
    film.add_argument('--pitch', type=float, default=plan.pitch_deg,
                      help='degrees by which he is turned up: a camera that stands low; '
                      'below 0: one that stands high')
    film.add_argument('--camera-distance', type=float, default=plan.camera_distance_m,
                      help='metres; the nearer, the more perspective; inf: none')
    film.add_argument('--camera', type=float, default=plan.camera,
                      help='light drift, noise and blur, 0 none to 1 a cheap camera')
    film.add_argument('--jpeg-quality', type=int, default=plan.jpeg_quality)
    film.add_argument('--mirrored', action='store_true', help='flip the picture')
    output = parser.add_mutually_exclusive_group(required=True)
    output.add_argument('--bag', type=Path, help='rosbag2 folder to write')
    output.add_argument('--video', type=Path, help='MP4 file to write, with its .truth.csv')
    output.add_argument('--frames', type=Path, help='folder of pictures with truth.csv to write')
    parser.add_argument('--storage', choices=recording.STORAGES, default='mcap', help='of the bag')
    parser.add_argument('--transport', choices=recording.TRANSPORTS, default='compressed',
                        help='of the images in the bag')
    return parser


if __name__ == '__main__':
    raise SystemExit(main())
