"""Lives of the monitor ended in every way, at random moments: the bench's own, a few of each."""

import os
import re

from bench.endings import WAYS


def test_however_it_is_ended_it_ends_as_it_should(start_process, finished):
    # In a process of its own: DDS takes its settings once.
    bench = start_process('-m', 'bench.endings', '--cycles', str(3 * len(WAYS)),
                          '--seed', str(os.getpid()))
    told = finished(bench, 300.0)
    assert bench.returncode == 0, told
    rows = re.findall(
        r'(?m)^\| ([\w ]+) \| (\d+) \| [\d.]+ s, [\d.]+ s \| (\d+) \| (\d+) \|', told)
    assert [row[0] for row in rows] == list(WAYS)
    assert {row[1:3] for row in rows} == {('3', '0')}
