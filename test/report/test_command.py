"""The report command writes whole, self-contained files, or tells in one line why not."""

import csv
import json
import math
import re
import resource
import signal
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from stroke_side_monitor.assessment.terms import Pattern, Side
from stroke_side_monitor.patient_files.session_record import SessionRecorder, read_session
from stroke_side_monitor.report import main, page
from stroke_side_monitor.report.summary import compare, summarise
from stroke_side_monitor.report.words import EXERCISES, LIMITS


class Page(HTMLParser):
    """The text and the references of a page."""

    def __init__(self, html):
        super().__init__()
        self.text, self.references = '', []
        self.feed(html)

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs
                            if name in ('src', 'href', 'xlink:href') and not value.startswith('#')]


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr()


def test_one_page_that_stands_alone(record, tmp_path, capsys):
    out = tmp_path / 'report.html'
    folders = [record(8.0, 8.0 * share, day=7 * week)
               for week, share in enumerate((0.3, 0.4, 0.5, 0.6))]
    code, printed = run(capsys, *reversed(folders), '--out', out)
    assert (code, printed.err) == (0, '')
    html = out.read_text()
    page = Page(html)
    assert page.references == []
    assert not re.search(r'url\((?!#)', html)
    assert '<script' not in html
    assert 'Session of 23 March 2026' in page.text  # the newest, whatever their order
    assert "Mild facial weakness of the patient's left side." in page.text
    assert 'Smile' in page.text
    sessions = page.text[page.text.index('Compared with earlier sessions'):]
    for reached in ('30%', '40%', '50%', '60%'):  # of the stronger side, session by session
        assert reached in sessions
    for limit in LIMITS:
        assert limit in ' '.join(page.text.split())
    assert 'a measurement aid, not a diagnosis' in page.text
    drawings = re.findall(r'<svg.*?</svg>', html, re.DOTALL)
    assert len(drawings) == 5  # face, exercises, course, sessions, quality
    for drawing in drawings:
        ElementTree.fromstring(drawing)


@pytest.mark.parametrize(('right', 'left', 'cell', 'which'), [
    (4.0, 8.0, 'right 50%', "the patient's right side in percent of the left"),
    (8.0, 4.0, 'left 50%', "the patient's left side in percent of the right"),
    (8.0, 7.6, '95%', "the patient's left side in percent of the right")])
def test_a_movement_says_which_side_it_is_of(record, tmp_path, capsys, right, left, cell, which):
    # At rest it is the left.
    folders = [record(right, left, day=day) for day in range(2)]
    code, _ = run(capsys, *folders, '--out', tmp_path / 'r.html', '--fhir', tmp_path / 'r.json')
    assert code == 0
    assert (tmp_path / 'r.html').read_text().count(f'<td>{cell}</td>') == 1 + len(folders)
    found = {entry['resource']['code']['text']: entry['resource'].get('valueQuantity')
             for entry in json.loads((tmp_path / 'r.json').read_text())['entry']}
    assert found[f'Movement of {which}: Smile']['value'] == pytest.approx(
        100 * min(left, right) / max(left, right), abs=0.1)


def test_the_same_sessions_give_the_same_page(record, tmp_path, capsys):
    folder = record()
    pages = []
    for name in ('a.html', 'b.html'):
        run(capsys, folder, '--out', tmp_path / name, '--pdf', tmp_path / f'{name}.pdf')
        pages.append(((tmp_path / name).read_bytes(), (tmp_path / f'{name}.pdf').read_bytes()))
    assert pages[0] == pages[1]


def test_tables_and_pdf_on_demand(record, tmp_path, capsys):
    folder = record(8.0, 2.0)
    code, _ = run(capsys, folder, '--out', tmp_path / 'r.html', '--pdf', tmp_path / 'r.pdf',
                  '--csv', tmp_path / 'tables')
    assert code == 0
    assert (tmp_path / 'r.pdf').read_bytes().startswith(b'%PDF-')
    tables = {path.name: list(csv.DictReader(path.open()))
              for path in (tmp_path / 'tables').iterdir()}
    assert sorted(tables) == ['exercises.csv', 'parts.csv', 'seconds.csv', 'sessions.csv']
    row, = tables['sessions.csv']
    assert (row['side_at_rest'], row['grade'], row['patient_key']) == ('left', 'severe', 'p-7')
    assert [float(r['ratio']) for r in tables['exercises.csv']] == pytest.approx([0.25, 0.25])
    assert tables['exercises.csv'][0]['residual_opening_left'] == ''
    assert len(tables['seconds.csv']) == 30


def test_the_table_of_sessions_says_what_the_page_says(record, tmp_path, capsys):
    # Movement names a side that rest does not; the other session could not be graded.
    folders = [record(8.0, 3.0, side=Side.NONE), record(1.0, 1.0, side=Side.NONE, day=1)]
    code, _ = run(capsys, *folders, '--out', tmp_path / 'r.html', '--csv', tmp_path)
    assert code == 0
    moved, still = csv.DictReader((tmp_path / 'sessions.csv').open())
    assert [(row['weaker_side'], row['side_at_rest'], row['side_at_rest_share'])
            for row in (moved, still)] == [('left', 'none', '1.0'), ('none', 'none', '1.0')]
    assert [still[f'{scale}_{end}'] for scale in ('nihss', 'house_brackmann')
            for end in ('min', 'max')] == ['', '', '', '']
    assert int(moved['house_brackmann_min']) >= 1


class Sheets(list):
    """Takes the sheets of a PDF instead of writing them."""

    savefig = list.append

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize(('exercises', 'parts', 'more', 'number'), [
    (4, 1, False, 2), (7, 1, False, 2), (1, 1, True, 2), (7, 1, True, 3), (2, 7, True, 3),
    (7, 7, True, 3)])
def test_nothing_on_a_sheet_lies_on_something_else(record, monkeypatch, exercises, parts, more,
                                                   number):
    sheets = Sheets()
    monkeypatch.setattr(page, 'PdfPages', lambda *_, **__: sheets)
    session = summarise(read_session(record()))
    smile, part = session.movements[0], session.parts[0]
    # Some of either side, and two that could not be used: most to be told.
    moved = [replace(smile, exercise=name, left=left, right=12.0 - left)
             for name, left in zip(EXERCISES, (4.0, 8.0, 4.0, 8.0, 4.0), strict=False)]
    moved += [replace(smile, exercise=name, ratio=math.nan, reasons=(why,))
              for name, why in (('snarl', 'no_movement_or_bilateral'), ('show_teeth', 'yaw'))]
    newest = replace(session, movements=tuple(moved[-exercises:]),
                     departed_share=float(more), pattern=Pattern.WHOLE_FACE, part=parts - 1,
                     parts=tuple(replace(part, reason='another_face') for _ in range(parts)))
    older = replace(session, versions=())
    page.pdf(newest, compare([older, older, newest]) if more else None,
             before='Call somebody now. ' * 9 if more else '')
    assert len(sheets) == number
    for sheet in sheets:
        FigureCanvasAgg(sheet).draw()
        boxes = [one.get_tightbbox() for one in sheet.axes] \
            + [one.get_window_extent() for one in sheet.texts if one.get_text()]
        for place, box in enumerate(boxes):
            assert Bbox.intersection(box, sheet.bbox).size == pytest.approx(box.size)
            assert not box.count_overlaps(boxes[place + 1:])


def edited(folder, edit):
    """The session with `edit` applied to each of its exercise lines, which it may change."""
    lines = [json.loads(line) for line in (folder / 'session.jsonl').read_text().splitlines()]
    for number, line in enumerate(line for line in lines if line['kind'] == 'exercise'):
        edit(number, line)
    (folder / 'session.jsonl').write_text('\n'.join(map(json.dumps, lines)) + '\n')
    return folder


def test_the_tables_hold_what_the_page_holds(record, tmp_path, capsys):
    # One damaged line; of the others an older monitor did not record the lag.
    def damage(number, line):
        line.pop('lag_ms' if number else 'reasons')

    code, printed = run(capsys, edited(record(), damage), '--out', tmp_path / 'r.html',
                        '--csv', tmp_path / 'tables')
    assert (code, printed.err) == (0, '')
    assert '1 damaged line(s) skipped' in (tmp_path / 'r.html').read_text()
    row, = csv.DictReader((tmp_path / 'tables' / 'exercises.csv').open())
    assert (row['exercise'], row['lag_ms'], float(row['ratio'])) == (
        'smile', '', pytest.approx(0.5))
    # Counted from the first frame, as the seconds are.
    assert float(row['start_s']) == pytest.approx(14.0)


def test_an_event_just_before_the_full_minute(record, tmp_path, capsys):
    folder = record()
    with (folder / 'session.jsonl').open('a') as file:
        file.write('{"kind":"event","stamp_s":1059.7,"name":"reset"}\n')
    assert run(capsys, folder, '--out', tmp_path / 'r.html')[0] == 0
    assert 'Started anew for a patient, 1:00' in Page((tmp_path / 'r.html').read_text()).text


def test_a_session_of_a_killed_recorder_is_reported(record, tmp_path, capsys):
    folder = record()
    lines = folder / 'session.jsonl'
    lines.write_bytes(lines.read_bytes()[:20000] + b'\n{"kind":"fra')
    code, _ = run(capsys, folder, '--out', tmp_path / 'r.html')
    assert code == 0
    assert 'damaged line(s) skipped' in (tmp_path / 'r.html').read_text()


def test_a_session_without_a_single_frame_still_makes_a_page(tmp_path, capsys):
    recorder = SessionRecorder(tmp_path, versions={}, parameters={}, tell=print)
    recorder.event(3.0, 'reset')
    recorder.close()
    code, _ = run(capsys, recorder.folder, '--out', tmp_path / 'r.html', '--pdf',
                  tmp_path / 'r.pdf')
    assert code == 0
    text = Page((tmp_path / 'r.html').read_text()).text
    assert 'The face could not be assessed in this session.' in text
    assert 'Started anew for a patient' in text


def test_a_page_cannot_be_broken_by_what_is_in_the_record(record, tmp_path, capsys):
    folder = record()
    metadata = folder / 'session.json'
    metadata.write_text(metadata.read_text().replace('0.1.0', '<script>alert(1)</script>'))
    run(capsys, folder, '--out', tmp_path / 'r.html')
    assert '<script' not in (tmp_path / 'r.html').read_text()


def test_a_session_given_again_counts_once(record, tmp_path, capsys):
    first, last = record(), record(day=1)
    (tmp_path / 'link').symlink_to(first)
    code, printed = run(capsys, first, last, tmp_path / 'link', f'{first}/../{first.name}',
                        '--out', tmp_path / 'r.html', '--csv', tmp_path)
    assert code == 0
    assert printed.err == 'report: given more than once, counted once: ' \
        f'{tmp_path / "link"}, {first}/../{first.name}\n'
    assert len(list(csv.DictReader((tmp_path / 'sessions.csv').open()))) == 2
    assert '2 comparable sessions:' in (tmp_path / 'r.html').read_text()
    # Alone it is no second session of a patient without a key.
    code, printed = run(capsys, *[record(key='')] * 2, '--out', tmp_path / 'one.html')
    assert (code, printed.err.count('\n')) == (0, 1)


def test_two_patients_are_never_mixed(record, tmp_path, capsys):
    code, printed = run(capsys, record(key='a'), record(key='b', day=1),
                        '--out', tmp_path / 'r.html')
    assert code == 1
    assert printed.err == 'report: sessions of several patients (a, b); report on one at a time\n'
    assert not (tmp_path / 'r.html').exists()
    code, printed = run(capsys, record(key=''), record(key='', day=1), '--out', tmp_path / 'r.html')
    assert code == 1
    assert 'without a patient key' in printed.err


def test_what_cannot_be_read_or_written_is_told_in_one_line(record, tmp_path, capsys):
    code, printed = run(capsys, tmp_path, '--out', tmp_path / 'r.html')
    assert (code, printed.err.count('\n')) == (1, 1)
    assert 'not a recorded session' in printed.err
    code, printed = run(capsys, record(), '--out', tmp_path / 'missing' / 'r.html')
    assert (code, printed.err.count('\n')) == (1, 1)
    assert 'cannot write' in printed.err


def test_a_file_that_cannot_be_written_in_full_is_named(record, tmp_path, capsys):
    folder, out = record(), tmp_path / 'r.html'
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        code, printed = run(capsys, folder, '--out', out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert code == 1
    assert f'cannot write {out} (File too large)' in printed.err
    assert not out.exists()


@pytest.mark.parametrize('given', ['--out', '--pdf', '--fhir', '--csv'])
def test_nobodys_file_is_replaced_and_its_own_are(record, tmp_path, capsys, given):
    names = {'--out': 'a.html', '--pdf': 'a.pdf', '--fhir': 'a.json', '--csv': 'tables'}
    arguments = [record(8.0, 4.0)]
    for option, name in names.items():
        arguments += [option, tmp_path / name]
    assert run(capsys, *arguments)[0] == 0
    assert run(capsys, *arguments)[0] == 0, 'its own'
    target = tmp_path / names[given]
    target = target / 'seconds.csv' if given == '--csv' else target
    others = {path: path.read_bytes() for path in tmp_path.glob('a.*') if path != target}
    target.write_text('<!DOCTYPE html>\nprecious\n')
    code, printed = run(capsys, *arguments)
    assert code == 1
    assert f'{target}: there is something that this command has not written' in printed.err
    assert target.read_text() == '<!DOCTYPE html>\nprecious\n'
    assert others == {path: path.read_bytes() for path in others}
