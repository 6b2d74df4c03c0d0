"""The figure of where the dopant goes: chain and spectra by temperature, with and without the potential's error."""

import csv
from dataclasses import replace
from math import inf

import pytest
from made_up_study import write_study

from dopantfit.report import draw_share
from dopantfit.report.draw_share import share_picture
from dopantfit.statistics import Interval
from dopantfit.study.confinement import SHARE
from dopantfit.study.exchange_error import under_error
from dopantfit.study.spectrum_shares import SpectrumShare
from dopantfit.study.summary import read_summary
from dopantfit.study.verdict import ExchangeAccuracy, KnownError, at_most

CURVE = tuple(SpectrumShare(kelvin, Interval(0.005, 0.08, 0.02), True) for kelvin in (500.0, 1000.0, 2000.0))


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw a check of the share beside spectra; return the picture and the rows of its table."""

    def draw(check, shares=CURVE, tail=0.025):
        study = read_summary(write_study(tmp_path / "run"))
        record = study.record.model_copy(update={"verdict": study.record.verdict.model_copy(update={"tail": tail})})
        study = replace(study, record=record)
        compositions = study.record.verdict.compositions
        three = compositions["GB_1"].requirements[0].model_copy(update={"checks": (check,)})
        compositions["GB_1"] = compositions["GB_1"].model_copy(update={"requirements": (three,)})
        monkeypatch.setattr(draw_share, "grain_shares", lambda *_: shares)
        picture = share_picture(study, tmp_path)
        with open(tmp_path / "grain-share.csv", encoding="utf-8", newline="") as file:
            return picture, list(csv.DictReader(line for line in file if not line.startswith("#")))

    return draw


def test_chain_and_spectra_stand_beside_each_other_with_the_error_of_the_potential(drawn):
    accuracy = ExchangeAccuracy(temperature_K=1000.0, error=KnownError(energy_eV=0.1, source="given"))
    picture, rows = drawn(under_error(at_most(SHARE, "", Interval(0.0, 0.1), 0.2), accuracy, 0.025))
    assert picture.alt == "At 1000 K the chain of swaps and the spectra agree within their errors."
    assert [(row["of"], float(row["temperature_K"]), row["counts"]) for row in rows] == [
        ("spectrum", 500.0, "True"), ("spectrum", 1000.0, "True"), ("spectrum", 2000.0, "True"), ("chain", 1000.0, ""),
    ]  # fmt: skip
    # 0.1 eV counts twice as much, in logarithms, at half the temperature.
    widths = [float(row["high_with_error"]) / float(row["high"]) for row in rows]
    assert widths[0] > widths[1] > widths[2] > 1.0
    assert float(rows[3]["high_with_error"]) == pytest.approx(0.1 * 9.723, rel=1e-3)  # exp(1.96 · 0.1 eV / kT)


def test_the_error_of_the_chain_is_as_wide_as_the_verdicts(drawn):
    accuracy = ExchangeAccuracy(temperature_K=1000.0, error=KnownError(energy_eV=0.1, source="given"))
    check = under_error(at_most(SHARE, "", Interval(0.0, 0.1), 0.2), accuracy, 0.005)
    _, rows = drawn(check, tail=0.005)
    assert float(rows[3]["high_with_error"]) == pytest.approx(check.field.interval.high)


def test_a_chain_that_contradicts_the_spectra_is_said_to(drawn):
    picture, rows = drawn(at_most(SHARE, "", Interval(0.3, 0.9, 0.6), 0.2))
    assert "do not agree" in picture.alt and rows[0]["high_with_error"] == rows[0]["high"]


def test_spectra_that_do_not_count_are_told(drawn):
    few = tuple(SpectrumShare(one.temperature_K, one.ratio, False) for one in CURVE)
    assert "too few sampled sites" in drawn(at_most(SHARE, "", Interval(0.0, 0.1), 0.2), few)[0].alt


def test_a_chain_that_was_not_measured_agrees_with_nothing(drawn):
    picture, rows = drawn(at_most(SHARE, "", Interval(0.0, inf), 0.2))
    assert "is not known" in picture.alt and {row["of"] for row in rows} == {"spectrum"}


def test_without_spectra_the_chain_stands_alone(drawn):
    picture, rows = drawn(at_most(SHARE, "", Interval(0.0, 0.1), 0.2), ())
    assert "no spectra were kept" in picture.alt and [row["of"] for row in rows] == ["chain"]


def test_a_study_without_the_check_has_no_such_figure(tmp_path):
    assert share_picture(read_summary(write_study(tmp_path)), tmp_path) is None
    assert share_picture(None, tmp_path) is None
