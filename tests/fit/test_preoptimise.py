"""The relaxed cell of a compound, and the parameters that bring it to its reference."""

import numpy as np
import pytest
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from dopantfit import ShellModel
from dopantfit.errors import ConfigError, ReferenceDataError
from dopantfit.fit.cell import relax_cell
from dopantfit.fit.config import Preoptimisation
from dopantfit.fit.preoptimise import preoptimise, reference_cell
from dopantfit.fit.variables import make_space
from dopantfit.potential import Parameter
from dopantfit.structures import prototype

from .conftest import computed, save_set

#: The equation of state that lies in the set itself.
settings = Preoptimisation(path=".", family="volumes", parameters=("rho Mg-O",))


@pytest.fixture(scope="module")
def at_rest(published):
    return relax_cell(prototype("MgO"), published)


def test_a_relaxed_cell_is_the_one_that_an_independent_optimiser_finds(at_rest, published):
    atoms = prototype("MgO")
    atoms.calc = ShellModel(published)
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-5, steps=200)
    # Both are at rest to 1e-5 eV/Å; MgO's curvature of some 10 eV/Å² makes that 1e-6 Å.
    np.testing.assert_allclose(at_rest.atoms.cell.lengths(), atoms.cell.lengths(), rtol=1e-5)
    assert at_rest.atoms.cell.volume == pytest.approx(atoms.cell.volume, rel=1e-5)


def test_a_relaxed_cell_does_not_depend_on_where_it_started(at_rest, published):
    other = published.with_values({Parameter.parse("rho Mg-O"): 0.185})
    afresh, onward = relax_cell(prototype("MgO"), other), relax_cell(prototype("MgO"), other, at_rest)
    np.testing.assert_allclose(onward.lengths_and_volume, afresh.lengths_and_volume, rtol=1e-5)
    assert abs(onward.lengths_and_volume[3] / at_rest.lengths_and_volume[3] - 1) > 0.01


def _volumes(published, scales):
    """An equation of state of MgO as the published potential has it, without noise."""
    frames = []
    equilibrium = relax_cell(prototype("MgO"), published).atoms
    for number, scale in enumerate(scales):
        atoms = equilibrium.copy()
        atoms.set_cell(atoms.cell.array * scale, scale_atoms=True)
        frame = computed(atoms, published, number, np.random.default_rng(0), "volumes")
        atoms.calc = ShellModel(published)
        frame.calc.results["energy"] = atoms.get_potential_energy()
        frames.append(frame)
    return frames


def test_the_equation_of_state_of_a_potential_has_its_minimum_at_the_relaxed_cell(published, at_rest, tmp_path):
    save_set(tmp_path, _volumes(published, (0.98, 0.99, 1.0, 1.01, 1.02)))
    reference = reference_cell(settings, tmp_path)
    # A third-order equation over ±2 % in length misses terms of fourth order: about 1e-4 of the volume.
    assert reference.lengths_and_volume[3] == pytest.approx(at_rest.lengths_and_volume[3], rel=3e-4)


@pytest.mark.parametrize(
    ("scales", "message"),
    [((0.98, 1.0, 1.02), "an equation of state needs four"), ((1.02, 1.03, 1.04, 1.05), "have no minimum")],
)
def test_an_equation_of_state_without_a_minimum_is_refused(scales, message, published, tmp_path):
    save_set(tmp_path, _volumes(published, scales))
    with pytest.raises(ReferenceDataError, match=message):
        reference_cell(settings, tmp_path)


def test_preoptimisation_brings_the_cell_and_the_parameter_back(config, host, published, tmp_path):
    save_set(tmp_path, _volumes(published, (0.98, 0.99, 1.0, 1.01, 1.02)))
    # Everything else as published, so that only ρ, which starts at 0.182, is wrong.
    base = make_space(config, host, "fit.toml")
    values = dict(zip((v.name for v in base.variables), base.values_in(published), strict=True))
    free = {
        name: getattr(config.pairs["Mg-O"], name).model_copy(update={"start": values[f"{name} Mg-O"]}) for name in "AC"
    }
    pairs = {**config.pairs, "Mg-O": config.pairs["Mg-O"].model_copy(update=free)}
    space = make_space(config.model_copy(update={"pairs": pairs}), host, "fit.toml")
    found = preoptimise(space, settings, reference_cell(settings, tmp_path), "fit.toml")
    assert found.cost_before > 10 and found.cost < 0.1
    # The reference volume is good to 3e-4; dlnV/dlnρ is about 1, so ρ is good to that.
    assert space.values(found.point)[1] == pytest.approx(0.179, rel=1e-3)
    wrong = Preoptimisation(path="x", family="volumes", parameters=("rho Mg-Q",))
    with pytest.raises(ConfigError, match=r"preoptimisation\.parameters names 'rho Mg-Q', which is not free"):
        preoptimise(space, wrong, found.reference, "fit.toml")
