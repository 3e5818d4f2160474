"""What the documents show of the code is what the code says; their links and pictures exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / 'README.md', *(ROOT / 'docs').glob('*.md')])


def test_the_table_of_metrics_is_that_of_the_code():
    table = [sys.executable, '-m', 'studies.metrics_table', '--check']
    assert subprocess.run(table, cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r'\]\(([^)#]+)', document.read_text()):
        if '://' not in target:
            assert (document.parent / target).exists(), target


def test_the_documents_that_messages_name_are_there():
    for message in (ROOT / 'stroke_side_msgs').rglob('*.msg'):
        for name in re.findall(r'docs/\w+\.md', message.read_text()):
            assert (ROOT / name).is_file(), f'{message.name}: {name}'
