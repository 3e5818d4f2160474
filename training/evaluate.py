"""evaluate: finished runs and their dataset → one HTML report and one JSON, models side by side.

It measures the SAVED, quantised files on the test split, which nothing else in training reads.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training import report
from training.common import (
    TrainingError,
    appearing_folder,
    check_replaceable,
    log,
    run_command,
    write_json,
    write_whole,
)
from training.dataset import answerable, load
from training.explain import heat_maps
from training.figures import all_figures
from training.predictors import answers, open_run
from training.scans.dataset import is_scan_dataset
from training.scans.evaluate import evaluate_scans

MADE_BY = 'training.evaluate'
_SHOWN = 8


def evaluate(runs: list[Path], data: Path, out: Path, split: str = 'test') -> dict[str, Any]:
    """Measure every run on a split and write out/report.html and out/evaluation.json.

    The same figures go into each run folder, for export.
    """
    check_replaceable(out, MADE_BY)
    dataset = load(data)
    results: dict[str, Any] = {}
    pages: list[report.Page] = []
    for folder in runs:
        run = open_run(folder)
        if run.about['dataset'] != dataset.manifest:
            raise TrainingError(f'{folder} was trained on another dataset than {data}; its test '
                                'people may have been trained on')
        rows, labels = answerable(dataset.split(split), run.task)
        said = answers(run, dataset, rows)
        figures = {'model': run.name, 'task': run.task.name, 'split': split,
                   'classes_in_order': run.task.classes,
                   **all_figures(run.task, rows, labels, said)}
        key = run.name if run.name not in results else f'{run.name} ({folder})'
        results[key] = figures
        weak = [row for row in rows if row['label'] != 'none']
        shown = weak[::max(1, len(weak) // _SHOWN)][:_SHOWN]
        pages.append(report.Page(key, run, figures, labels, said,
                                 heat_maps(run, dataset, shown)))
        write_json(folder / 'evaluation.json', figures)
    with appearing_folder(out, MADE_BY) as hidden:
        write_json(hidden / 'evaluation.json', {'dataset': dataset.manifest, 'models': results})
        write_whole(hidden / 'report.html', report.render(pages, dataset.manifest, split))
    for name, figures in results.items():
        log.info('%-32s %-14s accuracy %s  mirror agreement %.3f', name, figures['task'],
                 report.interval(figures['accuracy']), figures['mirror']['agreement'])
    log.info('report: %s', out / 'report.html')
    return results


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.evaluate', description=__doc__)
    parser.add_argument('runs', nargs='+', type=Path, help='run folders made by train')
    parser.add_argument('--data', type=Path, required=True, help='folder made by prepare')
    parser.add_argument('--out', type=Path, required=True, help='folder for the report; rebuilt')
    parser.add_argument('--split', choices=('test', 'validation'), default='test')
    given = parser.parse_args()
    return run_command(lambda: _no_value(given))


def _no_value(given: argparse.Namespace) -> None:
    if is_scan_dataset(given.data):
        evaluate_scans(given.runs, given.data, given.out, given.split, made_by=MADE_BY)
    else:
        evaluate(given.runs, given.data, given.out, given.split)


if __name__ == '__main__':
    raise SystemExit(main())
