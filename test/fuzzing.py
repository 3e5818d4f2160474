"""Damaged files by the thousand: `python test/fuzzing.py --mutants 20000`; test_fuzz.py runs some.

Each mutant lies in a folder beside intact files and goes through the command that a user would run.
It never judges what it cannot know: a mutant may be refused, or give what an honest reader sees in
it; never a trace, never a hang, never a changed neighbour, and never the other side where the
format lets damage be seen. WebP, VP8 and MPEG-4 have no checksums: a smeared picture is one.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import astronaut, portrait
from stroke_side_monitor.simulation.recording import write_bag
from stroke_side_monitor.simulation.session import Session, SessionPlan
from stroke_side_monitor.simulation.still import simulate_still

REPOSITORY = Path(__file__).resolve().parents[1]
PLAN = SessionPlan(exercises=('smile',), first_rest_s=1.2, rest_s=0.3, hold_s=0.6, fps=6.0,
                   width=320, height=240, interocular_px=60.0)
PATIENCE_S = 600.0
WITHOUT_CHECKSUMS = ('webp', 'mp4', 'webm')


def seeds(folder: Path) -> dict[str, Path]:
    """One intact file of each kind; every face is weak on its left."""
    folder.mkdir(parents=True, exist_ok=True)
    person = portrait(astronaut(), 'astronaut')
    framed = person.framed(320, 240, 70.0)
    rgb, _ = simulate_still(framed, Palsy.of(Side.LEFT, 1.0, 'central'), 'smile')
    for name in ('a.jpg', 'a.png', 'a.webp'):
        cv2.imwrite(str(folder / name), np.ascontiguousarray(rgb[..., ::-1]))
    session = Session(person, Palsy.of(Side.LEFT, 1.0, 'central'), PLAN, seed=1)
    for name, codec in (('a.mp4', 'mp4v'), ('a.webm', 'VP80')):
        writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter.fourcc(*codec), PLAN.fps,
                                 (PLAN.width, PLAN.height))
        for frame in session:
            writer.write(cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
        writer.release()
    for storage in ('mcap', 'sqlite3'):
        write_bag(session, folder / storage, storage=storage)
    return {'jpg': folder / 'a.jpg', 'png': folder / 'a.png', 'webp': folder / 'a.webp',
            'mp4': folder / 'a.mp4', 'webm': folder / 'a.webm', 'mcap': folder / 'mcap',
            'sqlite3': folder / 'sqlite3'}


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One to four wounds of the kinds that disks, networks and telephones make."""
    wounded = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(wounded) + 1)
        length = min(chance.choice((1, 2, 16, 512, 4096)), max(len(wounded) - at, 0))
        kind = chance.randrange(6)
        if kind == 0 and length:
            wounded[at:at + length] = bytes(length)
        elif kind == 1 and length:
            wounded[at:at + length] = chance.randbytes(length)
        elif kind == 2 and at < len(wounded):
            wounded[at] ^= 1 << chance.randrange(8)
        elif kind == 3:
            del wounded[at:]
        elif kind == 4:
            del wounded[at:at + length]
        else:
            wounded[at:at] = chance.randbytes(length or 1)
        if not wounded:
            break
    return bytes(wounded)


def write_mutant(seed: Path, target: Path, chance: random.Random) -> None:
    """A wounded copy: of a bag, one of its files is."""
    if not seed.is_dir():
        target.write_bytes(mutate(seed.read_bytes(), chance))
        return
    target.mkdir()
    files = sorted(path for path in seed.iterdir() if path.is_file())
    hit = chance.choice(files)
    for path in files:
        data = path.read_bytes()
        (target / path.name).write_bytes(mutate(data, chance) if path == hit else data)


def run_mutants(intact: dict[str, Path], work: Path, count: int, seed: int,
                progress: Callable[[str], None] = lambda _: None) -> tuple[Counter[str], list[str]]:
    """Assess `count` mutants of every kind among intact ones.

    Returns:
        how many ended how, and what should not be, one line each.
    """
    chance = random.Random(seed)
    folder = work / 'mutants'
    folder.mkdir(parents=True)
    for kind, path in intact.items():
        for index in range(count):
            suffix = path.suffix if path.is_file() else ''
            write_mutant(path, folder / f'{kind}-{index:05d}{suffix}', chance)
    progress(f'{count} mutants of {len(intact)} kinds')
    out = work / 'out'
    done = subprocess.run(
        [sys.executable, '-m', 'stroke_side_monitor.assess', *map(str, intact.values()),
         str(folder), '--out', str(out), '--jobs', '2', '--topic', '/camera/image_raw/compressed'],
        capture_output=True, text=True, cwd=REPOSITORY, timeout=PATIENCE_S * (1 + count / 100))
    if done.returncode not in (0, 1):
        return Counter(), [f'status {done.returncode}: {done.stderr[-2000:]}']
    records: dict[str, list[dict]] = {}
    for line in (out / 'assessments.jsonl').read_text().splitlines():
        record = json.loads(line)
        records.setdefault(record['input'], []).append(record)
    return judge(intact, folder, records, done.stderr)


def judge(intact: dict[str, Path], folder: Path, records: dict[str, list[dict]], told: str
          ) -> tuple[Counter[str], list[str]]:
    """What the records say of mutants and neighbours."""
    ended: Counter[str] = Counter()
    wrong = ['a trace: ' + told[told.index('Traceback'):][:2000]] if 'Traceback' in told else []
    for kind, path in intact.items():
        sides = {record.get('side') for record in records[str(path)]}
        if 'left' not in sides or sides - {'left', 'none', 'unknown'}:
            wrong.append(f'the intact {kind} beside the mutants is {sides}')
    names = {name: of for name, of in records.items() if name.startswith(str(folder))}
    for path in folder.iterdir():
        if str(path) not in names and not any(name.startswith(str(path)) for name in names):
            wrong.append(f'{path.name}: no record')
    for name, of in names.items():
        kind = Path(name).relative_to(folder).parts[0].split('-')[0]
        error = of[0].get('error', '')
        sides = {record.get('side') for record in of}
        ended[f'{kind}: {"refused" if error else "assessed"}'] += 1
        if 'please report' in error:
            wrong.append(f'{name}: {error}')
        if 'right' in sides and kind in WITHOUT_CHECKSUMS:
            ended[f'{kind}: the other side'] += 1
        elif 'right' in sides:
            wrong.append(f'{name}: the other side')
    return ended, wrong


def main() -> int:
    """Print how the mutants ended; 1 when any did what none may."""
    parser = argparse.ArgumentParser(prog='fuzzing', description=__doc__.splitlines()[0])
    parser.add_argument('--mutants', type=int, default=20000, help='of all kinds together')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--keep', type=Path, help='folder that is kept, to look at a mutant')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.keep or Path(temporary)
        intact = seeds(work / 'intact')
        ended, wrong = run_mutants(intact, work, -(-options.mutants // len(intact)),
                                   options.seed, print)
    for how, count in sorted(ended.items()):
        print(f'{how}: {count}')
    for line in wrong:
        print(line)
    return int(bool(wrong))


if __name__ == '__main__':
    raise SystemExit(main())
