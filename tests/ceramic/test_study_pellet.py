"""Pellets of a study: bounds stay bounds, shared grains cancel, and the verb says what it lacks."""

import json
from pathlib import Path

import numpy as np
import pytest

from dopantfit.ceramic import BrickLayer
from dopantfit.ceramic.cli import ceramic
from dopantfit.ceramic.study_pellet import _gain, _rows
from dopantfit.errors import ConfigError
from dopantfit.statistics import Interval, carried, carried_positive

MG = Path(__file__).parents[2] / "fits" / "Mg"
WIDE = Interval(0.02, 0.5, 0.1)


def test_thick_grains_of_equal_pellets_differ_by_nothing():
    narrow = Interval(0.019, 0.021, 0.02)
    rows = _rows(WIDE, {"A_ref": narrow, "A_1": Interval(0.038, 0.042, 0.04)}, 2.0)
    gains = {row.grain_size: row.gain for row in rows if row.system == "A_1"}
    assert all(row.gain == Interval(1.0, 1.0, 1.0) for row in rows if row.system == "A_ref")
    assert gains[0.1].value > gains[10.0].value > 1.0
    # The error of the grains is a factor of 5 in σ; in the ratio it cancels but for the boundary's small share.
    total = next(row.total for row in rows if row.system == "A_1" and row.grain_size == 10.0)
    assert total.high / total.low > 20.0 and gains[10.0].high / gains[10.0].low < 1.01


def test_intervals_of_a_studys_pellets_hold_the_truth_in_93_to_97_percent():
    """Grains and two boundaries as a study gives them, with errors of 20 to 40 %: totals and ratios of three sizes."""
    truth, errors = {"C_ref": 0.1, "A_ref": 0.02, "A_1": 0.035}, {"C_ref": 0.4, "A_ref": 0.2, "A_1": 0.3}
    rng, runs, sizes = np.random.default_rng(8), 1000, (0.1, 1.0, 10.0)

    def derived(sigma):
        found = {}
        bulk, *boundaries = (Interval.of_logarithm(value, value * errors[name]) for name, value in sigma.items())
        for size in sizes:
            brick = BrickLayer.of(1000.0 * size, 2.0)
            found["total", size] = carried_positive(brick.conductivity, [bulk, boundaries[1]])
            found["gain", size] = _gain(brick, bulk, boundaries[1], boundaries[0])
        return found

    wanted = {name: one.value for name, one in derived(truth).items()}
    held = dict.fromkeys(wanted, 0)
    for _ in range(runs):
        seen = {name: value * float(np.exp(errors[name] * rng.normal())) for name, value in truth.items()}
        for name, one in derived(seen).items():
            held[name] += one.low <= wanted[name] <= one.high
    # 95 % of 1,000 scatters by 0.7 %.
    assert all(0.93 < number / runs < 0.97 for number in held.values()), held


def test_a_bound_gives_a_bound_and_nothing_about_a_ratio():
    bound = Interval(0.0, 0.3)
    rows = _rows(WIDE, {"A_ref": bound, "A_1": bound}, 2.0)
    # As far as any values do: both at their upper ends.
    expected = BrickLayer.of(100.0, 2.0).conductivity(0.5, 0.3)
    assert rows[0].total.value is None and rows[0].total.high == pytest.approx(expected) and rows[0].total.low == 0.0
    doped = _gain(BrickLayer.of(100.0, 2.0), WIDE, Interval(0.0, 0.3), bound)
    assert doped.value is None and doped.low == 0.0 and doped.high == np.inf


def test_ends_carry_in_quadrature_and_stay_lopsided():
    one, other = Interval(9.0, 14.0, 10.0), Interval(4.0, 5.5, 5.0)
    found = carried(lambda a, b: a - b, [one, other])
    assert found.value == 5.0
    assert found.low == pytest.approx(5.0 - np.hypot(1.0, 0.5)) and found.high == pytest.approx(
        5.0 + np.hypot(4.0, 1.0)
    )


def test_a_ratio_carries_as_the_ratio_of_intervals_does():
    one, other = Interval(9.0, 14.0, 10.0), Interval(4.0, 5.5, 5.0)
    found, known = carried_positive(lambda a, b: a / b, [one, other]), one.over(other)
    for end in ("low", "high", "value"):
        assert getattr(found, end) == pytest.approx(getattr(known, end), rel=1e-12)


def test_the_verb_reads_the_study_that_is_kept_with_a_fit(tmp_path, capsysbinary):
    ceramic(MG, thickness=3.0, figure=tmp_path / "sizes.png", json=True)
    record = json.loads(capsysbinary.readouterr().out)
    assert record["thickness_nm"] == 3.0 and record["reference"] == "A_ref"
    rows = (tmp_path / "sizes.csv").read_text().splitlines()
    assert len(rows) == 1 + len(record["pellets"]) and (tmp_path / "sizes.png").stat().st_size > 10_000


@pytest.mark.parametrize(("thickness", "said"), [(-1.0, "--thickness"), (100.0, "thinner"), (np.nan, "--thickness")])
def test_a_boundary_as_thick_as_a_grain_is_refused(thickness, said):
    with pytest.raises(ConfigError, match=said):
        ceramic(MG, thickness=thickness)
