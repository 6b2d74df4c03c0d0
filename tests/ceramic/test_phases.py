"""Entries that a calculator computes: those of its own minima, each computed once."""

import json
import subprocess
import sys

import ase.io
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from dopantfit.ceramic.phases import computed_entries, entries_file
from dopantfit.errors import ConfigError, ConvergenceError
from observed import Observed

PHASES = """
calculator = "ase.calculators.emt:EMT"
forces = 0.002
[[phases]]
name = "aluminium"
file = "Al.extxyz"
[[phases]]
name = "copper"
file = "Cu.extxyz"
[[phases]]
name = "compound"
file = "AlCu.extxyz"
"""


@pytest.fixture
def path(tmp_path):
    # Stretched, so that there is something to relax.
    crystals = {"Al": bulk("Al", a=4.1, cubic=True), "Cu": bulk("Cu", a=3.7, cubic=True)}
    crystals["AlCu"] = bulk("AlCu", "cesiumchloride", a=3.05)
    for name, atoms in crystals.items():
        ase.io.write(tmp_path / f"{name}.extxyz", atoms)
    (tmp_path / "phases.toml").write_text(PHASES)
    return tmp_path / "phases.toml"


def test_an_entry_is_the_phase_at_rest(path):
    found = {one.entry_id: one for one in computed_entries(path).entries}
    atoms = bulk("AlCu", "cesiumchloride", a=3.05)
    atoms.calc = EMT()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4)
    # Energies err by the square of the forces over a stiffness of some eV/Å².
    assert found["compound"].energy == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
    assert found["copper"].composition.reduced_formula == "Cu"
    assert "EMT" in computed_entries(path).rests_on


def test_a_phase_is_computed_once(path):
    observer = Observed()
    first = computed_entries(path, observer)
    ase.io.write(path.with_name("Cu.extxyz"), bulk("Cu", a=3.5, cubic=True))
    again = computed_entries(path, observer)
    begun = ("aluminium (1 of 3)", "copper (2 of 3)", "compound (3 of 3)", "copper (2 of 3)")
    assert observer.lines == [f"computing {one}" for one in begun]
    assert [done for name, _, done in observer.told if name == "phases"] == [0, 1, 1, 2, 2, 3, 1, 2]
    assert [one.energy for one in first.entries] == pytest.approx([one.energy for one in again.entries], abs=1e-4)


def test_a_phase_that_does_not_come_to_rest_is_no_entry(path):
    path.write_text(PHASES.replace("forces = 0.002", "forces = 1e-8\nsteps = 1"))
    with pytest.raises(ConvergenceError, match="phase aluminium: is not at rest after 1 steps"):
        computed_entries(path)
    assert not entries_file(path).exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("Cu.extxyz", "Ag.extxyz"), r"Ag\.extxyz: cannot be read"),
        (('"copper"', '"compound"'), "'compound' is named twice"),
        (("emt:EMT", "emt:EMTT"), "emt:EMTT"),
        (("forces", "force"), "force is no known key"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(path, change, said):
    path.write_text(PHASES.replace(*change))
    with pytest.raises(ConfigError, match=said):
        computed_entries(path)
    assert not entries_file(path).exists()


def window(path, composition):
    command = [sys.executable, "-m", "dopantfit.cli", "window", str(path), "--composition", composition, "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def test_an_element_that_is_no_phase_is_told_before_any_is_computed(path):
    done = window(path, "AlCu")
    # The mobile ion of the host is not among the phases.
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "has no entry of the element Li; add one" in done.stderr
    assert not entries_file(path).exists()


def test_the_verb_takes_phases_and_its_entries(path, tmp_path):
    # EMT knows no lithium; what pushes ions apart stands in for a metal of it.
    (tmp_path / "mine.py").write_text(
        "from ase.calculators.lj import LennardJones\n\n\n"
        "def make():\n    return LennardJones(sigma=2.4, epsilon=0.3, rc=6.0, smooth=True)\n"
    )
    lithium = '[[phases]]\nname = "lithium"\nfile = "Li.extxyz"\n'
    path.write_text(PHASES.replace("ase.calculators.emt:EMT", "./mine.py:make") + lithium)
    ase.io.write(tmp_path / "Li.extxyz", bulk("Li", "fcc", a=3.8, cubic=True))
    done = window(path, "AlCu")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rests_on"].startswith("mine.py:make")
    entries = json.loads(entries_file(path).read_text(encoding="utf-8"))
    assert [one["entry_id"] for one in entries["entries"]] == ["aluminium", "copper", "compound", "lithium"]
    assert json.loads(window(entries_file(path), "AlCu").stdout)["windows"] == json.loads(done.stdout)["windows"]
