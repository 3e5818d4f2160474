"""The page in a real browser: Debian's Chromium, without a window, with a camera that films a
SIMULATED patient."""

from __future__ import annotations

import re
import shutil

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from clinic.tests.conftest import PASSWORD, jpeg, png
from clinic.tests.serving import Served, serve
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import astronaut, portrait
from stroke_side_monitor.simulation.session import Session, SessionPlan

CHROMIUM = shutil.which('chromium')
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='no chromium; apt-get install chromium')
EXERCISES = ('smile', 'eye_close', 'brow_raise', 'brow_raise', 'pucker')


@pytest.fixture(scope='module')
def served(tmp_path_factory) -> Served:
    with serve(tmp_path_factory.mktemp('served')) as page:
        yield page


@pytest.fixture(scope='module')
def playwright():
    with sync_playwright() as running:
        yield running


def chromium(playwright, *arguments: str) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', *arguments])


@pytest.fixture(scope='module')
def browser(playwright) -> Browser:
    opened = chromium(playwright)
    yield opened
    opened.close()


def filmed_by(playwright, film) -> Browser:
    """A browser whose camera shows a film (MJPEG), over and over."""
    return chromium(playwright, '--use-fake-ui-for-media-stream',
                    '--use-fake-device-for-media-stream',
                    f'--use-file-for-fake-video-capture={film}')


def logged_in(browser: Browser, served: Served, name: str, **context) -> Page:
    page = browser.new_context(base_url=served.address, **context).new_page()
    page.goto('/login/')
    page.get_by_label('Username').fill(name)
    page.get_by_label('Password').fill(PASSWORD)
    page.get_by_role('button', name='Log in').click()
    expect(page.get_by_role('heading', level=1)).to_have_text('What would you like to do?')
    return page


def check(page: Page, rgb, *, keep: bool = False) -> None:
    page.goto('/face/')
    page.get_by_label('agrees to being measured').check()
    if keep:
        page.get_by_label('They also agree').check()
    page.get_by_label('Picture (JPEG or PNG)').set_input_files(
        {'name': 'face.png', 'mimeType': 'image/png', 'buffer': png(rgb)})
    page.get_by_role('button', name='Check this face').click()


def test_an_uploaded_picture_is_answered_with_the_patients_side(browser, served, left_weak):
    page = logged_in(browser, served, 'carla')
    check(page, left_weak)
    expect(page.locator('.answer')).to_have_text('The patient’s LEFT side looks weaker')
    # The picture is shown though nothing was stored.
    assert page.locator('.result img').evaluate('i => i.naturalWidth') == 640


def test_the_cameras_mirrored_preview_does_not_swap_sides(playwright, served, left_weak, tmp_path):
    film = tmp_path / 'patient.mjpeg'
    film.write_bytes(jpeg(left_weak) * 3)
    browser = filmed_by(playwright, film)
    page = logged_in(browser, served, 'carla', permissions=['camera'])
    page.goto('/face/')
    page.get_by_role('button', name='camera instead').click()
    expect(page.get_by_text('Tick the first box')).to_be_visible()
    page.get_by_label('agrees to being measured').check()
    page.get_by_role('button', name='camera instead').click()
    preview = page.locator('#preview')
    expect(preview).to_be_visible()
    assert preview.evaluate('v => getComputedStyle(v).transform').startswith('matrix(-1')
    page.get_by_role('button', name='Take the picture').click()
    still = page.locator('#still')
    expect(still).to_be_visible()
    assert still.evaluate('i => getComputedStyle(i).transform') == 'none'
    page.get_by_role('button', name='Check this face').click()
    expect(page.locator('.answer')).to_have_text('The patient’s LEFT side looks weaker')
    browser.close()


@pytest.fixture(scope='module')
def film(tmp_path_factory):
    """A SIMULATED patient, right side weak, doing what the page will ask for, as it asks."""
    patient = portrait(np.ascontiguousarray(astronaut()), 'astronaut')
    plan = SessionPlan(exercises=EXERCISES, hold_s=3.0, rest_s=3.0, first_rest_s=3.6, fps=15.0,
                       head_motion=0.2, camera=0.2, blinks_per_minute=6.0)
    session = Session(patient, Palsy.of(Side.RIGHT, 0.9, 'peripheral'), plan, seed=5)
    path = tmp_path_factory.mktemp('film') / 'session.mjpeg'
    with path.open('wb') as out:
        for frame in session:
            out.write(2 * jpeg(frame.rgb))  # Chromium plays thirty pictures a second
    return path


def test_guided_exercises_give_the_dynamic_index_and_a_report(playwright, served, film):
    browser = filmed_by(playwright, film)
    page = logged_in(browser, served, 'carla', permissions=['camera'])
    page.goto('/guided/')
    page.get_by_label('agrees to being measured').check()
    page.get_by_role('button', name='Start camera and exercises').click()
    expect(page.locator('#prompt')).to_have_text(re.compile('Now: Smile'), timeout=30_000)
    expect(page.locator('.answer')).to_have_text(
        'The patient’s RIGHT side looks weaker', timeout=180_000)
    expect(page.get_by_text('from commanded movements')).to_be_visible()
    expect(page.get_by_role('cell', name='Smile')).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role('link', name='Report as PDF').click()
    assert download.value.path().read_bytes().startswith(b'%PDF')
    browser.close()


def test_a_video_is_sent_with_a_bar_and_answered(browser, served, film, tmp_path):
    video = tmp_path / 'patient.avi'
    frames = cv2.VideoCapture(str(film))
    out = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*'MJPG'), 15, (640, 480))
    for number in range(120):
        more, picture = frames.read()
        if more and number % 2:
            out.write(picture)
    out.release()
    page = logged_in(browser, served, 'carla')
    page.goto('/video/')
    page.get_by_label('agrees to being measured').check()
    page.get_by_label('Video (MP4').set_input_files(video)
    page.get_by_role('button', name='Check this video').click()
    expect(page.locator('.answer')).to_have_text(
        'The patient’s RIGHT side looks weaker', timeout=120_000)
    assert served.files() == [name for name in served.files() if 'picture' not in name
                              and 'annotated' not in name]


def test_what_is_no_video_is_refused_in_one_line(browser, served):
    page = logged_in(browser, served, 'carla')
    page.goto('/video/')
    page.get_by_label('agrees to being measured').check()
    page.get_by_label('Video (MP4').set_input_files(
        {'name': 'x.mp4', 'mimeType': 'video/mp4', 'buffer': b'#EXTM3U\nhttp://example.org/a.ts'})
    page.get_by_role('button', name='Check this video').click()
    expect(page.get_by_role('alert')).to_contain_text('This is not a video', timeout=60_000)


# Who uses no mouse, a screen reader, or a telephone

PAGES = ('/', '/face/', '/video/', '/guided/', '/scan/', '/cases/', '/queue/', '/password/')
UNNAMED = '''() => [...document.querySelectorAll(
      'input:not([type=hidden]), select, button, a, img')]
    .filter(e => e.checkVisibility())
    .filter(e => !(e.labels && e.labels.length) && !e.getAttribute('aria-label')
        && !(e.textContent || '').trim() && !e.getAttribute('alt'))
    .map(e => e.outerHTML)'''
# WCAG 2.1, relative luminance and contrast ratio, of every text against the ground it stands on.
FAINT = '''() => {
  const parts = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = parts(c).map(v => v / 255).map(
      v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (parts(c)[3] === undefined || parts(c)[3] > 0) return c; } return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility()
      && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
    .map(e => { const a = light(getComputedStyle(e).color), b = light(ground(e));
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 80)]; })
    .filter(([ratio]) => ratio < 4.5);
}'''


def test_everything_has_a_name_and_enough_contrast(browser, served):
    page = logged_in(browser, served, 'all')
    for address in PAGES:
        page.goto(address)
        assert page.evaluate(UNNAMED) == [], address
        assert page.evaluate(FAINT) == [], address
        assert page.locator('h1').count() == 1, address
        assert page.locator('html').get_attribute('lang') == 'en', address


@pytest.mark.parametrize('language', ['en-GB', 'de-DE'])
def test_nothing_sticks_out_of_a_telephones_screen(browser, served, language):
    page = browser.new_context(base_url=served.address, locale=language,
                               viewport={'width': 320, 'height': 640}).new_page()
    page.goto('/login/')
    page.locator('#id_username').fill('all')
    page.locator('#id_password').fill(PASSWORD)
    page.locator('main button').click()
    page.wait_for_url('**/')
    for address in PAGES:
        page.goto(address)
        assert page.evaluate('document.documentElement.scrollWidth') <= 320, address
        assert page.locator('html').get_attribute('lang') == language[:2]


def test_a_face_is_checked_by_the_keyboard_alone(browser, served, left_weak):
    page = logged_in(browser, served, 'carla')
    page.goto('/face/')
    page.keyboard.press('Tab')
    assert page.evaluate('document.activeElement.className') == 'skip'
    page.keyboard.press('Enter')

    def tab_to(name: str) -> None:
        for _ in range(20):
            page.keyboard.press('Tab')
            if page.evaluate('document.activeElement.id || document.activeElement.textContent'
                             ) == name:
                return
        pytest.fail(f'{name} is not reached by the keyboard')

    tab_to('id_consent')
    page.keyboard.press('Space')
    # Asked for early: the browser is told beside the keys, and a key that overtakes it is lost.
    with page.expect_file_chooser() as chooser:
        tab_to('id_picture')
        page.keyboard.press('Enter')
    chooser.value.set_files({'name': 'f.png', 'mimeType': 'image/png', 'buffer': png(left_weak)})
    tab_to('Check this face')
    page.keyboard.press('Enter')
    expect(page.locator('.answer')).to_have_text('The patient’s LEFT side looks weaker')


def test_the_browser_asks_nobody_else(browser, served, left_weak):
    page = logged_in(browser, served, 'all')
    asked: list[str] = []
    refused: list[str] = []
    page.on('request', lambda request: asked.append(request.url))
    page.on('console', lambda line: refused.append(line.text) if line.type == 'error' else None)
    for address in (*PAGES, '/people/'):
        page.goto(address)
    check(page, left_weak)
    expect(page.locator('.answer')).to_be_visible()
    assert [url for url in asked if not url.startswith((served.address, 'data:', 'blob:'))] == []
    assert refused == []
