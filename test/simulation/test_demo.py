"""The demo's verdict is told, whatever becomes of its picture."""

import numpy as np
import pytest

from demo import __main__ as demo
from demo import table
from stroke_side_monitor.assessment.terms import Side


@pytest.fixture
def watched(monkeypatch):
    """What twenty seconds of two processes would have come to; truths and picture included."""
    seen = table.Watched(overlay=np.zeros((20, 20, 3), np.uint8))
    seen.stable[Side.LEFT] = seen.truths[Side.LEFT] = 3
    asked = []
    monkeypatch.setattr(table, 'watch', lambda seconds, _: (asked.append(seconds), seen)[1])
    for name in ('_start', '_stop', 'keep_local'):
        monkeypatch.setattr(demo, name, lambda *_: None)
    return asked


def test_the_picture_is_written_and_the_side_told(watched, tmp_path, capsys):
    assert demo.main(['--picture', str(tmp_path / 'x.png')]) == 0
    told = capsys.readouterr().out
    assert (tmp_path / 'x.png').read_bytes().startswith(b'\x89PNG')
    assert f'annotated frame: {tmp_path / "x.png"}' in told
    assert 'reported LEFT, true LEFT: right' in told


@pytest.mark.parametrize('place', ['nowhere/x.png', ''])
def test_a_picture_that_has_no_place_is_told_before_anything_starts(
        watched, tmp_path, capsys, place):
    assert demo.main(['--picture', str(tmp_path / place)]) == 2
    told = capsys.readouterr().err
    assert str(tmp_path) in told
    assert told.count('\n') == 1
    assert watched == []


def test_a_picture_that_cannot_be_written_costs_no_verdict(watched, capsys):
    assert demo.main(['--picture', '/proc/x.png']) == 0
    told = capsys.readouterr()
    assert 'demo: cannot write /proc/x.png' in told.err
    assert 'reported LEFT, true LEFT: right' in told.out
    assert 'annotated' not in told.out


def test_a_patient_without_any_truth_is_said_to_be_so(capsys):
    seen = table.Watched()
    seen.stable[Side.LEFT] = 3
    assert table.verdict(seen, truth_known=True) == 1
    assert capsys.readouterr().out == 'result: reported LEFT; the patient never told the truth\n'
    assert table.verdict(seen, truth_known=False) == 0
