"""One session as FHIR R4 JSON: a DiagnosticReport and its Observations in a Bundle.

It computes nothing and names nobody: the subject is the pseudonym. Codes are texts of this project,
not LOINC, which has none for these measurements. https://hl7.org/fhir/R4/diagnosticreport.html
"""

from __future__ import annotations

import json
import math
import uuid
from typing import Any

from stroke_side_monitor.report import words
from stroke_side_monitor.report.summary import SessionSummary

# Names resources of one session alike each time it is exported (RFC 4122, version 5).
_NAMESPACE = uuid.UUID('6f1d3c1e-1f0a-5a3b-9d55-52d0a4a6b7c1')
_UCUM = 'http://unitsofmeasure.org'
Resource = dict[str, Any]


def bundle(session: SessionSummary) -> bytes:
    """The session as a FHIR R4 Bundle of type collection, UTF-8 JSON.

    Status is `preliminary`: a measurement that no clinician has signed. What is not known has a
    dataAbsentReason, never a number.
    """
    observations = _observations(session)
    report = _report(session, list(observations))
    entries = [{'fullUrl': url, 'resource': resource}
               for url, resource in (report, *observations.items())]
    made = {'resourceType': 'Bundle', 'meta': {'source': 'urn:stroke_side_monitor'},
            'type': 'collection', 'entry': entries}
    return json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _observations(session: SessionSummary) -> dict[str, Resource]:
    side = words.weaker_side(session)
    found = [
        _observation(session, 'Weaker side of the face', text=words.SIDES[side]),
        _observation(session, 'Facial symmetry index', number=session.index, unit='{index}'),
        _observation(session, 'Grade of facial asymmetry', text=words.GRADES[session.grade]),
        _observation(session, 'Weakness of the mouth', text=words.REGIONS[session.mouth]),
        _observation(session, 'Weakness of the eye', text=words.REGIONS[session.eye])]
    for movement in session.movements:
        ratio = movement.ratio if math.isnan(movement.ratio) else 100 * movement.ratio
        found.append(_observation(
            session, f'Movement of the weaker side in percent of the other: '
            f'{words.exercise(movement.exercise)}', number=ratio, unit='%'))
    return dict(found)


def _observation(session: SessionSummary, name: str, *, number: float = math.nan, unit: str = '',
                 text: str = '') -> tuple[str, Resource]:
    url, resource = _resource(session, 'Observation', name)
    resource['effectiveDateTime'] = session.started.isoformat()
    if text:
        resource['valueString'] = text
    elif math.isfinite(number):
        resource['valueQuantity'] = {'value': round(number, 1), 'system': _UCUM, 'code': unit}
    else:
        resource['dataAbsentReason'] = {'coding': [{
            'system': 'http://terminology.hl7.org/CodeSystem/data-absent-reason',
            'code': 'unknown'}]}
    return url, resource


def _report(session: SessionSummary, observations: list[str]) -> tuple[str, Resource]:
    url, resource = _resource(session, 'DiagnosticReport', 'Facial asymmetry, measured by camera')
    conclusion = [words.headline(session), *words.paragraphs(session, None), *words.LIMITS]
    resource.update(
        effectiveDateTime=session.started.isoformat(), conclusion=' '.join(conclusion),
        result=[{'reference': one} for one in observations])
    return url, resource


def _resource(session: SessionSummary, kind: str, name: str) -> tuple[str, Resource]:
    identity = uuid.uuid5(_NAMESPACE, f'{session.name}/{kind}/{name}')
    resource: Resource = {'resourceType': kind, 'id': str(identity), 'status': 'preliminary',
                          'code': {'text': name}}
    if session.patient_key:
        resource['subject'] = {'identifier': {'value': session.patient_key}}
    return f'urn:uuid:{identity}', resource
