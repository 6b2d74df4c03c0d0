"""Molecular dynamics gives what thermodynamics says it must, and can be killed at any time."""

import json
import shutil

import numpy as np
import pytest

from dopantfit.errors import CollapseError, ConfigError
from dopantfit.lammps import Dynamics, Launcher, dynamics, run_dynamics
from dopantfit.lammps.legs import Frames, read_table
from dopantfit.potential import Parameter
from dopantfit.transport.reading import read_trajectory, species_of
from dopantfit.units import BOLTZMANN
from dopantfit.workflow.provenance import sha256_of
from observed import Observed

LAUNCHER = Launcher("lmp", ranks=1)


@pytest.fixture
def crystal(rocksalt):
    """Sixty-four ions of MgO, turned out of LAMMPS's frame."""
    cell = rocksalt.repeat(2)
    cell.rotate(35.0, (1, 2, 3), rotate_cell=True)
    return cell


def run(atoms, potential, settings, folder, **more):
    return run_dynamics(atoms, potential, settings, folder, launcher=LAUNCHER, **more)


def test_the_temperature_of_a_run_is_that_of_the_ions(tmp_path, crystal, polarisable):
    # Without friction on the shells, whose heat is in no conserved energy.
    result = run(crystal, polarisable, Dynamics(600.0, 1.0, seed=5, shell_damping=None), tmp_path)
    table = read_table(result.thermo)
    # Velocities give the temperature at once: 63 free ions, whatever the number of shells.
    assert table["temperature_K"][0] == pytest.approx(600.0, rel=1e-6)
    kinetic = table["total_eV"] - table["potential_eV"]
    assert kinetic[0] == pytest.approx(1.5 * 63 * BOLTZMANN * 600.0, rel=1e-4)
    # 64 ions fluctuate by sqrt(2/189) = 10 % about the thermostat's 600 K; the mean of 0.5 ps by less.
    assert np.mean(table["temperature_K"][len(kinetic) // 2 :]) == pytest.approx(600.0, rel=0.15)
    # Shells of a tenth of the ion follow their cores: two hundredths of the ions' temperature at most is left in their
    # own motion.
    assert np.all(table["shell_temperature_K"] < 12.0)
    # The Nosé-Hoover energy is conserved at 1.25 fs: 0.3 meV per ion in 1 ps.
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
        {"shell_damping": 0.0},
    ],
)
def test_settings_no_run_can_have_are_refused(change):
    with pytest.raises(ConfigError):
        Dynamics(**{"temperature": 300.0, "duration": 1.0, "seed": 1, **change})


def short(**change):
    """A run of 200 steps in four legs, with a row and a frame every 10 steps."""
    values = {"temperature": 300.0, "duration": 0.2, "seed": 3, "timestep": 0.001, "thermo_every": 10, "dump_every": 20}
    return Dynamics(**{**values, "restart_every": 50, **change})


def bytes_of(result):
    return [result.trajectory.read_bytes(), result.thermo.read_bytes()]


class Interrupted(Exception):
    """Raised by a report, as Ctrl-C would be."""


class BrokenAfter:
    """A launcher that stops before its n-th start, as a killed process would."""

    def __init__(self, starts: int) -> None:
        self.starts = starts

    def ranks_for(self, n_ions):
        """One rank, as LAUNCHER."""
        return 1

    def run(self, *arguments, **more):
        """Run as a launcher does, while there are starts left."""
        self.starts -= 1
        if self.starts < 0:
            raise Interrupted
        return LAUNCHER.run(*arguments, **more)


@pytest.mark.parametrize("starts", [0, 1, 2, 4])
def test_a_run_taken_up_again_ends_bit_for_bit_like_an_undisturbed_one(tmp_path, rocksalt, polarisable, starts):
    settings = short(ensemble="npt", cell="tri")
    whole = run(rocksalt, polarisable, settings, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run_dynamics(rocksalt, polarisable, settings, tmp_path / "broken", launcher=BrokenAfter(starts))
    # What a leg that was killed half-way leaves in the two files is cut off.
    for name in ("trajectory.dcd", "thermo.csv"):
        with (tmp_path / "broken" / name).open("ab") as stream:
            stream.write(b"half a frame")
    again = run(rocksalt, polarisable, settings, tmp_path / "broken")
    assert bytes_of(again) == bytes_of(whole)
    np.testing.assert_array_equal(again.atoms.positions, whole.atoms.positions)
    np.testing.assert_array_equal(again.atoms.get_velocities(), whole.atoms.get_velocities())
    np.testing.assert_array_equal(again.atoms.cell, whole.atoms.cell)


def test_legs_of_default_length_follow_no_clock(tmp_path, rocksalt, polarisable, monkeypatch):
    monkeypatch.setattr(dynamics, "_LEG_TIME", 50 * dynamics._SITE_TIME * len(rocksalt))
    settings = short(restart_every=None)
    whole = run(rocksalt, polarisable, settings, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run_dynamics(rocksalt, polarisable, settings, tmp_path / "broken", launcher=BrokenAfter(3))
    assert same_end(run(rocksalt, polarisable, settings, tmp_path / "broken"), whole)


def flip(path):
    """Change one bit in the middle of a file, as a bad disk would."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def same_end(one, other):
    return bytes_of(one) == bytes_of(other) and np.array_equal(one.atoms.get_velocities(), other.atoms.get_velocities())


def test_a_run_whose_checkpoint_was_damaged_is_made_anew_and_ends_bit_for_bit_the_same(tmp_path, rocksalt, polarisable):
    settings, broken = short(ensemble="npt", cell="tri"), tmp_path / "broken"
    whole = run(rocksalt, polarisable, settings, tmp_path / "whole")
    assert json.loads(whole.record.read_text())["made_anew"] == ""
    with pytest.raises(Interrupted):
        run_dynamics(rocksalt, polarisable, settings, broken, launcher=BrokenAfter(3))
    restart = json.loads((broken / "progress.json").read_text())["restart"]
    for name in (restart, "trajectory.dcd", "thermo.csv", "progress.json"):
        folder = shutil.copytree(broken, tmp_path / name)
        flip(folder / name)
        again = run(rocksalt, polarisable, settings, folder)
        assert same_end(again, whole), name
        assert json.loads(again.record.read_text())["made_anew"] == f"{name} was not what had been written"


def test_damaged_inputs_are_mended_and_the_run_goes_on(tmp_path, rocksalt, polarisable):
    whole = run(rocksalt, polarisable, short(), tmp_path / "whole")
    with pytest.raises(Interrupted):
        run_dynamics(rocksalt, polarisable, short(), tmp_path / "broken", launcher=BrokenAfter(3))
    flip(tmp_path / "broken" / "potential.in")
    again = run(rocksalt, polarisable, short(), tmp_path / "broken")
    assert same_end(again, whole)
    assert json.loads(again.record.read_text())["made_anew"] == ""


def test_damage_to_a_finished_run_is_found_and_mended(tmp_path, rocksalt, polarisable):
    first = run(rocksalt, polarisable, short(), tmp_path)
    before, ions = bytes_of(first), first.ions.read_bytes()
    # What follows from the rest is written again without a start of LAMMPS: record, ions, the counters of the DCD file.
    flip(first.record)
    flip(first.ions)
    with first.trajectory.open("r+b") as stream:
        stream.seek(8)
        stream.write(bytes(4))
    again = run_dynamics(rocksalt, polarisable, short(), tmp_path, launcher=BrokenAfter(0))
    assert bytes_of(again) == before and again.ions.read_bytes() == ions
    assert again.trajectory.read_bytes()[8:12] != bytes(4)
    flip(tmp_path / "sites.dump")
    with pytest.raises(ConfigError, match="or a damaged one"):
        run(rocksalt, polarisable, short(), tmp_path / "next", start=tmp_path)
    again = run(rocksalt, polarisable, short(), tmp_path)
    assert same_end(again, first) and bytes_of(again) == before


def test_a_finished_run_is_returned_and_another_in_its_folder_refused(tmp_path, rocksalt, polarisable, ionic):
    first = run(rocksalt, polarisable, short(), tmp_path)
    again = run_dynamics(rocksalt, polarisable, short(), tmp_path, launcher=BrokenAfter(0))  # starts nothing
    np.testing.assert_array_equal(again.atoms.positions, first.atoms.positions)
    assert again.largest_core_shell == first.largest_core_shell > 0.0
    with pytest.raises(ConfigError, match=r"temperature = 300\.0, asked for 310"):
        run(rocksalt, polarisable, short(temperature=310.0), tmp_path)
    with pytest.raises(ConfigError, match="the structure"):
        run(rocksalt.repeat((1, 1, 2)), polarisable, short(), tmp_path)
    with pytest.raises(ConfigError, match="the potential"):
        changed = polarisable.with_values({parameter: 1500.0 for parameter in [Parameter.parse("A Mg-O")]})
        run(rocksalt, changed, short(), tmp_path)


def test_rows_and_frames_are_equidistant_across_legs_and_readable_as_a_trajectory(tmp_path, rocksalt, polarisable):
    # Legs of 50 steps end between frames, which are 20 apart.
    result = run(rocksalt, polarisable, short(), tmp_path)
    table = read_table(result.thermo)
    np.testing.assert_array_equal(table["step"], np.arange(0, 201, 10))
    np.testing.assert_allclose(table["time_ps"], 0.001 * table["step"], rtol=1e-14)
    trajectory = read_trajectory(result.trajectory, species_of(result.ions))
    assert trajectory.positions.shape == (11, 8, 3) and trajectory.interval == pytest.approx(0.02, rel=1e-6)
    assert trajectory.species == ("Mg", "O") * 4
    # rocksalt is not turned: the frames of LAMMPS are those of the atoms, to the digits of float32.
    np.testing.assert_allclose(trajectory.positions[0], rocksalt.positions, rtol=0, atol=1e-6)
    np.testing.assert_allclose(trajectory.positions[-1], result.atoms.positions, rtol=0, atol=1e-6)
    np.testing.assert_allclose(trajectory.cells[-1], result.atoms.cell.array, rtol=0, atol=1e-6)


def test_a_run_that_starts_from_another_goes_on_where_that_ended(tmp_path, rocksalt, polarisable):
    # NVE twice 0.04 ps against once 0.08 ps: the same trajectory but for rounding, which 0.04 ps do not amplify much.
    first = run(rocksalt, polarisable, short(ensemble="nve", duration=0.04), tmp_path / "first")
    second = run(
        rocksalt, polarisable, short(ensemble="nve", duration=0.04), tmp_path / "second", start=tmp_path / "first"
    )
    whole = run(rocksalt, polarisable, short(ensemble="nve", duration=0.08), tmp_path / "whole")
    assert np.abs(whole.atoms.positions - first.atoms.positions).max() > 0.01
    np.testing.assert_allclose(second.atoms.positions, whole.atoms.positions, rtol=0, atol=1e-7)
    np.testing.assert_allclose(second.shells, whole.shells, rtol=0, atol=1e-7)
    with pytest.raises(ConfigError, match="no finished run"):
        run(rocksalt, polarisable, short(), tmp_path / "third", start=tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="other ions"):
        run(rocksalt.repeat((1, 1, 2)), polarisable, short(), tmp_path / "third", start=tmp_path / "first")


def test_frozen_ions_stay_and_the_others_have_the_temperature(tmp_path, crystal, polarisable):
    held = list(range(10, 40))
    result = run(crystal, polarisable, short(frozen=tuple(held)), tmp_path)
    np.testing.assert_allclose(result.atoms.positions[held], crystal.positions[held], rtol=0, atol=1e-9)
    moved = np.linalg.norm(result.atoms.positions - crystal.positions, axis=1)
    assert np.delete(moved, held).min() > 1e-3
    table = read_table(result.thermo)
    kinetic = table["total_eV"] - table["potential_eV"]
    assert kinetic[0] == pytest.approx(1.5 * 34 * BOLTZMANN * 300.0, rel=1e-4)
    with pytest.raises(ConfigError, match="frozen names ion 64"):
        run(crystal, polarisable, short(frozen=(64,)), tmp_path / "other")


def test_temperature_and_pressure_follow_their_ramps_across_legs(tmp_path, crystal, polarisable):
    settings = Dynamics(
        100.0, 0.6, seed=2, temperature_end=900.0, ensemble="npt", pressure=0.0, pressure_end=200_000.0,
        thermostat_time=0.05, barostat_time=0.05, restart_every=225, thermo_every=8,
    )  # fmt: skip
    table = read_table(run(crystal, polarisable, settings, tmp_path).thermo)
    last = table["time_ps"] > 0.5
    # The mean of the targets over the last 0.1 ps is 833 K and 183 kbar. 64 ions fluctuate by 10 % of T, and
    # thermostat and barostat trail their targets by 0.05 ps of 1300 K/ps and 330 kbar/ps.
    assert np.mean(table["temperature_K"][last]) == pytest.approx(800.0, rel=0.2)
    assert np.mean(table["pressure_bar"][last]) == pytest.approx(170_000.0, rel=0.35)


def test_only_the_normal_changes_when_only_it_may(tmp_path, rocksalt, polarisable):
    rocksalt.set_cell(rocksalt.cell.array * [1.0, 1.0, 0.96], scale_atoms=True)
    table = read_table(run(rocksalt, polarisable, short(ensemble="npt", cell="z", barostat_time=0.1), tmp_path).thermo)
    assert np.ptp(table["lx"]) == np.ptp(table["ly"]) == 0.0
    assert table["lz"][-1] > table["lz"][0] + 0.01


def test_the_record_says_what_ran(tmp_path, rocksalt, polarisable):
    result = run(rocksalt, polarisable, short(), tmp_path)
    record = json.loads(result.record.read_text())
    assert record["inputs"]["system.data"] == sha256_of(tmp_path / "system.data")
    assert record["seed"] == 3 and record["configuration"]["restart_every"] == 50
    assert record["ps_per_hour"] == pytest.approx(0.2 / record["wall_seconds"] * 3600.0)


def test_reports_say_how_far_the_run_is(tmp_path, crystal, polarisable):
    observer = Observed()
    run(crystal, polarisable, Dynamics(300.0, 0.2, seed=1), tmp_path, observer=observer)
    times = [progress.done for progress in observer.shown]
    assert times == sorted(times) and times[-1] == pytest.approx(0.2)
    last = observer.shown[-1]
    assert last.of == pytest.approx(0.2) and last.per_hour > 0.0 and "0 s left" in last.text
    density = float(last.text.split()[-2])
    assert density == pytest.approx(3.6, abs=0.3)  # 4 MgO in (4.2 Å)³
    assert {work for work, _, _ in observer.told} == {tmp_path.name}


def test_two_runs_in_one_folder_are_refused(tmp_path, crystal, polarisable):
    class Second(Observed):
        def show(self, work, progress):
            with pytest.raises(ConfigError, match="is working there"):
                run(crystal, polarisable, short(), tmp_path)
            raise Interrupted

    with pytest.raises(Interrupted):
        run(crystal, polarisable, Dynamics(300.0, 20.0, seed=1), tmp_path, observer=Second())


def test_a_collapse_names_ions_and_time(tmp_path, published_pair):
    atoms, potential = published_pair
    with pytest.raises(CollapseError, match=r"at 0\.004 ps: .*Mg 0 and P 1: \d\.\d\d Å apart \(turn-over at 1\.74 Å\)"):
        run(atoms, potential, short(thermo_every=4), tmp_path)
    assert not (tmp_path / "run.json").exists()


def test_a_shell_that_leaves_its_core_is_named(tmp_path, polarisable, rocksalt):
    # A spring of a tenth: the field of a displaced neighbour tears the shell off.
    soft = polarisable.with_values({Parameter.parse("spring O"): 7.0})
    rocksalt.positions[0] += (0.5, 0.3, 0.1)
    with pytest.raises(CollapseError, match=r"O \d: shell \d\.\d\d Å from its core"):
        run(rocksalt, soft, short(), tmp_path)


def test_the_bytes_of_a_trajectory_do_not_depend_on_the_minute_of_its_run(tmp_path, rocksalt, polarisable):
    first = run(rocksalt, polarisable, short(), tmp_path / "run").trajectory.read_bytes()
    # LAMMPS writes "REMARKS Created 28 November,2026 at 15:52" into the second of two titles of 80 characters.
    assert first[180:260] == b"REMARKS Created".ljust(80)
    for minute in (b"15:52", b"15:53"):
        leg = tmp_path / "leg.dcd"
        leg.write_bytes(first[:180] + (b"REMARKS Created 28 November,2026 at " + minute).ljust(80) + first[260:])
        again = Frames(tmp_path / f"{minute.decode()[-1]}.dcd")
        again.append(leg, after=0)
        assert again.path.read_bytes() == first
