"""Some hundred damaged files beside intact ones; `make fuzz` runs twenty thousand."""

import pytest
from fuzzing import run_mutants, seeds

EACH = 72


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
