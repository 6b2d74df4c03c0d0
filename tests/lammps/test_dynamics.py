"""Molecular dynamics gives what thermodynamics says it must, and can be killed at any time."""


import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.lammps import Dynamics, Launcher, run_dynamics
from dopantfit.lammps.legs import read_table
from dopantfit.units import BOLTZMANN

LAUNCHER = Launcher("lmp")


@pytest.fixture
def crystal(rocksalt):
    """Sixty-four ions of MgO, turned out of LAMMPS's frame."""
    cell = rocksalt.repeat(2)
    cell.rotate(35.0, (1, 2, 3), rotate_cell=True)
    return cell


def run(atoms, potential, settings, folder, **more):
    return run_dynamics(atoms, potential, settings, folder, launcher=LAUNCHER, ranks=1, **more)


def test_the_temperature_of_a_run_is_that_of_the_ions(tmp_path, crystal, polarisable):
    result = run(crystal, polarisable, Dynamics(600.0, 1.0, seed=5), tmp_path)
    table = read_table(result.thermo)
    # Velocities give the temperature at once: 63 free ions, whatever the number of shells.
    assert table["temperature_K"][0] == pytest.approx(600.0, rel=1e-6)
    kinetic = table["total_eV"] - table["potential_eV"]
    assert kinetic[0] == pytest.approx(1.5 * 63 * BOLTZMANN * 600.0, rel=1e-4)
    # 64 ions fluctuate by sqrt(2/189) = 10 % about the thermostat's 600 K; the mean of 0.5 ps by less.
    assert np.mean(table["temperature_K"][len(kinetic) // 2 :]) == pytest.approx(600.0, rel=0.15)
    # Shells follow their cores: a hundredth of the ions' temperature is left in their own motion.
    assert np.all(table["shell_temperature_K"] < 6.0)
    # The Nosé-Hoover energy is conserved at 0.4 fs: 0.3 meV per ion in 1 ps.
    assert abs(table["conserved_eV"][-1] - table["conserved_eV"][0]) / 64 < 3e-4
    # The velocities of the result are those of the last row; ASE counts 64 ions, LAMMPS 63.
    assert result.atoms.get_temperature() == pytest.approx(table["temperature_K"][-1] * 63 / 64, rel=1e-3)


def test_a_barostat_brings_the_pressure_of_the_ions_down(tmp_path, crystal, polarisable):
    crystal.set_cell(0.98 * crystal.cell, scale_atoms=True)
    settings = Dynamics(300.0, 1.5, seed=5, ensemble="npt", cell="tri", barostat_time=0.2)
    result = run(crystal, polarisable, settings, tmp_path)
    pressure = read_table(result.thermo)["pressure_bar"]
    assert pressure[0] > 1e5  # squeezed by 6 % in volume
    assert abs(np.mean(pressure[-15:])) < 0.2 * pressure[0]
    assert result.atoms.get_volume() > 1.01 * crystal.get_volume()
    # Ions of a cold crystal stay near their sites, in the frame of the atoms: nothing was turned or wrapped.
    moved = result.atoms.get_scaled_positions(wrap=False) - crystal.get_scaled_positions(wrap=False)
    assert np.abs((moved - moved.mean(axis=0)) @ result.atoms.cell.array).max() < 0.6


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.0},
        {"temperature_end": -1.0},
        {"duration": float("nan")},
        {"seed": 0},
        {"kspace": "pppm 1e-4\nshell ls"},
        {"cell": "x"},
        {"ensemble": "nph"},
        {"pressure": float("inf")},
        {"frozen": (0, -1)},
        {"frozen": (0.5,)},
        {"restart_every": 0},
    ],
)
def test_settings_no_run_can_have_are_refused(change):
    with pytest.raises(ConfigError):
        Dynamics(**{"temperature": 300.0, "duration": 1.0, "seed": 1, **change})
