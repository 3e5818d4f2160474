"""`python -m training.scans`: phantom patients as files, for trying the scan trainer and the page.

It never writes over files that it did not write, and never anything of a patient.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from training.common import appearing_folder, log, run_command
from training.scans import lesions, writing
from training.scans.phantom import SCANNERS, draw_patient

MADE_BY = 'training.scans'


def write_patients(out: Path, patients: int, *, form: str, scanner: str, seed: int,
                   stroke_share: float = 0.5, kinds: Sequence[str] = (), single: bool = False
                   ) -> None:
    """Write phantoms, labels.csv and truth/ into the folder `out`, replacing an earlier one.

    Args:
        form: 'dicom', 'nifti', 'png' or 'jpeg'. kinds: of lesions, taken in turn; empty draws.
        single: one slice a patient (for a stroke the one with most lesion) instead of a series.

    Raises:
        TrainingError: `out` holds what this did not write.
    """
    rows: list[dict[str, str]] = []
    strokes = 0
    with appearing_folder(out, MADE_BY) as folder:
        for number in tqdm(range(patients), desc='phantoms', unit='patient'):
            stroke = int((number + 1) * stroke_share) > int(number * stroke_share)
            kind = kinds[strokes % len(kinds)] if kinds and stroke else None
            strokes += stroke
            drawn = draw_patient(seed * 100_003 + number, stroke=stroke, scanner=scanner,
                                 kind=kind)
            name = f'phantom_{scanner}{seed}_{number:04d}'
            rows.append(writing.write_patient(folder, name, drawn, form, single=single))
        writing.write_labels(folder, rows)
    log.info('%d phantoms of scanner %s (%s): %s', patients, scanner, form, out)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.scans', description=__doc__)
    parser.add_argument('--out', type=Path, required=True, help='folder for the phantoms')
    parser.add_argument('--patients', type=int, default=12)
    parser.add_argument('--format', choices=writing.FORMS, default='dicom')
    parser.add_argument('--scanner', choices=sorted(SCANNERS), default='a')
    parser.add_argument('--kinds', nargs='*', choices=lesions.KINDS, default=(),
                        help='of lesions, in turn; drawn where left out')
    parser.add_argument('--single', action='store_true', help='one slice a patient')
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args()
    return run_command(lambda: write_patients(
        given.out, given.patients, form=given.format, scanner=given.scanner, seed=given.seed,
        kinds=given.kinds, single=given.single))


if __name__ == '__main__':
    raise SystemExit(main())
