"""A command that somebody ends is gone, with all that it started, and leaves nothing half-made."""

import os
import re

import pytest

from bench.commands import COMMANDS, WAYS


@pytest.mark.parametrize('command', COMMANDS)
def test_however_it_is_ended_it_ends_as_it_should(start_process, finished, command):
    bench = start_process('-m', 'bench.commands', '--times', '1', '--command', command,
                          '--seed', str(os.getpid()))
    told = finished(bench, 300.0)
    assert bench.returncode == 0, told
    assert re.findall(r'(?m)^\| ([\w -]+) \| ([\w -]+) \| 1 \| .* \| 0 \|$', told) == [
        (command, way) for way in WAYS]
