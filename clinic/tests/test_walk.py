"""Every address, asked for by every role: each sees what it may and nothing else."""

import re

import numpy as np
import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from clinic.cases.models import AuditEntry, Case, Opinion
from clinic.tests.conftest import jpeg

# Address name -> roles that may; what is not here must not exist.
MAY = {
    'home': {'clinician', 'other', 'expert', 'administrator', 'nobody'},
    'password': {'clinician', 'other', 'expert', 'administrator', 'nobody'},
    **{name: {'clinician', 'other', 'expert'} for name in (
        'face', 'video', 'guided', 'scan', 'cases')},
    # carla's case, which waits for an expert
    **{name: {'clinician', 'expert'} for name in (
        'case', 'case_state', 'case_pdf', 'case_html', 'case_fhir', 'case_file',
        'opinion')},
    'delete': {'clinician'},
    'queue': {'expert'}, 'decide': {'expert'},
}
OPEN = {'login', 'logout', 'icon', 'set_language'}
POSTED = {'opinion', 'delete', 'decide'}
ROLES = ('clinician', 'other', 'expert', 'administrator', 'nobody')
FIGURES = {'side': 'left', 'confidence': 0.9, 'symmetry_index': 70.0, 'grade': 'mild',
           'basis': 'static', 'mouth_severity': 'mild', 'eye_severity': 'none',
           'pattern': 'unknown', 'reasons': [], 'p_left': 0.9, 'p_none': 0.1, 'p_right': 0.0}


@pytest.fixture
def waiting(people):
    case = Case.objects.create(owner=people['clinician'], kind='face', state='done', kept=True,
                               result=FIGURES)
    case.write('annotated.jpg', jpeg(np.zeros((48, 64, 3), np.uint8)))
    yield Opinion.objects.create(case=case, by=people['clinician'], label='right')
    Case.objects.filter(pk=case.pk).delete()


def patterns():
    return [one for one in get_resolver().url_patterns if isinstance(one, URLPattern)]


def address(pattern, opinion):
    route = '/' + str(pattern.pattern)
    return (route.replace('<uuid:case_id>', str(opinion.case_id))
            .replace('<int:opinion_id>', str(opinion.pk)).replace('<str:name>', 'annotated.jpg'))


def test_the_table_names_every_address():
    assert {pattern.name for pattern in patterns()} == MAY.keys() | OPEN


@pytest.mark.parametrize('role', ROLES)
def test_a_role_sees_what_it_may_and_nothing_else(browse, people, waiting, role):
    client = browse(role)
    # What changes nothing first, else the case would be gone.
    for pattern in sorted(patterns(), key=lambda one: (one.name == 'delete', one.name == 'decide')):
        if pattern.name in OPEN:
            continue
        if pattern.name in POSTED:
            answer = client.post(address(pattern, waiting), {'label': 'left'})
        else:
            answer = client.get(address(pattern, waiting))
        allowed = role in MAY[pattern.name]
        assert (answer.status_code in (200, 302)) == allowed, (pattern.name, answer.status_code)
        if not allowed:
            assert answer.status_code in (403, 404), pattern.name


def test_a_stranger_is_sent_to_the_login_from_everywhere(browse, waiting):
    client = browse(None)
    for pattern in patterns():
        if pattern.name not in OPEN:
            for answer in (client.get(address(pattern, waiting)),
                           client.post(address(pattern, waiting), {'label': 'left'})):
                assert answer.status_code in (302, 405), pattern.name
                if answer.status_code == 302:
                    assert answer.url.startswith('/login/'), pattern.name
    assert Case.objects.filter(pk=waiting.case_id).exists()


@pytest.mark.parametrize('role', ROLES)
@pytest.mark.parametrize('place', ['', 'auth/user/', 'auth/user/add/', 'cases/auditentry/'])
def test_people_and_log_are_for_administrators(browse, role, place):
    assert (browse(role).get(f'/people/{place}').status_code == 200) == (role == 'administrator')


def test_no_patient_stands_in_the_admin(browse):
    client = browse('administrator')
    for place in ('cases/case/', 'cases/opinion/', 'auth/group/', 'axes/accessattempt/'):
        assert client.get(f'/people/{place}').status_code in (403, 404), place


def test_the_log_cannot_be_changed(browse, people):
    client = browse('administrator')
    entry = AuditEntry.objects.first()
    for place in ('add/', f'{entry.pk}/delete/'):
        assert client.post(f'/people/cases/auditentry/{place}', {'post': 'yes'}).status_code == 403
    client.post(f'/people/cases/auditentry/{entry.pk}/change/', {'user': 'somebody else'})
    entry.refresh_from_db()
    assert entry.user == 'ada'


def test_an_expert_loses_sight_of_cases_nobody_gave_him(browse, people):
    case = Case.objects.create(owner=people['clinician'], kind='face', state='done', kept=True,
                               result=FIGURES)
    assert browse('expert').get(f'/cases/{case.id}/').status_code == 404
    case.delete()


def test_an_expert_sees_what_waits_and_what_he_judged_but_not_what_others_judged(
        browse, people, person, waiting):
    other = Client()
    other.force_login(person('edda', 'expert'), 'django.contrib.auth.backends.ModelBackend')
    clients, address = (browse('expert'), other), f'/cases/{waiting.case_id}/'
    assert [one.get(address).status_code for one in clients] == [200, 200]
    clients[0].post(f'/queue/{waiting.pk}/', {'label': 'left'})
    assert [one.get(address).status_code for one in clients] == [200, 404]
    listed = [str(waiting.case_id)[:8] in one.get('/cases/').content.decode() for one in clients]
    assert listed == [True, False]
    # Somebody says something else: it waits for all of them again.
    browse('clinician').post(f'{address}opinion/', {'label': 'none'})
    assert [one.get(address).status_code for one in clients] == [200, 200]


def test_every_case_is_on_a_page_that_links_lead_to(browse, people):
    made = timezone.now()  # of all: their order must hold nevertheless
    Case.objects.bulk_create(Case(owner=people['clinician'], kind='face', state='done', kept=True,
                                  made=made, result=FIGURES) for _ in range(250))
    client, address, seen = browse('clinician'), '/cases/', set()
    for page in ('Page 1 of 3', 'Page 2 of 3', 'Page 3 of 3'):
        shown = client.get(address).content.decode()
        assert page in shown
        seen |= set(re.findall(r'href="/cases/([0-9a-f-]{36})/"', shown))
        later = re.search(r'rel="next" href="([^"]+)"', shown)
        assert (later is None) == (page == 'Page 3 of 3')
        address = f'/cases/{later[1]}' if later else address
    assert seen == {str(key) for key in Case.objects.values_list('pk', flat=True)}
    assert 'rel="prev" href="?page=2"' in shown
    for odd in ('x', '0', '-1', '99999999999999999999'):
        assert client.get(f'/cases/?page={odd}').status_code == 200
    assert 'There is no case yet' in browse('other').get('/cases/').content.decode()
    Case.objects.all().delete()
