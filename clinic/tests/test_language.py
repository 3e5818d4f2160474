"""Everything the page says is there in German too, and what was compiled is what is written."""

import re
import shutil
import subprocess

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import translation

from clinic.cases import words
from clinic.cases.admin import interval
from clinic.tests.conftest import png


def entries(folder):
    text = (settings.ROOT / folder / 'de' / 'LC_MESSAGES' / 'django.po').read_text()
    return dict(re.findall(r'(?m)^msgid "(.+)"\nmsgstr "(.*)"$', text))


def test_every_text_of_the_pages_has_its_german():
    source = ''.join(path.read_text() for path in (settings.ROOT / 'cases').rglob('*.html'))
    told = set(re.findall(r'''\{% translate (?:"([^"]+)"|'([^']+)')''', source))
    known = entries('locale')
    for double, single in told:
        assert known.get(double or single), double or single


@pytest.mark.parametrize('text', words.report_texts())
def test_every_word_of_the_report_that_the_page_shows_has_its_german(text):
    known = {**entries('locale'), **entries('locale_report')}
    assert known.get(text), text


@pytest.mark.parametrize('folder', ['locale', 'locale_report'])
def test_the_compiled_catalogue_is_that_of_the_texts(folder, tmp_path):
    if shutil.which('msgfmt') is None:
        pytest.skip('no msgfmt; apt-get install gettext')
    catalogue = settings.ROOT / folder / 'de' / 'LC_MESSAGES' / 'django'
    subprocess.run(['msgfmt', '--check', '-o', tmp_path / 'mo', catalogue.with_suffix('.po')],
                   check=True)
    assert (tmp_path / 'mo').read_bytes() == catalogue.with_suffix('.mo').read_bytes()


def test_a_german_reads_german(browse, left_weak):
    client = browse('clinician')
    client.post('/language/setlang/', {'language': 'de', 'next': '/face/'})
    assert 'Ein Bild von vorn' in client.get('/face/').content.decode()
    answer = client.post('/face/', {
        'consent': 'on', 'picture': SimpleUploadedFile('f.png', png(left_weak))})
    page = answer.content.decode()
    for german in ('Die LINKE Seite der Person', 'ein Notfall: sofort 112 anrufen',
                   'nicht betroffen', 'Symmetrie-Index'):
        assert german in page, german


def test_the_language_can_be_chosen_before_the_login(browse):
    client = browse(None)
    answer = client.post('/language/setlang/', {'language': 'de', 'next': '/login/?next=/scan/'})
    assert answer.url == '/login/?next=/scan/'
    page = client.get(answer.url).content.decode()
    assert '<html lang="de">' in page
    assert 'Anmelden' in page
    elsewhere = client.post('/language/setlang/', {'language': 'de', 'next': 'https://e.org/'})
    assert 'e.org' not in elsewhere.url


@pytest.mark.parametrize('language', ['de', 'en'])
def test_what_did_not_work_is_told_in_the_language_it_says_it_is_in(browse, settings, language):
    settings.UPLOAD_LIMITS = {'face': 10}
    client = browse('clinician')
    client.post('/language/setlang/', {'language': language})
    told = {'de': 'Das ging nicht', 'en': 'That did not work'}[language]
    for page in (client.get('/nowhere/'), client.get('/queue/'), client.post('/face/', {'a': 'b'})):
        assert page.status_code in (403, 404, 413)
        assert f'<html lang="{language}">' in page.content.decode()
        assert told in page.content.decode()


@pytest.mark.parametrize(('language', 'distance', 'auc'), [
    ('de', '0,10', '0,85 (0,80–0,90)'), ('en', '0.10', '0.85 (0.80–0.90)')])
def test_numbers_have_the_languages_decimal_sign(language, distance, auc):
    judged = {'probability': 0.5, 'confidence': 0.5, 'distance': 0.096, 'carried': []}
    with translation.override(language):
        told = dict(words._judged_facts(judged)).values()
        assert distance in told
        assert interval({'value': 0.85, 'interval_95': [0.8, 0.9]}) == auc
