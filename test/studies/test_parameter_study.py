"""The study over many patients and the contact sheet."""

import cv2
import pytest
from skimage import data

from studies import contact_sheet
from studies import parameter_study as study


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / 'someone.png'
    cv2.imwrite(str(path), data.astronaut()[..., ::-1])
    return str(path)


def test_a_study_judges_every_person_healthy_and_weak_on_either_side(photo, capsys):
    assert study.main([photo, '--severity', '1.0', '--fps', '4']) == 0
    printed = capsys.readouterr().out.splitlines()
    healthy, complete = (line.split() for line in printed[1:3])
    assert (healthy[0], healthy[1]) == ('0.00', '1')
    assert (complete[0], complete[1]) == ('1.00', '2')
    right, decided = map(int, complete[2].split('/'))
    assert right >= 0.9 * decided > 20


def test_a_contact_sheet_shows_every_patient_in_every_movement(photo, tmp_path):
    assert contact_sheet.main([str(tmp_path / 'sheet.png'), '--photo', photo]) == 0
    assert cv2.imread(str(tmp_path / 'sheet.png')).shape == (5 * 264, 5 * 232, 3)


@pytest.mark.parametrize('main', [study.main, lambda args: contact_sheet.main(
    ['sheet.png', '--photo', *args])])
def test_a_missing_photograph_is_named(main, capsys):
    assert main(['nobody.png']) == 2
    assert 'nobody.png: cannot be read' in capsys.readouterr().err
