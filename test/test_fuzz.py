"""Some hundred damaged files beside intact ones; `make fuzz` runs twenty thousand."""

import random

import pytest
from fuzzing import mutate, run_mutants, seeds

from stroke_side_monitor.patient_files.session_record import (
    SessionError,
    SessionRecorder,
    read_session,
)
from stroke_side_monitor.report.summary import FRAME_NAMES, summarise
from training.common import TrainingError
from training.sources import read_source

EACH = 72
MANY = 400


@pytest.fixture(scope='module')
def intact(tmp_path_factory):
    return seeds(tmp_path_factory.mktemp('fuzz') / 'intact')


def test_no_damage_ends_a_run_changes_a_neighbour_or_names_the_other_side(intact, tmp_path):
    ended, wrong = run_mutants(intact, tmp_path, EACH, seed=11)
    assert wrong == []
    smeared = [count for how, count in ended.items() if how.endswith('other side')]
    assert sum(smeared) <= 0.02 * EACH * len(intact), ended
    assert sum(ended.values()) >= EACH * len(intact)
    # Damage is found where the format can tell, and what is whole enough is still assessed.
    assert all(ended[f'{kind}: refused'] > EACH // 2 for kind in ('jpg', 'png'))
    assert all(ended[f'{kind}: assessed'] for kind in intact if kind != 'png')


def test_no_damage_to_labels_raises_anything_but_one_line(tmp_path):
    chance = random.Random(3)
    for name in ('a.jpg', 'b.jpg', 'c.jpg'):
        (tmp_path / name).write_bytes(b'x')
    whole = 'filename,label,subject,severity\r\na.jpg,left,Ann,0.5\r\n"b.jpg",none,,\r\n' \
            'c.jpg,right,Zoë,mild\r\n'.encode()
    refused = 0
    for _ in range(MANY):
        (tmp_path / 'labels.csv').write_bytes(mutate(whole, chance))
        try:
            items, _rejected = read_source(tmp_path, 'patient')
        except TrainingError:
            refused += 1
        else:
            assert all(item.path.is_file() for item in items)
    assert 0 < refused < MANY


def test_no_damage_to_a_session_raises_anything_but_one_line(tmp_path):
    chance = random.Random(4)
    recorder = SessionRecorder(tmp_path, versions={}, parameters={}, tell=pytest.fail)
    for number in range(40):
        recorder.frame(number / 10, {
            'side': 'left', 'confidence': 0.9, 'M': 3.0, 'E': 0.1, 'symmetry_index': 80.0,
            'grade': 'mild', 'basis': 'static', 'mouth_severity': 'mild', 'eye_severity': 'none',
            'pattern': 'unknown', 'nihss': [1, 2], 'house_brackmann': [1, 3], 'assessed': True,
            'reasons': [], 'severity_reasons': ['rest_only']})
    recorder.cue(1.0, 'smile', True, 0.0)
    recorder.close()
    seeds_ = {name: (recorder.folder / name).read_bytes()
              for name in ('session.json', 'session.jsonl')}
    refused = 0
    for _ in range(MANY):
        for name, data in seeds_.items():
            (recorder.folder / name).write_bytes(data)
        name = chance.choice(list(seeds_))
        (recorder.folder / name).write_bytes(mutate(seeds_[name], chance))
        try:
            summary = summarise(read_session(recorder.folder, wanted=FRAME_NAMES))
        except SessionError:
            refused += 1
        else:
            assert summary.frames <= 60  # a line may come twice
    assert 0 < refused < MANY
