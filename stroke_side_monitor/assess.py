"""`assess`: the monitor's own pipeline over pictures, videos and bags, from the command line.

It never needs ROS, never opens a network connection, and never leaves a half-written result:
what is done is kept for --resume, and the result files appear whole, under their final names.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from tqdm import tqdm

from stroke_side_monitor import interruption, resources
from stroke_side_monitor.assessment.norms import NormsError
from stroke_side_monitor.offline import dataset, executors, sources
from stroke_side_monitor.offline.isolation import StartError
from stroke_side_monitor.offline.run_folder import (
    RunError,
    RunFolder,
    describe,
    overlays_of,
    why_not_into,
)
from stroke_side_monitor.offline.sources import SourceError
from stroke_side_monitor.offline.tasks import Options, OverlayError, Result, Task, number
from stroke_side_monitor.perception.tflite import ModelError
from stroke_side_monitor.pipeline import PipelineSettings, parameters


@interruption.ends_cleanly('assess')
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns 0, 1 when any input could not be assessed, 2 when none can be.

    An interrupted run returns 128 and the number of the signal, as shells do.
    """
    parsed = _parse(arguments)
    options = Options(
        parsed.per == 'frame', parsed.topic,
        overlays_of(parsed.out) if parsed.overlay else None, parsed.settings, parsed.model,
        parsed.norms, int(parsed.memory * 1e9), parsed.cue_topic)
    try:
        refusal = why_not_into(parsed.out) or (
            dataset.missing() if parsed.format == 'parquet' else '')
        if refusal:
            print(f'assess: {refusal}', file=sys.stderr)
            return 2
        tasks = number(sources.find(parsed.inputs, parsed.out))
        with RunFolder(parsed.out, tasks, describe(options), resume=parsed.resume,
                       overlay=parsed.overlay) as folder:
            stopped_by = _run(folder, options, lambda left: _results(left, options, parsed),
                              len(tasks), parquet=parsed.format == 'parquet')
            if stopped_by:
                kept = f'{folder.done} of {len(tasks)} inputs are kept in {parsed.out}; the same ' \
                       'command with --resume continues' if folder.done else 'nothing was written'
                print(f'assess: interrupted; {kept}', file=sys.stderr)
                return 128 + stopped_by
    except (ModelError, NormsError, OverlayError, RunError, SourceError, StartError,
            resources.ResourceMissingError) as error:
        print(f'assess: {error}', file=sys.stderr)
        return 2
    except OSError as error:
        print(f'assess: {parsed.out} cannot be written ({error.strerror or error}); mend that and '
              'carry on with --resume', file=sys.stderr)
        return 2
    _say(f'{len(tasks)} inputs, {folder.failed} could not be assessed; results in {parsed.out}')
    return 1 if folder.failed else 0


def _say(text: str) -> None:
    """Also where stdout takes less than a folder's name may have."""
    encoding = sys.stdout.encoding or 'utf-8'
    print(text.encode(encoding, 'backslashreplace').decode(encoding))


def _run(folder: RunFolder, options: Options,
         executor: Callable[[Sequence[Task]], Generator[Result, None, None]], total: int, *,
         parquet: bool) -> int:
    """Run what remains and write the results; the number of the signal that stopped it, or 0."""
    if options.overlay_folder and folder.remaining:
        options.overlay_folder.mkdir(exist_ok=True)
    with interruption.noted() as noted:
        try:
            with closing(executor(folder.remaining)) as results:
                for result in tqdm(results, total=total, initial=folder.done, unit='input',
                                   disable=None):
                    # What went wrong after a signal may be what C code made of it.
                    if not (noted.is_set() and (result.error or result.notes)):
                        _keep(folder, result)
                    if noted.is_set():
                        return noted.number
            folder.finish(parquet=parquet)
        except KeyboardInterrupt:
            return noted.number
        except Exception:
            if not noted.is_set():
                raise
            return noted.number
    return 0


def _keep(folder: RunFolder, result: Result) -> None:
    if folder.keep(result):
        for line in (result.error, *result.notes):
            if line:
                tqdm.write(f'assess: {folder.name_of(result)}: {line}', file=sys.stderr)


def _results(tasks: Sequence[Task], options: Options, parsed: argparse.Namespace
             ) -> Generator[Result, None, None]:
    if parsed.scheduler:
        return _on_dask(tasks, options, parsed.scheduler, parsed.jobs)
    if parsed.jobs == 1:
        return executors.in_process(tasks, options)
    return executors.in_processes(tasks, options, parsed.jobs)


def _on_dask(tasks: Sequence[Task], options: Options, address: str, jobs: int
             ) -> Generator[Result, None, None]:
    try:
        from stroke_side_monitor.offline import on_dask
    except ImportError as error:
        raise StartError(f'--scheduler needs Dask ({error}); make fleet-setup, or pip install -r '
                         'requirements/fleet.txt') from error
    return on_dask.results(tasks, options, address, jobs)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='assess', description='Assess facial asymmetry on pictures, videos and rosbag2 '
        'recordings. Left and right are the patient\'s own. A measurement aid, not a diagnosis.')
    parser.add_argument('inputs', nargs='+', metavar='INPUT',
                        help='picture, video, rosbag2 folder or .mcap, a folder of them, a glob, a '
                        'URL, or a manifest (.csv, .parquet; docs/fleet.md)')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR',
                        help='where assessments.jsonl, asymmetry.csv and summary.csv go')
    parser.add_argument('--format', choices=('parquet',),
                        help='the records as a Parquet dataset, too: DIR/assessments.parquet '
                        '(docs/fleet.md)')
    parser.add_argument('--per', choices=('second', 'frame'), default='second',
                        help='one record per second (default) or frame of videos and bags')
    parser.add_argument('--topic', help='image topic of the bags, where they hold several')
    parser.add_argument('--cue-topic', metavar='TOPIC',
                        help='topic of the patient\'s exercise cues, where bags hold several')
    parser.add_argument('--mirrored', action='store_true',
                        help='the pictures are mirror images, as many webcams make them')
    parser.add_argument('--rotation', type=int, choices=(0, 90, 180, 270), default=0,
                        help='turn the pictures clockwise by so many degrees, after --mirrored')
    parser.add_argument('--overlay', action='store_true',
                        help='also write annotated pictures to DIR/overlay')
    parser.add_argument('--jobs', type=_positive, default=1, metavar='N',
                        help='processes to use (default 1)')
    parser.add_argument('--memory', type=_gigabytes, default=4.0, metavar='GB',
                        help='what one worker process may ask for (default %(default)s)')
    parser.add_argument('--scheduler', metavar='ADDRESS',
                        help='run on Dask workers: tcp://HOST:PORT of a `dask scheduler`, or '
                        '"local" for --jobs workers on this machine (docs/fleet.md)')
    parser.add_argument('--resume', action='store_true',
                        help='carry on with what an interrupted run has left in DIR, if anything')
    parser.add_argument('--min-interocular', type=float, metavar='PX',
                        default=PipelineSettings.min_interocular_px,
                        help='smallest eye distance still assessed, pixels (default %(default)s)')
    parser.add_argument('--set', action='append', default=[], type=_assignment,
                        metavar='NAME=VALUE', dest='changes',
                        help='another value of any parameter of the pipeline (docs/ros_api.md), '
                        'e.g. mouth_on=3.5; may be repeated')
    parser.add_argument('--model', type=Path, metavar='FILE',
                        help='side classifier, .tflite with its card beside it (default: ours)')
    parser.add_argument('--norms', type=Path, metavar='FILE',
                        help='norms of healthy faces (default: ours)')
    parsed = parser.parse_args(arguments)
    chosen = PipelineSettings(
        input_mirrored=parsed.mirrored, image_rotation_deg=parsed.rotation,
        min_interocular_px=parsed.min_interocular)
    try:
        parsed.settings = parameters.changed(chosen, dict(parsed.changes))
    except parameters.ParameterError as error:
        parser.error(str(error))
    return parsed


def _gigabytes(text: str) -> float:
    number = float(text)
    if not 0.5 <= number <= 1000:
        raise argparse.ArgumentTypeError('must be 0.5 to 1000')
    return number


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition('=')
    if not equals:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=VALUE')
    return name.strip(), value.strip()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError('must be 1 or more')
    return number


if __name__ == '__main__':
    sys.exit(main())
