"""The norms command: measures as the pipeline does, finds what was put in, cannot favour a side."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from stroke_side_monitor.assessment.norms import Context, MetricNorm
from stroke_side_monitor.perception.face_tracker import StillFaceFinder
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from studies import norms_from_faces
from studies.norms_from_faces import Sample

NAME = 'mouth.commissure_height'
TRUE = MetricNorm(yaw_slope=0.045, roll_slope=-0.02, log_sd=-0.1, smile=0.3, yaw=0.1, coarse=0.05)


@pytest.fixture(scope='module')
def drawn():
    """Samples drawn from TRUE, every group with the same spread."""
    rng = np.random.default_rng(5)
    samples = []
    for index in range(9000):
        context = Context(float(rng.normal(0, 5)), float(rng.normal(0, 3)),
                          float(rng.uniform(42, 70)), float(rng.uniform(50, 150)))
        value = TRUE.expected(context) + TRUE.sd(context) * float(rng.standard_normal())
        source = ('london_neutral', 'canada', 'congress')[index % 3]
        samples.append(Sample(source, str(index), 0, {NAME: value}, context))
    return samples


def test_it_measures_a_picture_as_the_pipeline_does(astronaut):
    pipeline = Pipeline(PipelineSettings(min_interocular_px=30.0), video=False)
    finder = StillFaceFinder()
    said = pipeline.assess(astronaut, 0.0)
    sample = norms_from_faces.measure(finder, astronaut, 'nasa', 'her', 0, pipeline.classifier)
    assert sample.values == pytest.approx(said.metrics, abs=1e-9)
    assert sample.classifier == said.side.classifier_score
    blank = np.full_like(astronaut, 128)
    assert norms_from_faces.measure(finder, blank, 'nobody', 'there', 0) is None
    finder.close()
    pipeline.close()


def test_the_fit_finds_what_was_put_in(drawn):
    found = norms_from_faces.fit(drawn, NAME)
    for name, value in TRUE.__dict__.items():
        assert getattr(found, name) == pytest.approx(value, abs=0.05), name


def test_the_fit_cannot_favour_a_side(drawn):
    mirrored = [replace(sample, values={NAME: -sample.values[NAME]}, context=replace(
        sample.context, yaw_deg=-sample.context.yaw_deg, roll_deg=-sample.context.roll_deg))
        for sample in drawn]
    assert norms_from_faces.fit(mirrored, NAME) == norms_from_faces.fit(drawn, NAME)


def test_too_few_faces_are_refused_and_nothing_is_written(tmp_path, capsys, astronaut):
    (tmp_path / 'canada_faces').mkdir()
    cv2.imwrite(str(tmp_path / 'canada_faces/one.jpg'), cv2.cvtColor(astronaut, cv2.COLOR_RGB2BGR))
    (tmp_path / 'canada_faces/torn.jpg').write_bytes(b'no picture')
    out = tmp_path / 'norms.yaml'
    assert norms_from_faces.main(['--data', str(tmp_path), '--out', str(out)]) == 1
    said = capsys.readouterr()
    assert 'only 3 healthy faces' in said.err  # as photographed, and twice resampled
    assert 'torn.jpg' in said.out + said.err
    assert not out.exists()
