"""How late the monitor answers larger and faster cameras, and how many of their frames it answers.

Two processes over real DDS, as in bench/wire.py; by default every frame is to be assessed, which
is more than the monitor's own default asks for. It never judges the answers.
Run: .venv/bin/python -m bench.sizes [--assess-rate 15] (ROS 2 Jazzy: .venv-jazzy, ROS_DISTRO=jazzy)
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from bench.scene import machine, simulated_frames
from stroke_side_monitor.local_dds import keep_local

SIZES = ((640, 480), (1280, 720), (1920, 1080))
RATES_HZ = (30.0, 60.0)
# Least share answered, by rate.
GOALS = {30.0: 0.99, 60.0: 0.97}
EVERY_FRAME_HZ = 240.0
_PICTURES = 20


def main() -> None:
    """Measure and print the table."""
    options = _parse()
    keep_local(os.environ)
    # Only now: DDS reads its settings from the environment when rclpy starts.
    from bench import wire

    computer = machine()
    print(f'{computer["cpu"]}, {computer["cores"]} cores, Python {computer["python"]}, ROS 2 '
          f'{os.environ.get("ROS_DISTRO", "kilted")}, load {computer["load_before"]:.1f} before '
          f'the start; {options.seconds:.0f} s each')
    print('| picture | shown at | to be assessed | answered | p50 ms | p99 ms | CPU |')
    print('|---' * 7 + '|')
    for width, height in SIZES:
        frames = simulated_frames(_PICTURES, width, height)
        for rate_hz in RATES_HZ:
            found = wire.measure_rate(frames, options.seconds, rate_hz, options.assess_rate)
            print(_row(f'{width}×{height}', rate_hz, found, options.seconds), flush=True)


def _row(size: str, rate_hz: float, found: dict[str, Any], seconds: float) -> str:
    latency = found.get('latency_ms', {'p50': float('nan'), 'p99': float('nan')})
    verdict = '' if found['answered'] >= GOALS[rate_hz] else \
        f' (goal {100 * GOALS[rate_hz]:.0f}: MISSED)'
    return (f'| {size} | {found["shown"] / seconds:.1f} Hz | {found["due"] / seconds:.1f} Hz | '
            f'{100 * found["answered"]:.1f} %{verdict} | {latency["p50"]:.1f} | '
            f'{latency["p99"]:.1f} | {found["cpu_percent"]:.0f} % |')


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m bench.sizes', description=__doc__)
    parser.add_argument('--seconds', type=float, default=20.0, help='of each row (default 20)')
    parser.add_argument('--assess-rate', type=float, default=EVERY_FRAME_HZ,
                        help="the monitor's assess_rate_hz (default %(default)g: every frame)")
    return parser.parse_args()


if __name__ == '__main__':
    main()
