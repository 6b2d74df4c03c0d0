"""Heavier shells leave ions and averages as they are, and a step that shells cannot follow is refused."""

from dataclasses import replace
from math import pi, sqrt

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.lammps import Dynamics, Launcher, run_dynamics
from dopantfit.lammps.include import potential_include
from dopantfit.lammps.legs import read_table
from dopantfit.lammps.shell_masses import STEPS_PER_PERIOD, longest_timestep, prepared, suited, with_shell_masses
from dopantfit.potential import Parameter, Potential
from dopantfit.structures import prototype
from dopantfit.units import AMU_A2_PER_PS2

LAUNCHER = Launcher("lmp", 1)


def test_a_shell_takes_its_part_of_the_mass_of_the_ion():
    potential = Potential.load("latp-2021")
    heavy = with_shell_masses(potential, 0.1)
    oxygen = heavy.species["O"]
    assert oxygen.shell.mass == pytest.approx(1.5999, abs=1e-12)
    assert oxygen.total_mass == pytest.approx(potential.species["O"].total_mass, abs=1e-12)
    assert heavy.species["Ti"] == potential.species["Ti"] and heavy.pairs == potential.pairs
    assert with_shell_masses(potential, None) is potential


def test_the_longest_step_is_a_part_of_the_core_shell_period():
    # O of the published set: sqrt(k/μ) of 88.6 eV/Å² and 0.301 and 15.698 u together, a period of 3.69 fs.
    reduced = 0.301 * 15.698 / 15.999
    period = 2.0 * pi * sqrt(reduced * AMU_A2_PER_PS2 / 88.6)
    assert longest_timestep(Potential.load("latp-2021")) == pytest.approx(period / STEPS_PER_PERIOD, rel=1e-12)
    assert period == pytest.approx(0.00369, rel=1e-3)


def test_stiff_springs_get_heavier_shells_and_soft_ones_keep_theirs():
    soft = Potential.load("latp-2021")
    usual = Dynamics(300.0, 1.0, 1)
    assert suited(usual, soft) is usual
    stiff = soft.with_values({Parameter("spring", ("O",)): 145.0})
    heavier = suited(usual, stiff)
    # 145 / 88.6 of the spring needs that much of the reduced mass 0.1 × 0.9: 0.147, which a part of 0.18 has.
    assert heavier.shell_mass == 0.18
    assert usual.timestep <= longest_timestep(prepared(stiff, heavier)) < 1.03 * usual.timestep
    assert suited(replace(usual, shell_mass=None), stiff).shell_mass is None
    longer = replace(usual, timestep=0.0013)
    assert suited(longer, stiff) is longer
    stiffest = soft.with_values({Parameter("spring", ("O",)): 300.0})
    assert suited(usual, stiffest) is usual


def test_a_step_that_shells_cannot_follow_is_refused_with_the_longest_that_is_sound(tmp_path, rocksalt):
    potential = Potential.load("latp-2021")
    for change, longest in (({"shell_mass": None}, "0.57 fs"), ({"timestep": 0.0015}, "1.3 fs")):
        with pytest.raises(ConfigError, match=f"too long for the shells of latp-2021; at most {longest}"):
            run_dynamics(rocksalt[[1]], potential, Dynamics(300.0, 0.1, 1, **change), tmp_path, launcher=LAUNCHER)
    assert not list(tmp_path.glob("*.in"))


@pytest.mark.parametrize("part", [0.0, 1.0, -0.1, float("nan")])
def test_impossible_masses_are_refused(part):
    with pytest.raises(ConfigError, match="shell_mass"):
        Dynamics(300.0, 0.1, 1, shell_mass=part)


def test_a_run_that_starts_from_one_with_lighter_shells_keeps_the_motion_of_its_ions(tmp_path):
    atoms, potential = prototype("LiTi2P3O12"), Potential.load("latp-2021")
    light = Dynamics(700.0, 0.04, 1, timestep=0.0004, shell_mass=None, thermo_every=10)
    first = run_dynamics(atoms, potential, light, tmp_path / "light", launcher=LAUNCHER)
    heavy = Dynamics(700.0, 0.0001, 1, timestep=0.0001, ensemble="nve", thermo_every=1)
    second = run_dynamics(atoms, potential, heavy, tmp_path / "heavy", launcher=LAUNCHER, start=tmp_path / "light")
    begin, end = (read_table(run.thermo) for run in (second, first))
    # Velocities are written in all digits; with those of the light sites the ions would be 2 % colder.
    assert begin["temperature_K"][0] == pytest.approx(end["temperature_K"][-1], rel=1e-10)
    # Nor do heavier shells carry all ions away, whose momenta add up to nothing but rounding.
    masses = np.array([potential.species[symbol].total_mass for symbol in atoms.symbols])
    assert np.abs(masses @ second.atoms.get_velocities()).max() < 1e-8
    # What moves against the cores is as fast as before, and so has as much more energy as its reduced mass has grown.
    oxygen = potential.species["O"]
    ratio = 0.1 * 0.9 / (oxygen.shell.mass * oxygen.mass / oxygen.total_mass**2)
    expected = ratio * end["shell_temperature_K"][-1]
    assert begin["shell_temperature_K"][0] == pytest.approx(expected, rel=1e-6)


def test_tabulated_forces_are_those_of_the_exact_terms(tmp_path):
    atoms, potential = prototype("LiTi2P3O12"), Potential.load("latp-2021")
    exact = Dynamics(600.0, 0.02, 1, coulomb_table=False, thermo_every=1)
    run_dynamics(atoms, potential, exact, tmp_path / "first", launcher=LAUNCHER)
    sites = {}
    for table in (True, False):
        # One step from the same sites and velocities: what differs is half of force/mass times the step squared.
        one = replace(exact, ensemble="nve", duration=exact.timestep, coulomb_table=table)
        folder = tmp_path / str(table)
        end = run_dynamics(atoms, potential, one, folder, launcher=LAUNCHER, start=tmp_path / "first")
        sites[table] = np.concatenate([end.atoms.positions, end.shells[atoms.symbols == "O"]])
    whole = np.array([potential.species[symbol].total_mass for symbol in atoms.symbols])
    oxygen = atoms.symbols == "O"
    masses = np.concatenate([np.where(oxygen, 0.9, 1.0) * whole, 0.1 * whole[oxygen]])
    forces = 2.0 * AMU_A2_PER_PS2 * masses[:, None] * (sites[True] - sites[False]) / exact.timestep**2
    # PPPM at 1e-4 leaves 3e-4 eV/Å here; and not nothing: the table is in use.
    assert 1e-7 < np.sqrt(np.mean(forces**2)) < 1e-3


def test_a_run_with_tables_may_start_where_a_held_ion_has_its_shell_on_its_core(tmp_path, rocksalt, polarisable):
    exact = Dynamics(300.0, 0.005, 1, coulomb_table=False, frozen=tuple(range(7)), thermo_every=1)
    first = run_dynamics(rocksalt, polarisable, exact, tmp_path / "exact", launcher=LAUNCHER)
    # Symmetry keeps the shells of held O where they are.
    assert np.nanmin(np.linalg.norm(first.shells - first.atoms.positions, axis=1)) < 1e-6
    table = replace(exact, coulomb_table=True)
    second = run_dynamics(rocksalt, polarisable, table, tmp_path / "table", launcher=LAUNCHER, start=tmp_path / "exact")
    end, begin = read_table(first.thermo)["potential_eV"][-1], read_table(second.thermo)["potential_eV"][0]
    # Three springs gain up to ½·74.92·3·(2 mÅ)² each; without that LAMMPS finds no number.
    assert begin == pytest.approx(end, abs=3e-3)


def test_terms_without_dispersion_end_where_they_are_negligible():
    potential = Potential.load("latp-2021")
    text = potential_include(potential, tabulated=True)
    ends = {
        line.split("  # ")[1]: float(line.split()[6])
        for line in text.splitlines()
        if "  # " in line and "pair_coeff" in line
    }
    li_o = potential.pair("Li", "O")
    assert li_o.A * np.exp(-ends["Li-O"] / li_o.rho) == pytest.approx(1e-7, rel=1e-9)
    assert ends["O-O"] == potential.cutoff  # dispersion reaches to the cutoff


def test_friction_takes_the_motion_of_shells_in_its_time_and_leaves_that_of_ions(tmp_path, rocksalt, polarisable):
    """An oscillator with friction μ/τ on the relative motion loses its energy as exp(-t/τ)."""
    # The table of the Coulomb term is at its worst where shells sit on their cores, which warms them.
    warm = Dynamics(1.0, 0.4, 1, timestep=0.001, thermo_every=5, dump_every=100, shell_damping=None)
    run_dynamics(rocksalt, polarisable, warm, tmp_path / "warm", launcher=LAUNCHER)
    found = {}
    for damping in (None, 0.1):
        what = replace(warm, shell_damping=damping, coulomb_table=False, kspace="pppm 1e-6")
        result = run_dynamics(
            rocksalt, polarisable, what, tmp_path / str(damping), launcher=LAUNCHER, start=tmp_path / "warm"
        )
        found[damping] = read_table(result.thermo)
    free, damped = (table["shell_temperature_K"] for table in found.values())
    assert 30.0 < free[-20:].mean() < 150.0, "nothing else takes their motion"
    windows = [slice(first, first + 10) for first in range(0, 80, 10)]  # of 0.05 ps, ten periods or so
    left = [damped[window].sum() / free[window].sum() for window in windows]
    rate = -np.polyfit([0.05 * k for k in range(len(windows))], np.log(left), 1)[0]
    assert rate == pytest.approx(1.0 / 0.1, rel=0.1)
