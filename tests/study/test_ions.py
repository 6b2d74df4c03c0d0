"""Ions as tables of a study name them."""

import pytest

from dopantfit.study.ions import MovingIon


@pytest.mark.parametrize("ion", [MovingIon("Li"), MovingIon("Mg", "Ti"), MovingIon("O_b", "between")])
def test_a_name_is_read_back(ion: MovingIon) -> None:
    assert MovingIon.named(ion.name) == ion


def test_a_label_that_begins_with_another_is_another_ion() -> None:
    """Y and Yb, as P and Pd: no ion is told by the beginning of a name."""
    assert MovingIon.named("Yb on Ti").label == "Yb"
    assert MovingIon.named("Mg on Ti") == MovingIon("Mg", "Ti")
