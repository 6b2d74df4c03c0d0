"""The figure of a study that goes on until it can tell: every look of every check, with its limit."""

import csv
from types import SimpleNamespace

import pytest

from dopantfit.report.draw_rounds import rounds_picture
from dopantfit.statistics import Interval
from dopantfit.study.config import parse_study
from dopantfit.study.extent import Extent
from dopantfit.study.round_record import Round, RoundCheck, Rounds

STUDY = parse_study('seed = 1\ndopant = "Mg"\npotential = "p"\nvalidation = "v"\n', preset="quick")
SIGMA, SHARE, DEPTH = "σ(Li) of A_1 over A_ref", "dopant fraction, grain over boundary", "depth"


def check(quantity, low, high, value, limit, answer):
    return RoundCheck(
        composition="GB_1", quantity=quantity, interval=Interval(low, high, value), limit=limit,
        at_most=quantity != SIGMA, answer=answer, prospect=None,
    )  # fmt: skip


def look(number, hours, *checks):
    return Round(
        number=number, extent=Extent.first(STUDY), tail=0.01, core_hours=hours, answer="undecided", rules=STUDY.rules,
        checks=checks, added=(), following=None, ended=None, words="",
    )  # fmt: skip


@pytest.fixture
def study():
    rounds = (
        look(1, 9.0, check(SIGMA, 0.5, 2.6, 1.2, 1.0, "undecided"), check(SHARE, 0.0, 0.3, None, 0.2, "undecided"),
             check(DEPTH, 1.0, 2.0, 1.5, None, "undecided")),
        look(2, 14.0, check(SIGMA, 1.02, 1.5, 1.25, 1.0, "yes"), check(SHARE, 0.0, 0.1, 0.05, 0.2, "yes")),
    )  # fmt: skip
    record = SimpleNamespace(
        rounds=Rounds(looks=6, seconds_per_ion_ps=0.01, seconds_per_swap_of_1000_ions=0.4, rounds=rounds)
    )
    return SimpleNamespace(record=record)


def test_every_look_of_every_check_with_a_limit_is_drawn_and_told(study, tmp_path):
    picture = rounds_picture(study, tmp_path)
    with open(tmp_path / "rounds.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    told = [(row["quantity"], row["look"], float(row["core_hours"]), row["high"], row["answer"]) for row in rows]
    assert told == [
        (SIGMA, "1", 9.0, "2.6", "undecided"),
        (SIGMA, "2", 14.0, "1.5", "yes"),
        (SHARE, "1", 9.0, "0.3", "undecided"),
        (SHARE, "2", 14.0, "0.1", "yes"),
    ]
    assert picture.csv == ("rounds.csv",) and "2 looks" in picture.alt
    drawn = (tmp_path / "rounds.svg").read_text(encoding="utf-8")
    assert drawn.count("asked: ") == 2  # titles stand as comments beside their outlines


def test_a_study_of_fixed_size_has_no_looks_to_draw(tmp_path):
    assert rounds_picture(None, tmp_path) is None
    assert rounds_picture(SimpleNamespace(record=SimpleNamespace(rounds=None)), tmp_path) is None
    assert not list(tmp_path.iterdir())
