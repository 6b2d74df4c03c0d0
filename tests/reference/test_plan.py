from pathlib import Path

import pytest

from dopantfit.errors import ConfigError
from dopantfit.reference.plan import Relaxation, load_plan, parse_plan

VALID = """
set = "Mg-oxide"
purpose = "a test"
[[configurations]]
kind = "relaxation"
name = "relax"
start = { prototype = "MgO", strain = 0.01 }
steps = 4
[[configurations]]
kind = "rattle"
name = "rattle"
start = { end_of = "relax" }
sigmas = [0.03, 0.05]
"""


def test_a_plan_reads_as_it_is_written() -> None:
    plan = parse_plan(VALID)
    relax, rattle = plan.configurations
    assert isinstance(relax, Relaxation)
    assert (relax.start.prototype, relax.start.strain, relax.steps) == ("MgO", 0.01, 4)
    assert rattle.start.end_of == "relax"
    # A relaxation of n steps has n + 1 frames, the start being one.
    assert [item.count for item in plan.configurations] == [5, 2]
    assert plan.k_mesh == (1, 1, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('purpose = "a test"', 'purpose = "a test"\nporpoise = 1', "p.toml: porpoise is no known key"),
        ('kind = "rattle"', 'kind = "rattel"', "p.toml: configurations.1: .*'rattel'"),
        ("strain = 0.01", "strain = 1.0", "p.toml: configurations.0.relaxation.start.strain = 1.0: .*0.2"),
        ("steps = 4", "steps = 4.0", "p.toml: configurations.0.relaxation.steps = 4.0: .*integer"),
        ("sigmas = [0.03, 0.05]", "sigmas = [0.03, -0.05]", "p.toml: configurations.1.rattle.sigmas.1 = -0.05:"),
        (
            'kind = "rattle"\nname = "rattle"',
            'kind = "volumes"\nname = "v"\nstart = { prototype = "MgO" }\nscales = [0.1]\n'
            '[[configurations]]\nkind = "rattle"\nname = "rattle"',
            "p.toml: configurations.1.volumes.scales.0 = 0.1: .*0.8",
        ),
        ('prototype = "MgO"', 'prototype = "MgO", frame = "x"', "give exactly one of prototype, file, frame"),
        ("sigmas = [0.03, 0.05]", "sigmas = [0.03, 0.05]\nstrains = [0.01]", "1 strains for 2 sigmas"),
        ('end_of = "relax"', 'end_of = "rilex"', "rattle: end_of = 'rilex' is no relaxation above it"),
        ('name = "rattle"', 'name = "relax"', "two items are called 'relax'"),
        ("[[configurations]]", "[[configurations]", "p.toml: not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_plan(VALID.replace(old, new, 1), "p.toml")
    assert "\n" not in str(caught.value)


def test_a_missing_plan_and_a_missing_item_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"plan\.toml: cannot be read"):
        load_plan(tmp_path / "plan.toml")
    with pytest.raises(ConfigError, match="no item 'relaxx'; it has relax, rattle"):
        list(parse_plan(VALID).items(("relaxx",)))


def test_every_plan_of_the_project_is_valid() -> None:
    plans = sorted(Path(__file__).parents[2].glob("reference_dft/*/plan.toml"))
    assert {path.parent.name for path in plans} >= {"Mg-lamtp", "Mg-phosphate"}
    for path in plans:
        assert load_plan(path.parent).set == path.parent.name
