"""Numbers and their limits."""

import math

import pytest

from dopantfit.validate import thresholds
from dopantfit.validate.gate import Check, Gate, Threshold

LIMIT = Threshold(0.0, 2.0, "Å", "because")


@pytest.mark.parametrize(
    ("value", "passed"), [(-1e-9, False), (0.0, True), (2.0, True), (2.0000001, False), (math.nan, False)]
)
def test_a_value_passes_between_its_limits_ends_included(value, passed):
    assert LIMIT.check("x", value).passed is passed


def test_a_value_is_decided_when_its_limit_is_two_errors_away():
    assert LIMIT.check("x", 1.5, 0.2).decided
    assert not LIMIT.check("x", 1.5, 0.3).decided
    assert LIMIT.check("x", 1.5).decided
    # A share cannot be above 1, however near it is.
    share = Threshold(0.99, 1.0, "", "because", ceiling=True)
    assert share.check("x", 1.0, 0.0).decided and share.check("x", 0.999, 0.002).decided
    assert not share.check("x", 0.993, 0.002).decided
    # An open end is never near.
    assert Threshold(0.0, math.inf, "", "because").check("x", 1e9, 1.0).decided


def test_a_gate_passes_only_with_numbers_that_all_pass():
    good, bad = LIMIT.check("x", 1.0), LIMIT.check("y", 3.0)
    assert Gate("g", "", (good,)).passed
    assert not Gate("g", "", (good, bad)).passed
    assert not Gate("g", "", ()).passed
    assert not Gate("g", "", (good,), problem="broke down").passed


def test_a_gate_comes_back_from_json():
    open_ended = Threshold(-math.inf, 1.0, "eV", "because").check("y", 0.3, 0.1)
    gate = Gate("g", "found", (LIMIT.check("x", 1 / 3), open_ended), ("g.png",), {"n": 3}, None, True, 1.5)
    assert Gate.from_dict(gate.as_dict()) == gate


def test_a_number_that_is_none_is_null_in_json_and_still_fails():
    check = Check.from_dict(LIMIT.check("x", math.nan).as_dict())
    assert LIMIT.check("x", math.nan).as_dict()["value"] is None
    assert not check.passed


def test_every_threshold_has_a_reason_and_a_range():
    limits = [one for one in vars(thresholds).values() if isinstance(one, Threshold)]
    assert len(limits) > 20
    assert all(one.low <= one.high and len(one.reason) > 20 for one in limits)
