"""What is written as TOML is read back as it was, by a reader that is not ours."""

import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.potential.files import library_names
from dopantfit.strict_toml import toml_lines, toml_value

TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_any_table_reads_back_to_the_last_bit(table: dict) -> None:
    found = tomllib.loads(toml_lines(table))
    assert found == table
    assert repr(found) == repr(table)  # -0.0 is no 0.0, True no 1


def test_text_with_quotes_controls_and_other_scripts_stays_text() -> None:
    text = 'a "b" \\ C:\\new \n\t\x7f\x00 ρ é 中 # no comment'
    assert tomllib.loads(f"key = {toml_value(text)}  # comment") == {"key": text}


def test_values_are_written_as_people_write_them() -> None:
    """What stands in potentials and plans, so that its bytes stay: bare keys where they can be, one line."""
    table = {"path": "../a", "cell": [1.0, 0.1, 1e-7], "start": {"odd key": (1, True), "Mg-O": {}}}
    assert toml_lines(table) == (
        'path = "../a"\ncell = [1.0, 0.1, 1e-07]\nstart = { "odd key" = [1, true], Mg-O = {  } }\n'
    )


@pytest.mark.parametrize("value", [None, math.inf, math.nan, [{"a": None}], Path("x"), {"a": [math.nan]}])
def test_what_no_file_of_ours_can_hold_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="cannot be written as TOML"):
        toml_value(value)


@pytest.mark.parametrize("name", library_names())
def test_every_potential_of_the_library_reads_back_equal(name: str, tmp_path: Path) -> None:
    potential = Potential.load(name)
    potential.save(tmp_path / "again.toml")
    assert Potential.load(tmp_path / "again.toml") == potential
