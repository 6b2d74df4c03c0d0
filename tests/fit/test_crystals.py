"""A potential that is held to measured cells: gradients vanish there, and it then has those cells."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.fit.cell import relax_cell
from dopantfit.fit.config import Local, parse_config
from dopantfit.fit.data import crystal_targets
from dopantfit.fit.local import refine
from dopantfit.fit.objective import Objective
from dopantfit.fit.variables import make_space
from dopantfit.structures import prototype

from .conftest import TEXT


def _config(lattice_constant, name="MgO", more="force_error = 0.1\n"):
    lengths = "".join(f"{axis} = {lattice_constant!r}\n" for axis in "abc")
    return parse_config(
        f'{TEXT}\n[[crystals]]\nprototype = "{name}"\n{lengths}source = "here"\nstress_error = 0.1\n{more}'
    )


def _objective(config, host):
    space = make_space(config, host, "fit.toml")
    return Objective(space, tuple(crystal_targets(config, space.base, "fit.toml")))


def test_a_crystal_in_the_cell_that_a_potential_gives_it_costs_nothing(host):
    space = make_space(parse_config(TEXT), host, "fit.toml")
    at_rest = float(relax_cell(prototype("MgO"), space.base).lengths_and_volume[0])
    objective = _objective(_config(at_rest), host)
    # At rest to 1e-5 eV of stress times volume: 2e-5 GPa in 75 Å³, where 0.1 GPa counts as one.
    assert np.abs(objective.candidate(objective.space.start).residuals).max() < 1e-2
    # Compressed by 1 %, MgO (some 160 GPa) pushes with 5 GPa: its stress is negative.
    squeezed = _objective(_config(0.99 * at_rest), host)
    stress = squeezed.candidate(squeezed.space.start).residuals[-6:] * 0.1
    assert -8.0 < stress[:3].mean() < -2.0


def test_a_fit_to_a_measured_cell_has_that_cell(host):
    config = _config(4.2112)  # measured; the start gives 2 % and more besides
    objective = _objective(config, host)
    space = objective.space
    before = relax_cell(prototype("MgO"), space.base).lengths_and_volume[0]
    found = refine(objective, space.start, Local(max_iterations=20))
    after = relax_cell(prototype("MgO"), space.potential(space.values(found.point))).lengths_and_volume[0]
    # Every ion of rock salt is where symmetry holds it, so that no stress means that the cell is at rest.
    assert abs(before / 4.2112 - 1) > 5e-3 and after == pytest.approx(4.2112, rel=1e-4)


def test_a_crystal_of_other_ions_is_refused(host):
    config = _config(4.34, "BPO4")
    space = make_space(config, host, "fit.toml")
    with pytest.raises(ConfigError, match="crystals: BPO4 holds B, which neither the host nor the dopant is"):
        list(crystal_targets(config, space.base, "fit.toml"))
