"""The gate of migration barriers: what fails it, what decides nothing, and what stands beside the potential's own."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit.errors import ConfigError, ConvergenceError, EngineError
from dopantfit.statistics import Estimate
from dopantfit.structures import labels_of
from dopantfit.transport.arrhenius import fit_arrhenius
from dopantfit.transport.tables import ArrheniusPoints, arrhenius_record
from dopantfit.validate import migration_gate
from dopantfit.validate.minimum_path import Mechanism, MigrationBarrier
from dopantfit.validate.settings import BarrierSettings, load_settings
from dopantfit.validate.subject import load_subject

MG = Path(__file__).parents[2] / "fits" / "Mg"
#: Paths of a dopant in LATP: two places next to the path, and the farthest.
NEAR = ("near the dopant, 2.9 Å from the empty site", "near the dopant, 5.4 Å from the empty site")
OWN = ("host", *NEAR, "far from it")
#: Knows every element, and gives energy, forces and stress.
KNOWS_ALL = "ase.calculators.lj:LennardJones"


def barrier_of(forward, backward=None, mechanism=None):
    backward = forward if backward is None else backward
    energies = np.array([0.0, forward, forward - backward])
    distances = np.linspace(0.0, 6.0, 3)
    told = mechanism or Mechanism(1, 1, 1)
    start = Atoms("Li")
    start.calc = SinglePointCalculator(start, energy=-9.0)
    curve = np.array([distances, energies])
    return MigrationBarrier(distances, energies, curve, forward, backward, (0, 2), told, (start,))


@pytest.fixture
def gate(work, monkeypatch, tmp_path):
    """Judge paths of the host, near and far from a dopant, and the same of a reference calculator; None for no rest."""

    def judge(*paths, calculator=None, diffusion=None, charge=2, sets=1):
        left = list(paths)
        monkeypatch.setattr(migration_gate, "_SETS", sets)

        def made_up(*_):
            found = left.pop(0)
            if found is None:
                raise ConvergenceError("migration path: the band did not come to rest")
            return barrier_of(found) if isinstance(found, float) else found

        monkeypatch.setattr(migration_gate, "find_barrier", made_up)
        monkeypatch.setattr(migration_gate, "relaxed_crystal", lambda crystal, make: crystal)
        subject = load_subject(MG, "latp-mg-2022", "quick")
        settings = BarrierSettings(calculator=calculator, diffusion=None if diffusion is None else str(diffusion))
        update = subject.settings.model_copy(update={"barrier": settings})
        dopant = subject.config.dopant.model_copy(update={"formal_charge": charge})
        config = subject.config.model_copy(update={"dopant": dopant})
        return migration_gate.barrier(replace(subject, settings=update, config=config), work)

    return judge


def test_a_barrier_that_no_conductor_has_fails_the_gate(gate):
    assert gate(0.4, 0.6, 0.6, None).passed
    assert not gate(1.2, 0.6, 0.6, 0.5).passed and not gate(0.01, 0.6, 0.6, 0.5).passed


def test_a_dopants_path_without_rest_is_undecided_and_decides_nothing(gate, work):
    found = gate(0.4, None, 0.6, 0.5)
    assert found.passed and f"undecided {NEAR[0]}" in found.finding
    assert (work.figures / "barrier.png").is_file() and "far from it" in (work.figures / "barrier.csv").read_text()


def test_between_equivalent_sites_the_larger_climb_is_the_barrier(gate):
    assert not gate(barrier_of(0.5, 0.9), 0.6, 0.6, 0.5).passed


def test_who_moves_is_in_record_finding_and_legend(gate, work):
    found = gate(0.4, barrier_of(0.7, 0.3, Mechanism(2, 2, 1)), 0.6, 0.5)
    path = found.details["paths"][NEAR[0]]
    assert path["mechanism"] == "2 ions, 2 at a time, one saddle" and (path["ions"], path["ions_together"]) == (2, 2)
    assert f"0.70 and 0.30 eV there and back {NEAR[0]} (2 ions, 2 at a time, one saddle)" in found.finding


def test_of_the_paths_next_to_the_dopant_the_lowest_is_told_with_their_spread(gate):
    found = gate(0.4, barrier_of(0.85, 0.23), barrier_of(0.6, 0.25), 0.5)
    assert "; the lowest of 2 paths near the dopant is 0.60 eV there, and 0.23 eV back" in found.finding
    spread = found.details["spread"]["near the dopant"]
    assert spread == {"paths": 2, "forward_eV": [0.6, 0.85], "backward_eV": [0.23, 0.25]}
    # One that did not come to rest is not among them.
    alone = gate(0.4, None, barrier_of(0.6, 0.25), 0.5)
    assert alone.details["spread"]["near the dopant"]["paths"] == 1 and "the lowest of" not in alone.finding


def test_next_to_the_dopant_the_lowest_pass_of_several_displacements_is_taken_and_the_others_told(gate):
    found = gate(0.4, 0.6, barrier_of(0.5, 0.2), None, 0.9, 0.5, sets=2)
    near = [found.details["paths"][name] for name in NEAR]
    assert near[0]["forward_eV"] == 0.5 and near[0]["other_displacements_eV"] == [[0.6, 0.6]]
    # One that came to no rest is none.
    assert near[1]["forward_eV"] == 0.9 and near[1]["other_displacements_eV"] == []


def test_a_reference_calculator_has_the_same_paths_and_that_of_the_host_is_held_against(gate):
    found = gate(0.4, 0.4, 0.4, 0.4, 0.3, 0.6, 0.7, 0.5, calculator=KNOWS_ALL)
    assert found.passed
    assert list(found.details["paths"]) == [*OWN, *(f"{name}, reference calculator" for name in OWN)]
    assert found.details["spread"]["near the dopant, reference calculator"]["forward_eV"] == [0.6, 0.7]
    assert not gate(0.4, 0.4, 0.4, 0.4, 0.2, 0.6, 0.7, 0.5, calculator=KNOWS_ALL).passed


def test_a_reference_calculator_without_a_path_of_the_host_is_not_the_potentials_fault(gate):
    with pytest.raises(EngineError, match=r"reference calculator: .*did not come to rest"):
        gate(0.4, 0.4, 0.4, 0.4, None, calculator=KNOWS_ALL)


@pytest.fixture
def line(tmp_path):
    """Write what ``transport arrhenius --json`` prints of D = exp(-E_a/kT) with an E_a [eV], and return the file."""

    def written(energy, species="Li"):
        kelvin = (700.0, 1000.0)
        values = [Estimate.symmetric(float(np.exp(-energy / (8.617333e-5 * t))), 1e-9) for t in kelvin]
        points = ArrheniusPoints(species, "diffusion", kelvin, tuple(values), fit_arrhenius(kelvin, values))
        (tmp_path / "line.json").write_text(json.dumps(arrhenius_record(points, ())))
        return tmp_path / "line.json"

    return written


def test_the_activation_energy_of_diffusion_stands_beside_and_decides_nothing(gate, work, line):
    found = gate(0.4, 0.6, 0.6, 0.5, diffusion=line(0.3))
    assert found.passed and len(found.checks) == 1
    assert found.details["diffusion_eV"]["value"] == pytest.approx(0.3, abs=1e-6)
    assert "E_a of its diffusion is 0.3 ± " in found.finding and "700 to 1000 K" in found.finding
    with (work.figures / "barrier.csv").open() as file:
        drawn = [row for row in csv.DictReader(file) if row["path"] == "E_a of diffusion"]
    assert [float(row["energy_eV"]) for row in drawn] == [pytest.approx(0.3, abs=1e-6)]


def test_the_line_of_another_ion_or_a_file_that_is_none_is_refused(gate, line, tmp_path):
    with pytest.raises(ConfigError, match=r"line\.json: is the line of Mg, and Li is what hops"):
        gate(diffusion=line(0.3, "Mg"))
    with pytest.raises(ConfigError, match="cannot be read"):
        gate(diffusion=tmp_path / "none.json")
    (tmp_path / "line.json").write_text('{"species": "Li", "activation_energy_eV": {"upper_bound_95": 1.0}}')
    with pytest.raises(ConfigError, match=r"line\.json: holds no result of `transport arrhenius --json`"):
        gate(diffusion=tmp_path / "line.json")


def test_a_dopant_of_the_mobile_ions_charge_stands_on_its_places(gate, monkeypatch):
    asked = []

    def told(path, site, dopant):
        asked.append(labels_of(path.start)[site])
        return path

    monkeypatch.setattr(migration_gate, "with_dopant", told)
    gate(0.4, 0.6, 0.6, 0.5)
    gate(0.4, 0.6, 0.5, charge=1)
    assert asked == ["Ti", "Ti", "Ti", "Li", "Li"]


@pytest.mark.parametrize(
    ("calculator", "words"),
    [
        ("nothing.at.all:X", "cannot be imported: ModuleNotFoundError"),
        ("ase.calculators.emt:Nope", "has no Nope that can be called"),
        ("ase:Atoms", "made a Atoms, which is no calculator"),
        ("ase.calculators.emt:EMT.calculate", "cannot be made: TypeError"),
        ("ase.calculators.emt:EMT", "frame doped host .*does it know these elements"),
    ],
)
def test_a_reference_calculator_of_no_use_is_told_before_any_path(gate, calculator, words):
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
