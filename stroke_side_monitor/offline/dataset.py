"""The records of a run as a Parquet dataset, for pandas, DuckDB, Spark and the like.

It never holds more than a few thousand records, and shows itself only when it is complete.
Columns, types and units: docs/fleet.md; whoever changes them raises SCHEMA_VERSION.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from stroke_side_monitor.assessment.metrics import UNITS
from stroke_side_monitor.offline.records import Record

NAME = 'assessments.parquet'
SCHEMA_VERSION = 1
_METADATA = 'stroke_side_monitor.'
_TOGETHER = 4096
_MOST_ROWS_OF_A_FILE = 1_000_000

# Arrow's name of the type, and the unit where there is one.
_COLUMNS: Mapping[str, tuple[str, str]] = {
    'outcome': ('string', ''), 'place': ('int64', ''), 'record': ('int32', ''),
    'input': ('string', ''), 'error': ('string', ''), 'stamp_s': ('double', 's'),
    'side': ('string', ''), 'confidence': ('double', ''), 'p_left': ('double', ''),
    'p_none': ('double', ''), 'p_right': ('double', ''), 'M': ('double', 'SD'),
    'E': ('double', 'SD'), 'classifier_score': ('double', ''),
    'classifier_agreement': ('string', ''), 'stable': ('bool', ''),
    'symmetry_index': ('double', ''), 'grade': ('string', ''), 'basis': ('string', ''),
    'mouth_severity': ('string', ''), 'eye_severity': ('string', ''), 'pattern': ('string', ''),
    'severity_reasons': ('list<string>', ''), 'reasons': ('list<string>', ''),
    'yaw_deg': ('double', 'deg'), 'pitch_deg': ('double', 'deg'), 'roll_deg': ('double', 'deg'),
    'interocular_px': ('double', 'px'), 'mouth_width_mm': ('double', 'mm'),
    'luminance': ('double', ''), 'sharpness': ('double', ''),
    'frames': ('int32', ''), 'frames_assessed': ('int32', ''),
}
# Not by the side, which is null where there is an error: pandas cannot read such a partition.
_PARTITIONED_BY = 'outcome'
_FAILED = 'error'


def missing() -> str:
    """What is not installed that a dataset needs, in one line; '' when all is there."""
    try:
        import pyarrow.dataset  # noqa: F401
    except ImportError as error:
        return (f'--format parquet needs pyarrow ({error}); make fleet-setup, or pip install -r '
                'requirements/fleet.txt')
    return ''


def column(metric: str, prefix: str = '') -> str:
    """The column of a metric, without the dot that SQL would take for something else."""
    return prefix + metric.replace('.', '_')


def write(folder: Path, results: Iterable[Sequence[Record]], description: Mapping[str, Any]
          ) -> None:
    """Write the dataset under a name that readers pass over; publish() shows it.

    Args:
        results: the records of each input, in the order of the inputs.
        description: what the run was made with; goes into every file's metadata.

    Raises:
        OSError: it cannot be written; nothing is left behind then.
    """
    import pyarrow
    from pyarrow import dataset
    schema = _schema(description)
    batches = (pyarrow.RecordBatch.from_pylist(rows, schema=schema)
               for rows in _together(_rows(results)))
    partial = _partial(folder)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        dataset.write_dataset(
            batches, partial, schema=schema, format='parquet',
            partitioning=dataset.partitioning(
                pyarrow.schema([schema.field(_PARTITIONED_BY)]), flavor='hive'),
            # By one thread, so that the same run gives the same bytes.
            use_threads=False, max_rows_per_file=_MOST_ROWS_OF_A_FILE,
            max_rows_per_group=_MOST_ROWS_OF_A_FILE // 8, basename_template='part-{i}.parquet')
        partial.mkdir(exist_ok=True)  # of no input at all
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def publish(folder: Path) -> None:
    """Put what write() wrote in the place of an earlier run's dataset; or only remove that."""
    before = folder / f'.{NAME}.before'
    shutil.rmtree(before, ignore_errors=True)
    if (folder / NAME).exists():
        os.replace(folder / NAME, before)
    if _partial(folder).exists():
        os.replace(_partial(folder), folder / NAME)
    shutil.rmtree(before, ignore_errors=True)


def _partial(folder: Path) -> Path:
    return folder / f'.{NAME}.partial'


def _schema(description: Mapping[str, Any]) -> Any:
    import pyarrow
    types = {'list<string>': pyarrow.list_(pyarrow.string())}
    columns = {**_COLUMNS,
               **{column(name): ('double', unit) for name, unit in UNITS.items()},
               **{column(name, 'z_'): ('double', 'SD') for name in UNITS}}
    return pyarrow.schema(
        [pyarrow.field(name, types.get(kind) or pyarrow.type_for_alias(kind),
                       metadata={'unit': unit} if unit else None)
         for name, (kind, unit) in columns.items()],
        metadata={f'{_METADATA}schema': str(SCHEMA_VERSION),
                  f'{_METADATA}run': json.dumps(description)})


def _rows(results: Iterable[Sequence[Record]]) -> Iterator[Record]:
    for place, result in enumerate(results):
        for number, record in enumerate(result):
            row = {'outcome': record.get('side', _FAILED), 'place': place, 'record': number}
            for name, value in record.items():
                if name == 'metrics':
                    row |= {column(metric): one for metric, one in value.items()}
                elif name == 'z':
                    row |= {column(metric, 'z_'): one for metric, one in value.items()}
                else:
                    row[name] = value
            yield row


def _together(rows: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(islice(rows, _TOGETHER)):
        yield batch
