"""The path of a mobile ion and its barrier: symmetry, a constrained scan, and a gate that fails."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixedPlane
from ase.optimize import BFGS

from dopantfit import Potential, ShellModel
from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.structures import load_host
from dopantfit.validate import migration_gate
from dopantfit.validate.migration import (
    MigrationBarrier,
    MigrationPath,
    find_barrier,
    migration_path,
    relaxed_crystal,
    with_dopant,
)
from dopantfit.validate.settings import BarrierSettings, load_settings
from dopantfit.validate.subject import load_subject

MG = Path(__file__).parents[2] / "fits" / "Mg"


def make():
    return ShellModel(Potential.load("latp-mg-2022"), background=True)


@pytest.fixture(scope="module")
def relaxed_path():
    return migration_path(relaxed_crystal(load_host("latp").conventional, make))


@pytest.fixture(scope="module")
def host_barrier(relaxed_path):
    return find_barrier(relaxed_path, make)


@pytest.fixture(scope="module")
def any_path():
    return migration_path(load_host("latp").conventional)


def test_the_path_goes_between_neighbouring_sites_by_the_empty_one_between():
    crystal = load_host("latp").conventional
    path = migration_path(crystal)
    assert len(path.start) == len(crystal.ions) - 1
    # M1-M1 and M1-M2 of the crystal [Å]; M2 lies off the middle.
    assert np.linalg.norm(path.end) == pytest.approx(6.018, abs=1e-3)
    assert (
        np.linalg.norm(path.via) == pytest.approx(np.linalg.norm(path.end - path.via)) == pytest.approx(3.127, abs=1e-3)
    )


def test_a_dopant_takes_the_site_next_to_the_path_or_the_farthest():
    path = migration_path(load_host("latp").conventional)
    near, far = (with_dopant(path, "Ti", "Mg", one) for one in (True, False))
    middle = path.start.positions[path.ion] + path.via
    sites = [one.start.positions[one.dopant] - middle for one in (near, far)]
    cell = path.start.cell
    apart = [np.linalg.norm((np.mod(cell.scaled_positions(s) + 0.5, 1) - 0.5) @ cell.array) for s in sites]
    assert apart[0] < 4.0 < 8.0 < apart[1]
    assert near.start.get_chemical_symbols().count("Mg") == 1 and near.start[near.dopant].symbol == "Mg"


@pytest.mark.parametrize("near", [True, False])
def test_a_dopant_on_a_place_of_the_mobile_ion_is_not_the_ion_that_hops(near):
    path = migration_path(load_host("latp").conventional)
    doped = with_dopant(path, "Li", "Na", near)
    assert doped.start[doped.ion].symbol == "Li" and doped.start[doped.dopant].symbol == "Na"


def test_a_dopant_of_the_mobile_ions_charge_stands_on_its_places(gate, monkeypatch):
    asked = []
    monkeypatch.setattr(migration_gate, "with_dopant", lambda path, replaced, *_: asked.append(replaced) or path)
    gate(0.4, 0.6, 0.5)
    gate(0.4, 0.6, 0.5, charge=1)
    assert asked == ["Ti", "Ti", "Li", "Li"]


class Bumpy(Calculator):
    """The first ion rolls over h/2 (1 - cos 2πx/L), held in y and z; the second is bound to its place."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=None, system_changes=None):
        """Springs of 1 eV/Å² and the bumps."""
        super().calculate(atoms, properties, system_changes or [])
        place = self.atoms.positions - ORIGIN
        x, angle = place[0, 0], 2 * np.pi / LENGTH
        rest = place.copy()
        rest[0, 0] = 0.0
        force = -rest
        force[0, 0] = -0.5 * HEIGHT * angle * np.sin(angle * x)
        energy = 0.5 * HEIGHT * (1 - np.cos(angle * x)) + 0.5 * (rest**2).sum()
        self.results = {"energy": energy, "forces": force}


HEIGHT, LENGTH, ORIGIN = 0.4, 4.0, np.array([[2.0, 5.0, 5.0], [8.0, 5.0, 5.0]])


def test_the_barrier_of_a_known_landscape_is_found_although_the_path_starts_off_it():
    start = Atoms("LiO", positions=ORIGIN, cell=[20.0, 10.0, 10.0], pbc=True)
    path = MigrationPath(start, 0, np.array([2.0, 0.5, 0.0]), np.array([LENGTH, 0.0, 0.0]))
    found = find_barrier(path, Bumpy)
    assert found.forward == pytest.approx(HEIGHT, abs=3e-3) and found.backward == pytest.approx(HEIGHT, abs=3e-3)
    assert found.distances[-1] == pytest.approx(LENGTH, abs=0.05)


class TwoWells(Bumpy):
    """The second ion is bound to another place, 4 Å off, as soon as the first has gone half of the way."""

    def calculate(self, atoms=None, properties=None, system_changes=None):
        """Bumps and springs; the spring of the second ion is taken from its other place."""
        super().calculate(atoms, properties, system_changes)
        gone = self.atoms.positions[0, 0] - ORIGIN[0, 0] > 0.5 * LENGTH
        rest = self.atoms.positions[1] - ORIGIN[1] - (0.0, 0.0, 4.0 * gone)
        self.results["forces"][1] = -rest


def test_a_path_that_other_ions_go_along_with_is_refused():
    start = Atoms("LiO", positions=ORIGIN, cell=[20.0, 10.0, 10.0], pbc=True)
    path = MigrationPath(start, 0, np.array([2.0, 0.0, 0.0]), np.array([0.8 * LENGTH, 0.0, 0.0]))
    with pytest.raises(ConvergenceError, match="other ions go along"):
        find_barrier(path, TwoWells)


@pytest.mark.slow
def test_a_symmetric_path_has_equal_ends_and_is_the_same_there_and_back(host_barrier):
    # Forces of 0.01 eV/Å left on the ends are worth less than a meV.
    assert host_barrier.energies[-1] == pytest.approx(0.0, abs=2e-3)
    assert host_barrier.forward == pytest.approx(host_barrier.backward, abs=2e-3)
    assert host_barrier.energies == pytest.approx(host_barrier.energies[::-1], abs=2e-2)


@pytest.mark.slow
def test_the_barrier_is_the_top_of_a_dense_constrained_scan(relaxed_path, host_barrier):
    """The ion held in planes across the line from site to site, everything else at rest."""
    normal = relaxed_path.end / np.linalg.norm(relaxed_path.end)
    atoms, energies = relaxed_path.at(relaxed_path.via), []
    atoms.calc = make()
    for part in np.linspace(0.0, 0.12, 5):
        atoms.set_constraint()
        atoms.positions[relaxed_path.ion] += (part > 0.0) * 0.03 * relaxed_path.end
        atoms.set_constraint(FixedPlane(relaxed_path.ion, normal))
        assert BFGS(atoms, logfile=None).run(fmax=0.01, steps=300)
        energies.append(atoms.get_potential_energy())
    start = relaxed_path.at(np.zeros(3))
    start.calc = make()
    assert BFGS(start, logfile=None).run(fmax=0.01, steps=300)
    # A band of 0.03 eV/Å, and a cubic curve over images 0.9 Å apart: 0.02 eV.
    assert max(energies) - start.get_potential_energy() == pytest.approx(host_barrier.forward, abs=0.02)


@pytest.fixture
def gate(work, monkeypatch, any_path):
    """Judge barriers [eV] of the host, near and far from a dopant, and of a reference calculator; None for no rest."""

    def judge(*heights, calculator=None, charge=2):
        left = list(heights)

        def made_up(*_):
            height = left.pop(0)
            if height is None:
                raise ConvergenceError("migration path: the band did not come to rest")
            return MigrationBarrier(np.linspace(0.0, 6.0, 3), np.array([0.0, height, 0.0]), height, height)

        monkeypatch.setattr(migration_gate, "find_barrier", made_up)
        monkeypatch.setattr(migration_gate, "_path", lambda *_: any_path)
        subject = load_subject(MG, "latp-mg-2022", "quick")
        settings = BarrierSettings(calculator=calculator) if calculator else None
        update = subject.settings.model_copy(update={"barrier": settings})
        dopant = subject.config.dopant.model_copy(update={"formal_charge": charge})
        config = subject.config.model_copy(update={"dopant": dopant})
        return migration_gate.barrier(replace(subject, settings=update, config=config), work)

    return judge


def test_a_barrier_that_no_conductor_has_fails_the_gate(gate):
    assert gate(0.4, 0.6, None).passed
    assert not gate(1.2, 0.6, 0.5).passed and not gate(0.01, 0.6, 0.5).passed


def test_a_dopants_path_without_rest_is_undecided_and_decides_nothing(gate, work):
    found = gate(0.4, None, 0.5)
    assert found.passed and "undecided near the dopant" in found.finding
    assert (work.figures / "barrier.png").is_file() and "far from it" in (work.figures / "barrier.csv").read_text()


def test_a_reference_calculator_is_held_against(gate):
    emt = "ase.calculators.emt:EMT"
    assert gate(0.4, 0.4, 0.4, 0.3, calculator=emt).passed
    assert not gate(0.4, 0.4, 0.4, 0.2, calculator=emt).passed


@pytest.mark.parametrize(
    ("calculator", "words"),
    [
        ("nothing.at.all:X", "cannot be imported: ModuleNotFoundError"),
        ("ase.calculators.emt:Nope", "has no Nope that can be called"),
        ("ase:Atoms", "made a Atoms, which is no calculator"),
        ("ase.calculators.emt:EMT.calculate", "cannot be made: TypeError"),
    ],
)
def test_a_reference_calculator_that_cannot_be_made_is_told_before_any_path(gate, calculator, words):
    with pytest.raises(ConfigError, match=rf"validate\.toml: barrier: calculator {calculator}: .*{words}") as problem:
        gate(calculator=calculator)  # without heights: a path that is looked for has none
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("text", ["EMT", "", "./mine.py:make", "mine.py:make"])
def test_what_names_no_class_of_a_module_is_refused_as_it_is_read(tmp_path, text):
    (tmp_path / "validate.toml").write_text(f'[barrier]\ncalculator = "{text}"\n')
    with pytest.raises(ConfigError, match=r"validate\.toml: barrier\.calculator = .*module:Class"):
        load_settings(tmp_path)


def test_the_host_without_rest_is_no_result(gate):
    with pytest.raises(ConvergenceError):
        gate(None)
