"""`make bench`: what a frame costs, beside the bare networks on the same frames, and over DDS.

It never judges accuracy and never fails on a slow machine: it prints figures, writes bench.json
and says on what they were measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import stills
from bench.scene import HEIGHT, WIDTH, machine, simulated_frames
from stroke_side_monitor import atomic_file, resources
from stroke_side_monitor.local_dds import keep_local

# Most of each, but for keras_over_classify. CPU is told against bare FaceMesh on every frame of the
# same run.
GOALS = {'face_over_mesh': 1.2, 'nobody_over_mesh': 0.6, 'frame_over_mesh': 1.2, 'rss_mb': 200.0,
         'keras_over_classify': 10.0, 'latency_ms_p50': 12.0, 'latency_ms_p99': 25.0,
         'inactive_cpu_percent': 1.0}
STILLS_GOAL = 0.9  # of bare FaceMesh; two looks cannot reach it, one would favour a side
_KERAS = """
import sys, time, numpy as np, keras
model = keras.applications.MobileNetV2(weights=None, input_shape=(224, 224, 3), classes=3)
frame = np.zeros((1, 224, 224, 3), np.float32)
times = []
for _ in range(40):
    start = time.perf_counter()
    model.predict(frame, verbose=0)
    times.append((time.perf_counter() - start) * 1e3)
print(np.median(times[10:]))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 0 whatever the figures are."""
    options = _parse(arguments)
    keep_local(os.environ)
    # Only now: DDS reads its settings from the environment when rclpy starts.
    from bench import frame, wire

    frames = simulated_frames(options.pictures)
    figures: dict[str, Any] = {'machine': machine()}
    figures |= frame.measure(frames, options.frames)
    figures['stills'] = stills.of_frames(frames, options.frames // 2)
    photographs = sorted(options.photographs.rglob('*.jpg'))[:options.frames // 2]
    if photographs:
        figures['photographs'] = stills.of_files(photographs)
    figures['keras_predict_ms'] = keras_predict_ms(options.keras_python)
    if figures['keras_predict_ms'] is not None:
        figures['keras_over_classify'] = (
            figures['keras_predict_ms'] / figures['face']['stages_ms']['classify'])
    if options.seconds:
        figures['over_dds'] = wire.measure(frames, options.seconds)
    atomic_file.write(options.out, (json.dumps(figures, indent=2) + '\n').encode())
    print(as_text(figures))
    print(f'written: {options.out}')
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='bench', description=__doc__.splitlines()[0])
    parser.add_argument('--frames', type=int, default=600, help='frames per stage (default 600)')
    parser.add_argument('--pictures', type=int, default=60, help='different pictures (default 60)')
    parser.add_argument('--seconds', type=float, default=20.0,
                        help='of each phase over DDS, 0: leave it out (default 20)')
    parser.add_argument('--photographs', type=Path,
                        default=resources.photographs() / 'london_faces',
                        help='a folder of JPEG faces to read and assess (default %(default)s)')
    parser.add_argument('--keras-python', type=Path, default=Path('.venv-train/bin/python'),
                        help='a Python that has keras, for the comparison')
    parser.add_argument('--out', type=Path, default=Path('bench.json'))
    return parser.parse_args(arguments)


def keras_predict_ms(python: Path) -> float | None:
    """Median of the notebook's way, one frame through Keras `predict`; None without Keras."""
    if not python.exists():
        return None
    done = subprocess.run(
        [str(python), '-c', _KERAS], capture_output=True, text=True, check=False,
        env={**os.environ, 'CUDA_VISIBLE_DEVICES': '', 'TF_CPP_MIN_LOG_LEVEL': '3'})
    if done.returncode != 0:
        print(f'bench: keras left out, {python} said: {done.stderr.strip().splitlines()[-1]}',
              file=sys.stderr)
        return None
    return float(done.stdout.split()[-1])


def as_text(figures: Mapping[str, Any]) -> str:
    """The figures as a table for people."""
    computer = figures['machine']
    lines = [f'{computer["cpu"]}, {computer["cores"]} cores, Python {computer["python"]}, '
             f'load {computer["load_before"]:.1f} before the start',
             f'simulated patient, {WIDTH}x{HEIGHT} at 30 Hz, {figures["frames"]} frames each', '']
    lines += _in_process('with a face', figures['face'])
    lines += ['', *_in_process('nobody there', figures['nobody']), '',
              _goal('frame / bare FaceMesh', figures['face']['frame_over_mesh'],
                    GOALS['frame_over_mesh'])]
    if figures['keras_predict_ms'] is None:
        lines.append('  Keras predict: left out, no Keras (make train-setup)')
    else:
        lines.append(f'  {"Keras predict":<22}{figures["keras_predict_ms"]:8.2f} ms   '
                     f'({figures["keras_over_classify"]:.0f} x our classify; goal at least '
                     f'{GOALS["keras_over_classify"]:.0f} x)')
    lines += ['', 'one job of assess, pictures a second; it looks twice, bare FaceMesh once',
              _stills('in memory', figures['stills'])]
    if 'photographs' in figures:
        lines.append(_stills('files', figures['photographs']))
    else:
        lines.append('  files: left out, no JPEG there (--photographs)')
    wire = figures.get('over_dds')
    if wire:
        lines += ['', f'over DDS between processes, 30 Hz raw images, {wire["seconds"]:.0f} s each']
        for phase in ('active', 'no_face', 'inactive'):
            lines.append(f'  {phase:<10}CPU {wire[phase]["cpu_percent"]:5.1f} % of one core'
                         f'   RSS {wire[phase]["rss_mb"]:5.0f} MB, '
                         f'{wire[phase]["shared_mb"]:.0f} of them shared' + _latency(wire[phase]))
        mesh = 100 * figures['face']['cpu_s_per_camera_s']['mesh_on_every_frame']
        lines += [
            _goal('active / bare FaceMesh', wire['active']['cpu_percent'] / mesh,
                  GOALS['face_over_mesh']),
            _goal('nobody / bare FaceMesh', wire['no_face']['cpu_percent'] / mesh,
                  GOALS['nobody_over_mesh']),
            _goal('inactive CPU %', wire['inactive']['cpu_percent'],
                  GOALS['inactive_cpu_percent']),
            _goal('latency p50 ms', wire['active']['latency_ms']['p50'], GOALS['latency_ms_p50']),
            _goal('latency p99 ms', wire['active']['latency_ms']['p99'], GOALS['latency_ms_p99']),
            _goal('RSS MB', wire['active']['rss_mb'], GOALS['rss_mb']),
            f'  half of these {computer["cores"]} cores carry '
            f'{50 * computer["cores"] / wire["active"]["cpu_percent"]:.1f} such cameras; estimates '
            'for other boards: docs/platforms.md']
    return '\n'.join(lines)


def _in_process(name: str, figures: Mapping[str, Any]) -> list[str]:
    cost = figures['cpu_s_per_camera_s']
    return [
        f'{name}: {figures["assessed_per_s"]:.1f} frames a second assessed, '
        f'{figures["classified_per_s"]:.1f} by the classifier too; passed over in '
        f'{figures["passed_over_ms"]:.3f} ms; medians of the others, wall and processor time',
        *(f'  {stage:<22}{elapsed:8.2f} ms  {figures["stages_cpu_ms"][stage]:8.2f} ms'
          for stage, elapsed in figures['stages_ms'].items()),
        '  CPU-seconds per second of camera:',
        f'  {"our chain":<22}{cost["chain"]:8.3f}',
        f'  {"floor":<22}{cost["floor"]:8.3f}      (bare FaceMesh and classifier on the frames '
        f'that we look at; ours {figures["ratio_to_floor"]:.2f} times that)',
        f'  {"FaceMesh every frame":<22}{cost["mesh_on_every_frame"]:8.3f}      '
        f'(ours {figures["ratio_to_mesh"]:.2f} times that)']


def _stills(name: str, rates: Mapping[str, float]) -> str:
    return (f'  {name:<10}{rates["assess_per_s"]:6.1f}   its two looks alone '
            f'{rates["looks_per_s"]:.1f}, bare FaceMesh {rates["mesh_per_s"]:.1f}   '
            f'{rates["ratio"]:.2f} of it (goal at least {STILLS_GOAL:g})')


def _latency(phase: Mapping[str, Any]) -> str:
    if not phase['answers']:
        return ''
    times = phase['latency_ms']
    return (f'   stamp to message p50 {times["p50"]:.1f}  p95 {times["p95"]:.1f}  '
            f'p99 {times["p99"]:.1f} ms   {100 * phase["answered"]:.1f} % of frames answered')


def _goal(name: str, value: float, most: float) -> str:
    verdict = 'reached' if value <= most else 'MISSED'
    return f'  {name:<22}{value:8.2f}      (goal at most {most:g}: {verdict})'


if __name__ == '__main__':
    # The shipped model is needed; say so before a minute of drawing.
    resources.model_path('side_classifier.tflite')
    raise SystemExit(main())
