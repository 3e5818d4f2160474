"""Who comes in, and what he sees."""

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from clinic.cases.models import AuditEntry
from clinic.tests.conftest import PASSWORD


def test_passwords_are_stored_by_argon2(people):
    assert people['clinician'].password.startswith('argon2$argon2id$')


def test_after_five_wrong_passwords_the_right_one_does_not_help(people):
    client = Client()
    for _ in range(5):
        client.post('/login/', {'username': 'carla', 'password': 'wrong'})
    answer = client.post('/login/', {'username': 'carla', 'password': PASSWORD})
    assert answer.status_code == 429
    assert '_auth_user_id' not in client.session
    assert AuditEntry.objects.filter(act='locked out', user='carla').exists()


def test_a_login_lasts_half_an_hour_from_the_last_click(people):
    client = Client()
    client.post('/login/', {'username': 'carla', 'password': PASSWORD})
    assert client.get('/').status_code == 200
    assert client.session.get_expiry_age() <= 1800
    assert client.cookies['sessionid']['httponly']
    assert client.cookies['sessionid']['samesite'] == 'Strict'


def test_the_picture_that_browsers_ask_for_unasked_is_there():
    assert Client().get('/favicon.ico').url.endswith('icon.svg')


def test_nobody_can_register_himself():
    client = Client()
    for address in ('/register/', '/signup/', '/people/auth/user/add/'):
        assert client.get(address).status_code in (302, 404)


def test_a_form_from_another_site_is_refused(people):
    client = Client(enforce_csrf_checks=True)
    client.force_login(people['clinician'], 'django.contrib.auth.backends.ModelBackend')
    assert client.post('/face/', {'consent': 'on'}).status_code == 403


@pytest.mark.parametrize('address', ['/login/', '/'])
def test_no_page_may_load_anything_from_elsewhere(browse, address):
    answer = browse('clinician').get(address)
    policy = answer.headers.get('Content-Security-Policy', '')
    if answer.status_code == 200:
        assert "default-src 'none'" in policy
        assert 'http' not in policy
        assert 'unsafe' not in policy
        assert 'no-store' in answer.headers['Cache-Control']


def test_an_administrator_gives_roles_and_nothing_more(browse, people):
    client = browse('administrator')
    answer = client.post('/people/auth/user/add/', {
        'username': 'new', 'usable_password': 'true', 'password1': PASSWORD,
        'password2': PASSWORD, 'is_superuser': 'on', 'is_staff': 'on',
        'groups': [people['expert'].groups.get().pk]})
    assert answer.status_code == 302, answer.content.decode()
    new = User.objects.get(username='new')
    assert [group.name for group in new.groups.all()] == ['expert']
    assert not new.is_superuser
    assert not new.is_staff


def test_the_first_person_is_made_at_the_command_line(db, monkeypatch, tmp_path):
    (tmp_path / 'password').write_text(PASSWORD + '\n')
    with (tmp_path / 'password').open() as file:
        monkeypatch.setattr('sys.stdin', file)
        call_command('add_user', 'first')
    first = User.objects.get(username='first')
    assert first.check_password(PASSWORD)
    assert first.groups.count() == 3
