"""Measurements as FHIR R4 JSON: a DiagnosticReport and its Observations in a Bundle.

It computes nothing and names nobody: the subject is a pseudonym. Codes are texts of this project,
not LOINC, which has none for these measurements. https://hl7.org/fhir/R4/diagnosticreport.html
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stroke_side_monitor.report import words
from stroke_side_monitor.report.summary import Movement, SessionSummary

# Names resources of one session alike each time it is exported (RFC 4122, version 5).
_NAMESPACE = uuid.UUID('6f1d3c1e-1f0a-5a3b-9d55-52d0a4a6b7c1')
_UCUM = 'http://unitsofmeasure.org'
Resource = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One measurement: a text, or a number with its UCUM unit; NaN and no text: not known."""

    name: str
    text: str = ''
    number: float = math.nan
    unit: str = ''


@dataclass(frozen=True)
class Subject:
    """What was measured. identity: names its resources alike each time it is exported.

    patient_key: a pseudonym, or ''. effective: when, ISO 8601 with its offset from UTC.
    """

    identity: str
    patient_key: str
    effective: str


def bundle(session: SessionSummary) -> bytes:
    """A recorded session as a FHIR R4 Bundle of type collection, UTF-8 JSON."""
    conclusion = [words.headline(session), *words.paragraphs(session, None), *words.LIMITS]
    return collection(
        Subject(session.name, session.patient_key, session.started.isoformat()),
        'Facial asymmetry, measured by camera', _findings(session), ' '.join(conclusion))


def collection(subject: Subject, title: str, findings: Sequence[Finding], conclusion: str
               ) -> bytes:
    """A report and its observations as a FHIR R4 Bundle of type collection, UTF-8 JSON.

    Status is `preliminary`: a measurement that no clinician has signed. What is not known has a
    dataAbsentReason, never a number.
    """
    observations = dict(_observation(subject, one) for one in findings)
    url, report = _resource(subject, 'DiagnosticReport', title)
    report.update(conclusion=conclusion, result=[{'reference': one} for one in observations])
    entries = [{'fullUrl': url, 'resource': resource}
               for url, resource in ((url, report), *observations.items())]
    made = {'resourceType': 'Bundle', 'meta': {'source': 'urn:stroke_side_monitor'},
            'type': 'collection', 'entry': entries}
    return json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False).encode()


def face_findings(side: str, index: float, grade: str, mouth: str, eye: str) -> list[Finding]:
    """What is measured of every face, in words; the index 0 to 100 or NaN."""
    return [Finding('Weaker side of the face', side),
            Finding('Facial symmetry index', number=index, unit='{index}'),
            Finding('Grade of facial asymmetry', grade),
            Finding('Weakness of the mouth', mouth), Finding('Weakness of the eye', eye)]


def _findings(session: SessionSummary) -> list[Finding]:
    found = face_findings(
        words.SIDES[words.weaker_side(session)], session.index, words.GRADES[session.grade],
        words.REGIONS[session.mouth], words.REGIONS[session.eye])
    for movement in session.movements:
        ratio = movement.ratio if math.isnan(movement.ratio) else 100 * movement.ratio
        found.append(Finding(f'Movement of {_compared(movement)}: '
                             f'{words.exercise(movement.exercise)}', number=ratio, unit='%'))
    return found


def _compared(movement: Movement) -> str:
    """Which side of which, by name: in one movement it may be the other than in the whole."""
    if movement.left < movement.right:
        return 'the patient\'s left side in percent of the right'
    if movement.right < movement.left:
        return 'the patient\'s right side in percent of the left'
    return 'the side that moved less in percent of the other'


def _observation(subject: Subject, finding: Finding) -> tuple[str, Resource]:
    url, resource = _resource(subject, 'Observation', finding.name)
    if finding.text:
        resource['valueString'] = finding.text
    elif math.isfinite(finding.number):
        resource['valueQuantity'] = {
            'value': round(finding.number, 1), 'system': _UCUM, 'code': finding.unit}
    else:
        resource['dataAbsentReason'] = {'coding': [{
            'system': 'http://terminology.hl7.org/CodeSystem/data-absent-reason',
            'code': 'unknown'}]}
    return url, resource


def _resource(subject: Subject, kind: str, name: str) -> tuple[str, Resource]:
    identity = uuid.uuid5(_NAMESPACE, f'{subject.identity}/{kind}/{name}')
    resource: Resource = {'resourceType': kind, 'id': str(identity), 'status': 'preliminary',
                          'code': {'text': name}, 'effectiveDateTime': subject.effective}
    if subject.patient_key:
        resource['subject'] = {'identifier': {'value': subject.patient_key}}
    return f'urn:uuid:{identity}', resource
