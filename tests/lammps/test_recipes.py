"""The shipped inputs run, and give what the in-process engine and thermodynamics say they must."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError, EngineError
from dopantfit.lammps import Launcher, md_snapshots, recipes
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.lammps.outputs import read_dump, read_thermo
from dopantfit.units import EV_PER_A3_IN_BAR_LAMMPS

LAUNCHER = Launcher("lmp", ranks=1)


@pytest.fixture
def crystal(rocksalt):
    """Sixty-four ions of MgO, turned out of LAMMPS's frame."""
    cell = rocksalt.repeat(2)
    cell.rotate(35.0, (1, 2, 3), rotate_cell=True)
    return cell


def run(folder, text):
    script = folder / "run.in"
    script.write_text(text)
    return read_thermo(LAUNCHER.run(script))


def test_a_single_point_of_the_recipe_equals_the_engine_in_process(tmp_path, shaken, polarisable):
    ions = recipes.prepare(tmp_path, shaken, polarisable)
    last = run(tmp_path, recipes.single_point(ions.types))[-1]
    frame = read_dump(tmp_path / recipes.DUMP_FILE, ions)[-1]
    with InProcessLammps(shaken, polarisable) as lammps:
        lammps.relax_shells()
        energy, forces, stress = lammps.energy(), lammps.forces(), lammps.stress()
        shells = lammps.shell_positions()
    # Both relax to 1e-5 eV/Å; tabulated erfc in the recipe: 1e-5 eV per ion, 1e-5 eV/Å.
    assert last["PotEng"][-1] == pytest.approx(energy, abs=1e-4)
    np.testing.assert_allclose(frame.arrays["forces"], forces, rtol=0, atol=5e-5)
    np.testing.assert_allclose(frame.arrays["shells"], shells, rtol=0, atol=1e-6)
    np.testing.assert_allclose(frame.positions, shaken.positions, rtol=0, atol=1e-12)
    trace = -sum(last[f"c_virial[{i}]"][-1] for i in (1, 2, 3)) / EV_PER_A3_IN_BAR_LAMMPS
    assert trace == pytest.approx(stress[:3].sum(), abs=1e-5)


def test_snapshots_are_ions_of_the_given_cell_and_reproducible(tmp_path, crystal, polarisable):
    def take(name, seed):
        return md_snapshots(crystal, polarisable, 300.0, 0.2, 4, seed, tmp_path / name, LAUNCHER)

    first, again, other = take("a", 1), take("b", 1), take("c", 2)
    assert [frame.info["step"] for frame in first] == [125, 250, 375, 500]
    for frame, same in zip(first, again, strict=True):
        assert list(frame.symbols) == list(crystal.symbols)
        np.testing.assert_array_equal(frame.positions, same.positions)
        np.testing.assert_allclose(frame.cell, crystal.cell, atol=1e-12)
        assert 0.01 < np.abs(frame.positions - crystal.positions).max() < 0.6
    assert np.abs(first[-1].positions - other[-1].positions).max() > 0.01


def test_an_exploding_run_is_an_error_not_a_trajectory(tmp_path, shaken, ionic):
    # Point charges without repulsion fall into each other.
    with pytest.raises(EngineError):
        md_snapshots(shaken, ionic, 2000.0, 2.0, 2, 1, tmp_path, LAUNCHER)


def test_more_snapshots_than_steps_are_refused(tmp_path, crystal, polarisable):
    with pytest.raises(ConfigError, match="do not fit"):
        md_snapshots(crystal, polarisable, 300.0, 0.001, 5, 1, tmp_path, LAUNCHER)
