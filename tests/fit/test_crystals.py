"""A potential that is held to measured cells: it then has those cells."""

from pathlib import Path

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.fit.cell import relax_cell
from dopantfit.fit.config import Local, ReferenceSet, parse_config
from dopantfit.fit.crystals import crystal_targets
from dopantfit.fit.data import make_target
from dopantfit.fit.local import refine
from dopantfit.fit.objective import Objective
from dopantfit.fit.variables import make_space
from dopantfit.structures import prototype

from .conftest import TEXT, frames_of


def _config(lattice_constant, name="MgO"):
    lengths = "".join(f"{axis} = {lattice_constant!r}\n" for axis in "abc")
    return parse_config(f'{TEXT}\n[[crystals]]\nprototype = "{name}"\n{lengths}source = "here"\nstress_error = 0.1\n')


def _objective(config, host):
    """Of the crystal, and of one frame that counts next to nothing."""
    space = make_space(config, host, "fit.toml")
    frame = make_target(
        frames_of(space.base, 1, seed=1)[0], "set", ReferenceSet(path="set", force_error=1e6), space.base, {}
    )
    return Objective(space, (frame,), exchanges=crystal_targets(config, space.base, Path("fit.toml")))


def _stress_residuals(objective):
    return objective.candidate(objective.space.start).residuals[-3:]


def test_a_crystal_in_the_cell_that_a_potential_gives_it_costs_nothing(host):
    space = make_space(parse_config(TEXT), host, "fit.toml")
    at_rest = float(relax_cell(prototype("MgO"), space.base).lengths_and_volume[0])
    objective = _objective(_config(at_rest), host)
    # A third-order constant of some 3000 GPa makes 2e-3 GPa of a strain of 2e-3; 0.1 GPa counts as one.
    assert np.abs(_stress_residuals(objective)).max() < 0.05
    # Compressed by 1 %, MgO (some 160 GPa) pushes with 5 GPa: its stress is negative.
    stress = _stress_residuals(_objective(_config(0.99 * at_rest), host)) * 0.1
    assert np.ptp(stress) < 1e-6 and -8.0 < stress[0] < -2.0


def test_a_fit_to_a_measured_cell_has_that_cell(host):
    config = _config(4.2112)  # measured; the start gives 2 % and more besides
    objective = _objective(config, host)
    space = objective.space
    before = relax_cell(prototype("MgO"), space.base).lengths_and_volume[0]
    found = refine(objective, space.start, Local(max_iterations=20))
    after = relax_cell(prototype("MgO"), space.potential(space.values(found.point))).lengths_and_volume[0]
    assert abs(before / 4.2112 - 1) > 5e-3 and after == pytest.approx(4.2112, rel=1e-4)


def test_a_crystal_of_other_ions_is_refused(host):
    config = _config(4.34, "BPO4")
    space = make_space(config, host, "fit.toml")
    with pytest.raises(ConfigError, match="crystals: BPO4 holds B, which neither the host nor the dopant is"):
        crystal_targets(config, space.base, Path("fit.toml"))


def test_a_crystal_of_a_file_is_that_of_the_library(host, tmp_path):
    prototype("MgO").write(tmp_path / "periclase.cif")
    library = _config(4.2112)
    text = library.crystals[0].model_copy(update={"prototype": None, "structure": "periclase.cif"})
    given = library.model_copy(update={"crystals": (text,)})
    space = make_space(library, host, "fit.toml")
    frame = make_target(
        frames_of(space.base, 1, seed=1)[0], "set", ReferenceSet(path="set", force_error=1e6), space.base, {}
    )
    costs = []
    for config in (library, given):
        targets = crystal_targets(config, space.base, tmp_path / "fit.toml")
        objective = Objective(space, (frame,), exchanges=targets)
        # Conventional cell of four units in the file, one unit of the library's primitive cell: errors go with volume.
        costs.append(_stress_residuals(objective))
    assert targets[0].family == "periclase"
    assert costs[1] == pytest.approx(costs[0], rel=1e-3)


def test_a_crystal_is_named_or_in_a_file_and_not_both():
    lines = 'a = 4.2\nb = 4.2\nc = 4.2\nsource = "here"\nstress_error = 0.1\n'
    for which in ("", 'prototype = "MgO"\nstructure = "a.cif"\n'):
        with pytest.raises(ConfigError, match="give either a prototype or a structure"):
            parse_config(f"{TEXT}\n[[crystals]]\n{which}{lines}")
