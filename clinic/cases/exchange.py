"""A case as FHIR R4 JSON, in English, whatever the reader's language.

It measures nothing and names nobody: the subject is the pseudonym that was given.
"""

from __future__ import annotations

import math

from django.utils import translation

from clinic.cases import words
from clinic.cases.models import Case
from stroke_side_monitor.assessment.terms import Grade, RegionSeverity, Side
from stroke_side_monitor.report import words as report_words
from stroke_side_monitor.report.fhir import Finding, Subject, collection, face_findings


def fhir(case: Case) -> bytes:
    """The Bundle of a case that is DONE."""
    subject = Subject(str(case.id), case.patient_key, case.made.isoformat())
    with translation.override('en'):
        if case.kind == Case.Kind.SCAN:
            said = [words.scan_answer(case.result), *words.scan_reasons(case.result),
                    *(f'{name}: {value}.' for name, value in words.scan_extent(case.result)),
                    words.scan_advice(case.result)]
            title, findings = 'Head scan, judged by a model', _scan(case)
        else:
            said = [*words.parts(case.result), words.side(case.result['side']),
                    *words.reasons(case.result), words.advice(case.result)]
            title, findings = 'Facial asymmetry, measured by camera', _face(case)
        models = [f"{model['name']} {model['sha256'][:8]}" for model in case.given_by.values()]
        given_by = [f'Given by: {", ".join(models)}.'] if models else []
        return collection(subject, title, findings,
                          ' '.join([*said, *given_by, words.disclaimer()]))


def _face(case: Case) -> list[Finding]:
    figures = case.result
    index = figures['symmetry_index']
    return face_findings(
        report_words.SIDES[Side[figures['side'].upper()]], math.nan if index is None else index,
        report_words.GRADES[Grade[figures['grade'].upper()]],
        *(report_words.REGIONS[RegionSeverity[figures[f'{part}_severity'].upper()]]
          for part in ('mouth', 'eye')))


def _scan(case: Case) -> list[Finding]:
    judged = case.result.get('judged') or {'answer': '', 'probability': None}
    probability = judged['probability']
    return [Finding('Answer of the scan model', judged['answer']),
            Finding('Probability of a stroke by the scan model', unit='%',
                    number=math.nan if probability is None else 100 * probability),
            Finding('Slices with enough brain to judge', number=case.result['with_brain'],
                    unit='{slices}')]
