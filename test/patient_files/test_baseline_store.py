"""The stored baseline is whole at every moment, also when its writer is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from stroke_side_monitor import atomic_file
from stroke_side_monitor.assessment.baseline import BaselineError, PersonalBaseline
from stroke_side_monitor.patient_files.baseline_store import BaselineStore


def baseline(value):
    return PersonalBaseline({'metric': value}, {'metric': 0.1}, {}, 60.0, 1.0)


def test_a_baseline_is_kept_per_patient_key(tmp_path):
    store = BaselineStore(tmp_path / 'baselines')
    assert store.load('p-1') is None
    store.save('p-1', baseline(1.25))
    store.save('p-2', baseline(-3.0))
    store.save('p-1', baseline(1.5))
    assert store.load('p-1') == baseline(1.5)
    assert BaselineStore(tmp_path / 'baselines').load('p-2') == baseline(-3.0)
    (tmp_path / 'baselines' / f'.p-1.json.0{atomic_file.TEMPORARY}').write_text('{')
    store.save('p-2', baseline(-3.0))  # removes what a killed writer had left
    assert sorted(os.listdir(tmp_path / 'baselines')) == ['p-1.json', 'p-2.json']


@pytest.mark.parametrize('key', ['', '../p', 'a/b', '.hidden', 'x' * 65, 'Müller', 'a b'])
def test_a_key_that_is_a_path_or_a_name_is_refused(tmp_path, key):
    with pytest.raises(BaselineError, match='patient_key'):
        BaselineStore(tmp_path).save(key, baseline(1.0))
    assert os.listdir(tmp_path) == []


def test_a_damaged_file_is_told_in_one_line_and_not_used(tmp_path):
    path = BaselineStore(tmp_path).save('p', baseline(1.0))
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(BaselineError, match=r'delete it or enrol') as error:
        BaselineStore(tmp_path).load('p')
    assert '\n' not in str(error.value)


_WRITER = '''
import sys
from pathlib import Path
from stroke_side_monitor import atomic_file
turn = 0
while True:
    turn = turn % 255 + 1
    atomic_file.write(Path(sys.argv[1]) / 'file', bytes([turn]) * 16_000_000)
    print(turn, flush=True)
'''


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path, start_process):
    for round_ in range(25):
        writer = start_process('-c', _WRITER, str(tmp_path))
        for _ in range(2):
            assert writer.stdout.readline()
        time.sleep(0.0023 * round_)  # a different moment of the write in every round
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        content = (tmp_path / 'file').read_bytes()
        assert len(content) == 16_000_000
        assert content == content[:1] * 16_000_000
    atomic_file.remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ['file']


def test_a_full_disk_is_told_in_one_line_and_the_old_baseline_stays(tmp_path):
    BaselineStore(tmp_path).save('p', baseline(1.0))
    # A file size limit stops the real write half-way, as a full disk does.
    script = f'''
import resource
from pathlib import Path
from stroke_side_monitor import atomic_file
from stroke_side_monitor.assessment.baseline import BaselineError, PersonalBaseline
from stroke_side_monitor.patient_files.baseline_store import BaselineStore
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
names = [f'metric{{i}}' for i in range(1000)]
try:
    BaselineStore(Path({str(tmp_path)!r})).save('p', PersonalBaseline(
        dict.fromkeys(names, 2.0), dict.fromkeys(names, 0.1), {{}}, 60.0, 1.0))
except BaselineError as error:
    print(error)
'''
    told = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True,
                          check=True).stdout
    assert 'cannot write' in told
    assert told.count('\n') == 1
    assert os.listdir(tmp_path) == ['p.json']
    assert BaselineStore(tmp_path).load('p') == baseline(1.0)
