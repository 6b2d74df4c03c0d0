"""Numbers that follow from the tables of a study."""

import pytest

from dopantfit.study.readings import acceptance_share


def accepted(attempts, value, low, high):
    return {"attempts": attempts, "acceptance_value": value, "acceptance_low": low, "acceptance_high": high}


def test_the_acceptance_of_one_system_keeps_its_interval():
    found = acceptance_share([accepted(100, 0.05, 0.02, 0.11)])
    assert (found.low, found.value, found.high) == pytest.approx((0.02, 0.05, 0.11))


def test_two_systems_as_wide_as_each_other_narrow_by_the_root_of_two():
    found = acceptance_share([accepted(100, 0.05, 0.02, 0.11), accepted(100, 0.05, 0.02, 0.11)])
    assert found.value == pytest.approx(0.05)
    assert (found.value - found.low, found.high - found.value) == pytest.approx((0.03 / 2**0.5, 0.06 / 2**0.5))
