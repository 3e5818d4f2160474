"""Lives of the monitor ended in every way, at random moments: the bench's own, a few of each."""

import os
import re

import pytest

from bench.endings import WAYS

GENTLE = tuple(way for way in WAYS if way != 'SIGKILL')


def lives(start_process, finished, ways, of_each):
    """The rows of the bench's table: way, lives, problems."""
    # In a process of its own: DDS takes its settings once.
    bench = start_process('-m', 'bench.endings', '--cycles', str(of_each * len(ways)),
                          '--seed', str(os.getpid()),
                          *(word for way in ways for word in ('--way', way)))
    told = finished(bench, 300.0)
    assert bench.returncode == 0, told
    return re.findall(r'(?m)^\| ([\w ]+) \| (\d+) \| [\d.]+ s, [\d.]+ s \| (\d+) \| \d+ \|', told)


def test_however_it_is_ended_it_ends_as_it_should(start_process, finished):
    assert lives(start_process, finished, GENTLE, 3) == [(way, '3', '0') for way in GENTLE]


@pytest.mark.parametrize('life', range(2))
def test_killed_outright_its_files_are_whole(start_process, finished, life):
    """One life in a domain: what Fast DDS leaves locked can stop the next one (docs/platforms.md).
    """
    assert lives(start_process, finished, ('SIGKILL',), 1) == [('SIGKILL', '1', '0')]
