"""The example without a dopant: what it says it frees is what a fit would free."""

from pathlib import Path

from dopantfit.fit.config import load_config
from dopantfit.fit.variables import make_space
from dopantfit.potential import Potential
from dopantfit.reference.manifest import load_manifest

EXAMPLE = Path(__file__).parents[2] / "examples" / "Na3OCl"


def test_seventeen_numbers_are_free_between_their_bounds():
    config, file = load_config(EXAMPLE / "fits" / "Na3OCl")
    space = make_space(config, Potential.load(file.parent / config.host), str(file))
    assert len(space.variables) == 17
    assert space.moves_charges


def test_its_start_is_neutral_where_its_formal_charges_are():
    ions = Potential.load(EXAMPLE / "fits" / "Na3OCl" / "start.toml").species
    assert abs(3 * ions["Na"].total_charge + ions["O"].total_charge + ions["Cl"].total_charge) < 1e-12


def test_its_manifest_takes_the_family_with_charged_cells():
    (path,) = (one.path for one in load_config(EXAMPLE / "fits" / "Na3OCl")[0].sets)
    manifest = load_manifest(EXAMPLE / "fits" / "Na3OCl" / path)
    assert manifest.charged_families == ("frames",)
