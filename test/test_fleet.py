"""`assess` on Dask workers, from manifests and URLs: the answers of one process, whatever dies."""

import contextlib
import csv
import errno
import functools
import http.server
import json
import math
import os
import re
import signal
import socket
import tempfile
import threading
from collections import Counter
from pathlib import Path

import cv2
import pytest

from stroke_side_monitor import assess, resources
from stroke_side_monitor.assessment.metrics import UNITS
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline import dataset, sources, tasks
from stroke_side_monitor.offline.inputs import Input, Kind
from stroke_side_monitor.offline.isolation import Isolated
from stroke_side_monitor.offline.sources import Source
from stroke_side_monitor.offline.tasks import Options
from stroke_side_monitor.pipeline import PipelineSettings
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import portrait
from stroke_side_monitor.simulation.recording import write_bag, write_video
from stroke_side_monitor.simulation.session import Session, SessionPlan
from stroke_side_monitor.simulation.still import simulate_still

pytestmark = pytest.mark.usefixtures('fleet')

PLAN = SessionPlan(exercises=(), first_rest_s=2.0, rest_s=1.0, fps=10.0, head_motion=0.3,
                   camera=0.3)
FILES = ('assessments.jsonl', 'asymmetry.csv', 'summary.csv', 'run.json')
JOURNAL = '.assess.journal'


def run(*arguments):
    return assess.main([str(argument) for argument in arguments])


def lines(out):
    return [json.loads(line) for line in (out / 'assessments.jsonl').read_text().splitlines()]


def sides(out):
    return {record['input'].rstrip('/').rsplit('/', 1)[-1]: record.get('side', 'error')
            for record in lines(out)}


def assert_same(one, other):
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.fixture(scope='module')
def patient(astronaut):
    return portrait(astronaut, 'astronaut')


@pytest.fixture(scope='module')
def inputs(patient, tmp_path_factory):
    """left.jpg, right.png, session.mp4, a bag and a damaged picture."""
    folder = tmp_path_factory.mktemp('fleet') / 'inputs'
    folder.mkdir()
    framed = patient.framed(640, 480, 110.0)
    for side, name in ((Side.LEFT, 'left.jpg'), (Side.RIGHT, 'right.png')):
        rgb, _ = simulate_still(framed, Palsy.of(side, 1.0, 'central'), 'smile')
        cv2.imwrite(str(folder / name), rgb[:, :, ::-1])
    (folder / 'damaged.png').write_bytes(b'\x89PNG\r\n\x1a\n')
    session = Session(patient, Palsy.of(Side.RIGHT, 0.9, 'central'), PLAN, seed=2)
    write_video(session, folder / 'session.mp4')
    write_bag(session, folder / 'bag')
    return folder


def test_a_workers_processes_keep_the_memory_of_one_picture_for_the_next(inputs, monkeypatch):
    # As Dask's nanny has it; a quarter of the processor time of a video went there.
    monkeypatch.setenv('MALLOC_TRIM_THRESHOLD_', '65536')
    isolated = Isolated(Options(False, None, None, PipelineSettings()))
    try:
        isolated.results(tasks.number([Source(Input(inputs / 'left.jpg', Kind.PICTURE))]))
        environment = Path(f'/proc/{isolated._process.pid}/environ').read_bytes()
    finally:
        isolated.close()
    assert b'PATH=' in environment
    assert b'MALLOC_TRIM_THRESHOLD_' not in environment


@pytest.fixture(scope='module')
def undisturbed(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp('undisturbed')
    assert run(inputs, '--out', out) == 1
    return out


# Dask


def test_a_local_cluster_gives_the_same_bytes(inputs, undisturbed, tmp_path, capsys):
    assert run(inputs, '--out', tmp_path / 'out', '--scheduler', 'local', '--jobs', 2) == 1
    assert_same(tmp_path / 'out', undisturbed)
    assert 'dashboard: http://127.0.0.1:' in capsys.readouterr().err


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Cluster:
    """A scheduler and workers as an operator starts them, each in a process group of its own."""

    def __init__(self, start_process, folder):
        self._start, self._folder = start_process, folder
        self.address = f'tcp://127.0.0.1:{free_port()}'

    def scheduler(self):
        return self._start('-m', 'distributed.cli.dask_scheduler', '--host', self.address,
                           '--no-dashboard')

    def worker(self):
        return self._start('-m', 'distributed.cli.dask_worker', self.address, '--host',
                           '127.0.0.1', '--nthreads', '1', '--no-dashboard',
                           '--local-directory', str(self._folder))

    def assess(self, *arguments):
        return self._start('-m', 'stroke_side_monitor.assess', *map(str, arguments),
                           '--scheduler', self.address)


@pytest.fixture
def cluster(start_process, tmp_path):
    return Cluster(start_process, tmp_path / 'scratch')


def wait_for_results(out, process, count):
    journal = out / JOURNAL
    while not journal.exists() or journal.read_bytes().count(b'\n') <= count:
        assert process.poll() is None


def end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def many(inputs, tmp_path):
    folder = tmp_path / 'many'
    folder.mkdir()
    for index in range(50):
        os.link(inputs / ('left.jpg' if index % 2 else 'right.png'),
                folder / f'{index:02d}.{"jpg" if index % 2 else "png"}')
    for index in range(3):
        os.link(inputs / 'session.mp4', folder / f'{index}.mp4')
    return folder


def test_nothing_is_lost_or_doubled_when_everything_dies_in_turn(many, cluster, tmp_path):
    out = tmp_path / 'out'
    scheduler = cluster.scheduler()
    doomed, _ = cluster.worker(), cluster.worker()
    command = (many, '--out', out)
    client = cluster.assess(*command)
    wait_for_results(out, client, 1)
    end(doomed)  # for good, with its nanny
    wait_for_results(out, client, 2)
    end(client)
    kept = (out / JOURNAL).read_bytes().count(b'\n') - 1
    assert 2 <= kept < 53
    client = cluster.assess(*command, '--resume')
    wait_for_results(out, client, kept + 1)
    end(scheduler)
    cluster.scheduler()  # at the same address; its worker ended with the first
    cluster.worker()
    assert client.wait() == 0
    run(many, '--out', tmp_path / 'undisturbed', '--jobs', 2)
    assert_same(out, tmp_path / 'undisturbed')
    assert [record['input'] for record in lines(out) if 'mp4' not in record['input']] == [
        str(path) for path in sorted(many.glob('[0-9][0-9].*'))]


def readers(path):
    found = set()
    for process in Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if str(path) in map(os.readlink, (process / 'fd').iterdir()):
                found.add(int(process.name))
    return found - {os.getpid()}


def test_an_input_that_kills_its_worker_twice_is_an_error_and_the_workers_live(
        inputs, cluster, tmp_path, never_ending):
    folder = tmp_path / 'poisoned'
    folder.mkdir()
    os.link(inputs / 'left.jpg', folder / 'left.jpg')
    poison = never_ending(folder / 'poison.png')
    cluster.scheduler()
    worker = cluster.worker()
    client = cluster.assess(folder, '--out', tmp_path / 'out')
    held, killed = os.open(poison, os.O_RDWR), set()
    while len(killed) < 2:
        assert client.poll() is None
        for pid in readers(poison) - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    assert client.wait() == 1
    os.close(held)
    assert sides(tmp_path / 'out') == {'left.jpg': 'left', 'poison.png': 'error'}
    assert worker.poll() is None


def test_a_worker_of_another_version_is_refused(
        inputs, cluster, tmp_path, start_process, capfd):
    """Answers of two versions in one run would be nobody's."""
    old = tmp_path / 'old' / 'stroke_side_monitor'
    package = Path(assess.__file__).parent
    old.mkdir(parents=True)
    for entry in package.iterdir():
        if entry.name != '__init__.py':
            (old / entry.name).symlink_to(entry)
    (old / '__init__.py').write_text((package / '__init__.py').read_text().replace(
        '__version__ = ', "__version__ = '0.0.9'  # "))
    for name in ('config', 'models', 'setup.py', 'package.xml'):
        (tmp_path / 'old' / name).symlink_to(package.parent / name)
    cluster.scheduler()
    start_process('-c', f'import sys; sys.path.insert(0, {str(old.parent)!r}); '
                  'from distributed.cli.dask_worker import main; main()', cluster.address,
                  '--host', '127.0.0.1', '--nthreads', '1', '--no-dashboard',
                  '--local-directory', str(tmp_path / 'scratch'))
    assert cluster.assess(inputs, '--out', tmp_path / 'out').wait() == 2
    assert 'has another stroke_side_monitor than this command' in capfd.readouterr().err
    assert not (tmp_path / 'out' / 'summary.csv').exists()


def test_workers_without_this_package_are_told_of_and_others_awaited(
        inputs, cluster, tmp_path, start_process, capfd):
    """Such a worker ends before it has a task to fail."""
    package = tmp_path / 'without' / 'stroke_side_monitor'
    package.mkdir(parents=True)
    (package / '__init__.py').write_text('raise ModuleNotFoundError(__name__)')
    cluster.scheduler()
    useless = start_process(
        '-c', f'import sys; sys.path.insert(0, {str(package.parent)!r}); '
        'from distributed.cli.dask_worker import main; main()', cluster.address,
        '--host', '127.0.0.1', '--nthreads', '1', '--no-dashboard', '--local-directory',
        str(tmp_path / 'scratch'))
    client = cluster.assess(inputs / 'left.jpg', '--out', tmp_path / 'out')
    useless.wait()
    told = ''
    while 'cannot import this package: see its log' not in told:
        assert client.poll() is None
        told += capfd.readouterr().err
    cluster.worker()
    assert client.wait() == 0
    assert sides(tmp_path / 'out') == {'left.jpg': 'left'}


def test_a_worker_that_lacks_the_norms_is_said_in_one_line(inputs, cluster, tmp_path, capfd):
    """The file that the command was given is not on the worker's machine."""
    norms = tmp_path / 'norms.yaml'
    norms.write_bytes(resources.config_path('norms.yaml').read_bytes())
    cluster.scheduler()
    client = cluster.assess(inputs / 'left.jpg', '--out', tmp_path / 'out', '--norms', norms)
    told = ''
    while 'waiting for one' not in told:  # it has read the file by then
        assert client.poll() is None
        told += capfd.readouterr().err
    norms.unlink()
    cluster.worker()
    assert client.wait() == 2
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith('assess: ')]
    assert re.search(r'a worker cannot begin .* cannot be read \(No such file', told[-1])


def test_an_interrupt_is_heard_by_the_command_alone(many, tmp_path, start_process, capfd):
    """Ctrl-C reaches every process of a terminal; those of a local cluster have nothing to say."""
    out = tmp_path / 'out'
    client = start_process('-m', 'stroke_side_monitor.assess', str(many), '--out', str(out),
                           '--scheduler', 'local', wrapper=('env', '--default-signal=INT'))
    wait_for_results(out, client, 1)
    os.killpg(client.pid, signal.SIGINT)
    assert client.wait() == 130
    told = capfd.readouterr().err
    assert 'are kept in' in told
    assert 'KeyboardInterrupt' not in told


def test_no_scheduler_is_said_in_one_line(inputs, tmp_path, capsys, monkeypatch):
    from stroke_side_monitor.offline import on_dask
    monkeypatch.setattr(on_dask, '_CONNECT_S', 1)
    address = f'tcp://127.0.0.1:{free_port()}'
    assert run(inputs, '--out', tmp_path / 'out', '--scheduler', address) == 2
    assert f'no Dask scheduler answers at {address}' in capsys.readouterr().err


def test_an_input_gets_no_more_memory_than_allowed(tmp_path, capsys):
    import numpy as np
    cv2.imwrite(str(tmp_path / 'large.png'), np.zeros((15000, 15000, 3), np.uint8))
    cv2.imwrite(str(tmp_path / 'small.png'), np.zeros((100, 100, 3), np.uint8))
    assert run(tmp_path / 'large.png', tmp_path / 'small.png', '--out', tmp_path / 'out',
               '--jobs', 2, '--memory', 1) == 1
    assert sides(tmp_path / 'out') == {'large.png': 'error', 'small.png': 'unknown'}
    assert re.search('memory|allocat', capsys.readouterr().err)


# Parquet


@pytest.fixture(scope='module')
def in_parquet(inputs, tmp_path_factory):
    """The run of `undisturbed` with a dataset, and the dataset."""
    out = tmp_path_factory.mktemp('in_parquet')
    assert run(inputs, '--out', out, '--format', 'parquet') == 1
    return out, out / dataset.NAME


def flat(record):
    """A record of assessments.jsonl as a row of the dataset."""
    row = {name: value for name, value in record.items() if name not in ('metrics', 'z')}
    for name in UNITS if 'metrics' in record else ():
        row[name.replace('.', '_')] = record['metrics'].get(name)
        row[f'z_{name.replace(".", "_")}'] = record['z'].get(name)
    return row


def test_the_dataset_holds_the_records_one_a_row(in_parquet, undisturbed):
    from pyarrow import dataset as arrow
    out, folder = in_parquet
    assert_same(out, undisturbed)
    table = arrow.dataset(folder, partitioning='hive').to_table()
    rows = sorted(table.to_pylist(), key=lambda row: (row['place'], row['record']))
    assert all(row.pop('outcome') == row['side'] or row['error'] for row in rows)
    places = [row.pop('place') for row in rows]
    assert sorted(set(places)) == list(range(5))
    known = [{name: value for name, value in row.items() if value is not None
              and name != 'record'} for row in rows]
    assert known == [{name: value for name, value in flat(record).items() if value is not None}
                     for record in lines(out)]


def test_the_dataset_says_what_it_is(in_parquet):
    from pyarrow import parquet
    out, folder = in_parquet
    told = json.loads((out / 'run.json').read_text())
    for path in folder.rglob('*.parquet'):
        schema = parquet.read_schema(path)
        assert schema.metadata[b'stroke_side_monitor.schema'] == b'1'
        assert json.loads(schema.metadata[b'stroke_side_monitor.run'])['norms'] == told['norms']
        assert schema.field('mouth_commissure_height').metadata == {b'unit': b'mm'}
        documented = Path('docs/fleet.md').read_text()
        assert all(f'`{name}`' in documented for name in schema.names
                   if name.removeprefix('z_') not in {one.replace('.', '_') for one in UNITS})


def test_pandas_and_duckdb_read_the_dataset(in_parquet):
    import duckdb
    import pandas
    out, folder = in_parquet
    counted = Counter(record.get('side') for record in lines(out))
    frame = pandas.read_parquet(folder)
    assert Counter(side if isinstance(side, str) else None for side in frame['side']) == counted
    found = duckdb.sql(f"select side, count(*) from read_parquet('{folder}/*/*.parquet', "
                       'hive_partitioning = true) group by side').fetchall()
    assert dict(found) == counted
    assert Counter(frame['outcome']) == Counter(side or 'error' for side in counted.elements())


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*.parquet')}


def test_the_dataset_of_a_resumed_run_is_the_same(inputs, in_parquet, tmp_path, start_process):
    out = tmp_path / 'out'
    (tmp_path / 'inputs').symlink_to(inputs)
    client = start_process('-m', 'stroke_side_monitor.assess', str(inputs), '--out', str(out))
    wait_for_results(out, client, 2)
    end(client)
    assert run(inputs, '--out', out, '--resume', '--format', 'parquet', '--jobs', 2) == 1
    assert bytes_of(out / dataset.NAME) == bytes_of(in_parquet[1])
    assert [path.name for path in out.glob('.*')] == []


def test_a_dataset_never_stands_beside_the_results_of_another_run(inputs, tmp_path, capsys):
    command = (inputs / 'left.jpg', '--out', tmp_path / 'out')
    assert run(*command, '--format', 'parquet') == 0
    assert run(inputs / 'right.png', '--out', tmp_path / 'out', '--format', 'parquet') == 0
    assert list(bytes_of(tmp_path / 'out' / dataset.NAME)) == ['outcome=right/part-0.parquet']
    assert run(*command) == 0
    assert not (tmp_path / 'out' / dataset.NAME).exists()
    (tmp_path / 'home' / dataset.NAME).mkdir(parents=True)
    assert run(inputs / 'left.jpg', '--out', tmp_path / 'home', '--format', 'parquet') == 2
    assert 'not of an earlier run' in capsys.readouterr().err


def test_a_dataset_that_cannot_be_written_leaves_nothing_and_can_be_resumed(
        inputs, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    from pyarrow import dataset as arrow
    with monkeypatch.context() as patched:
        patched.setattr(arrow, 'write_dataset', full)
        assert run(inputs / 'left.jpg', '--out', tmp_path / 'out', '--format', 'parquet') == 2
    assert 'No space left on device' in capsys.readouterr().err
    assert [path.name for path in (tmp_path / 'out').iterdir()] == [JOURNAL]
    assert run(inputs / 'left.jpg', '--out', tmp_path / 'out', '--format', 'parquet',
               '--resume') == 0
    assert (tmp_path / 'out' / dataset.NAME).is_dir()


# Sources


@pytest.fixture
def served(inputs):
    """The folder over http."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(inputs))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


@pytest.mark.parametrize('how', [(), ('--jobs', 2), ('--scheduler', 'local')])
def test_urls_are_fetched_assessed_and_removed(served, undisturbed, tmp_path, monkeypatch, how):
    scratch = tmp_path / 'scratch'
    scratch.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(scratch))
    monkeypatch.setenv('TMPDIR', str(scratch))
    given = [f'{served}/left.jpg', f'{served}/session.mp4', f'{served}/absent.png']
    assert run(*given, '--out', tmp_path / 'out', *how) == 1
    records = lines(tmp_path / 'out')
    assert {record['input'] for record in records} == set(given)
    assert 'cannot be fetched (FileNotFoundError' in records[-1]['error']
    before = {Path(record['input']).name: record for record in lines(undisturbed)}
    after = {Path(record['input']).name: record for record in records}
    for name in ('left.jpg', 'session.mp4'):
        assert {**after[name], 'input': ''} == {**before[name], 'input': ''}
    assert list(scratch.rglob('*.mp4')) == []


def test_a_folder_of_urls_is_listed_with_its_bags(served, undisturbed, tmp_path):
    assert run(f'{served}/', '--out', tmp_path / 'out') == 1
    assert sides(tmp_path / 'out') == sides(undisturbed)
    assert run(f'{served}/*.jpg', '--out', tmp_path / 'globbed') == 0
    assert sides(tmp_path / 'globbed') == {'left.jpg': 'left'}


def test_globs_are_expanded(inputs, tmp_path):
    assert run(inputs / '*t.*g', tmp_path / '*.none', '--out', tmp_path / 'out') == 1
    assert sides(tmp_path / 'out') == {'left.jpg': 'left', 'right.png': 'right', '*.none': 'error'}


@pytest.mark.parametrize('pattern', ['**', 'ws/**', 'ws/**/*', '*', 'ws/**/**/*.jpg', 'ws/*'])
def test_what_a_glob_matches_on_several_ways_is_one_input(tmp_path, monkeypatch, pattern):
    """A folder and what is in it, a bag and its files, and links that lead back up."""
    monkeypatch.chdir(tmp_path)
    for name in ('ws/a/b/1.jpg', 'ws/a/2.jpg', 'ws/bag/metadata.yaml', 'ws/bag/0.mcap',
                 'ws/.hidden/3.jpg'):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path('ws/a/up').symlink_to(tmp_path)
    Path('ws/a/b/up').symlink_to(tmp_path / 'ws')
    found = [str(one.found.path.resolve().relative_to(tmp_path))
             for one in sources.find([pattern], Path('/elsewhere'))]
    bag = [] if pattern.endswith('jpg') else ['ws/bag']
    assert sorted(found) == ['ws/a/2.jpg', 'ws/a/b/1.jpg', *bag]


@pytest.mark.parametrize(('given', 'refused'), [
    ('ws/*', True), ('ws/**', True), ('**', True), ('ws/**/*.jpg', True), ('*/*', True),
    ('w[s]/**/*_left.j*', True), ('ws/r?s/overlay', True), ('link/*', True), ('m.csv', True),
    ('ws/../ws/*', True), ('w*/../ws/a.jpg', False),
    ('ws/*.jpg', False), ('ws/**/*.mcap', False), ('ws/**/IMG*.jpg', False), ('ws/[!r]*', False),
    ('ws/a.jpg', False)])
def test_results_never_lie_where_the_next_run_looks(tmp_path, monkeypatch, capsys, given, refused):
    """It would assess the overlays of this one."""
    monkeypatch.chdir(tmp_path)
    Path('ws').mkdir()
    Path('ws/a.jpg').touch()
    Path('link').symlink_to('ws')
    Path('m.csv').write_text('input\nws\n')
    assert run(given, '--out', 'ws/res', '--overlay') == (2 if refused else 1)
    assert ('choose a folder beside it' in capsys.readouterr().err) is refused
    assert Path('ws/res').exists() is not refused


@pytest.mark.parametrize('kind', ['csv', 'semicolons', 'parquet'])
def test_a_manifest_says_how_each_camera_hangs(inputs, tmp_path, kind):
    rows = [{'input': 'left.jpg', 'input_mirrored': 'true', 'robot': 'a', 'size': '1'},
            {'input': str(inputs / 'right.png'), 'input_mirrored': '', 'robot': 'b', 'size': ''},
            {'input': 'ba*', 'input_mirrored': 'false', 'robot': 'b', 'size': ''}]
    manifest = inputs.parent / f'manifest.{"parquet" if kind == "parquet" else "csv"}'
    for row in rows:
        row['input'] = row['input'] if row['input'][0] == '/' else f'inputs/{row["input"]}'
    if kind == 'parquet':
        import pyarrow
        from pyarrow import parquet
        parquet.write_table(pyarrow.Table.from_pylist(rows), manifest)
    else:
        with manifest.open('w', newline='') as file:
            writer = csv.DictWriter(file, list(rows[0]),
                                    delimiter=';' if kind == 'semicolons' else ',')
            writer.writeheader()
            writer.writerows(rows)
    assert run(manifest, '--out', tmp_path / 'out') == 0
    assert sides(tmp_path / 'out') == {'left.jpg': 'right', 'right.png': 'right', 'bag': 'right'}


@pytest.mark.parametrize(('text', 'why'), [
    ('path\nleft.jpg\n', 'has no column "input"; its columns are path'),
    ('input,input_mirored\nleft.jpg,true\n', 'did you mean input_mirrored?'),
    ('input,mirrored\nleft.jpg,true\n', 'no column mirrored; did you mean input_mirrored?'),
    ('input,Rotation\na.jpg,90\n', 'no column Rotation; did you mean image_rotation_deg?'),
    ('input,INPUT_MIRRORED\na.jpg,true\n', 'did you mean input_mirrored?'),
    ('input,min-interocular\na.jpg,90\n', 'did you mean min_interocular_px?'),
    ('input,cue-topic\na.mcap,/a\n', 'no column cue-topic; did you mean cue_topic?'),
    ('input,mouth_on\nleft.jpg,wide\n', "row 1: mouth_on: 'wide' is not a double"),
    ('input,size\nleft.jpg,big\n', 'row 1'), ('input\n\nleft.jpg\n""\n', 'names no input'),
    ('input;size\na.jpg;100\na.jpg;100;\n', 'row 2 has more cells than there are columns'),
    ('input\nDoe, John.jpg\n', 'row 1 has more cells than there are columns'),
    ('input\n\xff\n', 'save it as CSV in UTF-8')])
def test_a_manifest_that_cannot_be_meant_is_refused(tmp_path, capsys, text, why):
    (tmp_path / 'manifest.csv').write_bytes(text.encode('latin-1'))
    assert run(tmp_path / 'manifest.csv', '--out', tmp_path / 'out') == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('size', [[1], float('inf')])
def test_a_size_of_a_parquet_manifest_that_is_none_is_refused(tmp_path, capsys, size):
    import pyarrow
    from pyarrow import parquet
    parquet.write_table(pyarrow.table({'input': ['a.jpg'], 'size': [size]}),
                        tmp_path / 'manifest.parquet')
    assert run(tmp_path / 'manifest.parquet', '--out', tmp_path / 'out') == 2
    assert 'row 1: ' in capsys.readouterr().err


def test_numbers_of_a_parquet_manifest_are_what_they_are_worth(inputs, tmp_path):
    """pandas makes floats of a column in which some are lacking."""
    import pandas
    pandas.DataFrame({
        'input': [str(inputs / 'left.jpg'), str(inputs / 'right.png')],
        'image_rotation_deg': [0.0, math.nan], 'size': [10.0, math.nan],
        'topic': [math.nan, '/a'], 'input_mirrored': [True, None], 'mouth_on': [2.0, math.nan],
    }).to_parquet(tmp_path / 'manifest.parquet')
    assert run(tmp_path / 'manifest.parquet', '--out', tmp_path / 'out') == 0
    assert sides(tmp_path / 'out') == {'left.jpg': 'right', 'right.png': 'right'}
    found = list(sources.find([str(tmp_path / 'manifest.parquet')], Path('/elsewhere')))
    assert [(one.size, one.topic, dict(one.changes)) for one in found] == [
        (10, None, {'image_rotation_deg': '0', 'input_mirrored': 'True', 'mouth_on': '2'}),
        (None, '/a', {})]


@pytest.mark.parametrize(('column', 'value'), [
    ('image_rotation_deg', 90.5), ('mouth_on', float('inf')), ('input', math.nan)])
def test_a_number_of_a_parquet_manifest_that_cannot_be_is_refused(
        tmp_path, capsys, column, value):
    import pyarrow
    from pyarrow import parquet
    parquet.write_table(pyarrow.table({'input': ['a.jpg'], column: [value]}
                                      if column != 'input' else {'input': [value]}),
                        tmp_path / 'manifest.parquet')
    assert run(tmp_path / 'manifest.parquet', '--out', tmp_path / 'out') == 2
    assert 'row 1' in capsys.readouterr().err


def test_a_server_that_refuses_is_told_of_and_not_the_output_folder(tmp_path, capsys):
    url = f'ftp://127.0.0.1:{free_port()}/a.jpg'
    assert run(url, '--out', tmp_path / 'out') == 2
    assert f'{url}: ConnectionRefusedError' in capsys.readouterr().err


def test_a_folder_that_is_closed_to_us_is_an_input_of_a_glob_that_cannot_be_read(
        tmp_path, monkeypatch):
    for name in ('closed/a.jpg', 'open/a.jpg'):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    monkeypatch.setattr(os, 'access', lambda path, _: path.name != 'closed')
    monkeypatch.setattr(Path, 'iterdir', closed(Path.iterdir))
    assert [(one.found.path.parent.name, one.found.problem)
            for one in sources.find([f'{tmp_path}/**/*.jpg'], Path('/elsewhere'))] == [
        (tmp_path.name, 'cannot be read (Permission denied)'), ('open', '')]


def closed(look):
    """Path.iterdir as of one who may not look into folders named closed; root may."""
    def iterdir(path):
        if path.name == 'closed':
            raise PermissionError(errno.EACCES, 'Permission denied')
        return look(path)

    return iterdir
