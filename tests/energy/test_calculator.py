import numpy as np
import pytest
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from dopantfit import Potential, ShellModel
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.structures import prototype


def test_ase_relaxes_ltp_to_the_published_cell(potential):
    atoms = prototype("LiTi2P3O12")
    atoms.calc = ShellModel(potential)
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.02)
    a, b, c, _, _, gamma = atoms.cell.cellpar()
    # The published potential is within 2 % of experiment (8.51, 20.85 Å) on both axes; R-3c keeps a = b and 120°.
    assert a == pytest.approx(b, abs=1e-3) and gamma == pytest.approx(120, abs=0.01)
    assert a == pytest.approx(8.51, rel=0.02) and c == pytest.approx(20.85, rel=0.02)


def test_results_do_not_depend_on_where_the_shells_came_from(perturbed_lamtp, potential, rng):
    moving = perturbed_lamtp.copy()
    moving.calc = ShellModel(potential)
    moving.get_potential_energy()
    for _ in range(3):
        moving.positions += rng.normal(0, 0.03, moving.positions.shape)
        fresh = moving.copy()
        fresh.calc = ShellModel(potential)
        # Shells at rest to 1e-5 eV/Å leave 1e-5 eV/Å in forces and its square over the spring in energies.
        assert moving.get_potential_energy() == pytest.approx(fresh.get_potential_energy(), abs=1e-8)
        np.testing.assert_allclose(moving.get_forces(), fresh.get_forces(), atol=1e-4)
        np.testing.assert_allclose(moving.calc.results["shells"], fresh.calc.results["shells"], atol=1e-6)


def test_ions_that_leave_the_cell_are_the_same_ions(perturbed_lamtp, potential):
    perturbed_lamtp.calc = ShellModel(potential)
    energy, shells = perturbed_lamtp.get_potential_energy(), perturbed_lamtp.calc.results["shells"]
    away = perturbed_lamtp.copy()
    away.positions += 2 * away.cell.array[0] - 3 * away.cell.array[2]
    away.calc = ShellModel(potential)
    assert away.get_potential_energy() == pytest.approx(energy, abs=1e-8)
    shift = 2 * away.cell.array[0] - 3 * away.cell.array[2]
    np.testing.assert_allclose(away.calc.results["shells"], shells + shift, atol=1e-6)


def test_labelled_species_take_their_own_parameters():
    text = Potential.load("latp-mg-2022").dumps()
    labelled = Potential.loads(text.replace("Mg", "Mg_2"), source="labelled")
    atoms = prototype("MgO")
    atoms.rattle(0.05, seed=1)
    atoms.calc = ShellModel("latp-mg-2022")
    expected = atoms.get_potential_energy()
    atoms.set_array("species", np.array(["Mg_2" if s == "Mg" else s for s in atoms.get_chemical_symbols()]))
    atoms.calc = ShellModel(labelled)
    assert atoms.get_potential_energy() == pytest.approx(expected, abs=1e-10)


def _refused(atoms, error, match, potential="latp-mg-2022"):
    atoms.calc = ShellModel(potential)
    with pytest.raises(error, match=match) as caught:
        atoms.get_potential_energy()
    assert "\n" not in str(caught.value)


def test_a_species_without_parameters_is_named():
    atoms = prototype("BPO4")
    _refused(atoms, ConfigError, r"no parameters for 'B' in potential latp-mg-2022")


def test_a_charged_cell_is_named_with_its_ions_and_charge():
    atoms = prototype("LiTi2P3O12")
    del atoms[next(atom.index for atom in atoms if atom.symbol == "Li")]
    _refused(atoms, ConfigError, r"\(5 Li of \+0\.549 e, 72 O of .*, 12 Ti of .*\) has charge -0\.549 e")


def test_a_charged_cell_is_named_by_labels_not_elements():
    text = Potential.load("latp-mg-2022").dumps().replace("Mg", "Mg_2")
    atoms = prototype("MgO")
    atoms.set_array("species", np.array(["Mg_2" if s == "Mg" else s for s in atoms.get_chemical_symbols()]))
    del atoms[0]
    _refused(atoms, ConfigError, r"\(3 Mg_2 of ", Potential.loads(text, source="labelled"))


def test_nan_positions_are_named():
    atoms = prototype("MgO")
    atoms.positions[3, 1] = np.nan
    _refused(atoms, ConfigError, r"position of ion 3 \(Mg\)")


def test_overlapping_ions_are_named():
    atoms = prototype("MgO")
    atoms.positions[1] = atoms.positions[0] + [0.2, 0, 0]
    _refused(atoms, ConfigError, r"ions 0 \(Mg\) and 1 \(Mg\) are 0\.2 Å apart")


def test_a_cell_smaller_than_a_bond_is_refused():
    atoms = prototype("MgO")
    atoms.set_cell(atoms.cell.array * [0.1, 1, 1], scale_atoms=False)
    _refused(atoms, ConfigError, r"smaller than a bond \(0\.421 Å")


def test_a_cell_that_is_endless_is_refused():
    atoms = prototype("MgO")
    atoms.set_cell(atoms.cell.array * [1, 1, 1e300], scale_atoms=False)
    _refused(atoms, ConfigError, r"Å long, at most 1e\+06 Å expected")


def test_more_ions_than_memory_holds_are_refused_before_anything_is_listed(monkeypatch):
    """8,000 ions of MgO have some 2,500 neighbours each within 18 Å."""
    monkeypatch.setattr("dopantfit.energy.structure_checks.memory", lambda: 10**9)
    monkeypatch.setattr("dopantfit.energy.frame.find_neighbours", None)
    _refused(prototype("MgO") * 10, ConfigError, r"8000 ions with their neighbours to 1\d\.\d Å take some 1\.\d+ GB")


def test_an_open_cell_is_refused():
    _refused(Atoms("MgO", positions=[[0, 0, 0], [2, 0, 0]], cell=[9, 9, 9]), ConfigError, "periodic in all three")


def test_an_empty_structure_is_refused():
    _refused(Atoms(cell=[9, 9, 9], pbc=True), ConfigError, "holds no ions")


def test_ions_inside_a_turn_over_radius_have_collapsed():
    atoms = prototype("Mg3P2O8")
    magnesium = next(atom.index for atom in atoms if atom.symbol == "Mg")
    phosphorus = next(atom.index for atom in atoms if atom.symbol == "P")
    direction = np.array([0.6, 0.48, 0.64])
    atoms.positions[magnesium] = atoms.positions[phosphorus] + 1.3 * direction
    _refused(atoms, CollapseError, r"inside the turn-over radius|moves more than 0.5 Å")


def test_shells_that_do_not_come_to_rest_are_named(perturbed_lamtp, potential, monkeypatch):
    monkeypatch.setattr("dopantfit.energy.evaluation.MAX_PASSES", 2)
    _refused(
        perturbed_lamtp,
        ConvergenceError,
        r"after 2 passes, the shell of ion \d+ \(O\) still feels",
        potential,
    )


def test_a_bad_start_is_forgotten(perturbed_lamtp, potential):
    """A calculator that has seen a refused structure works on the next one as if it had not."""
    calculator = ShellModel(potential)
    perturbed_lamtp.calc = calculator
    energy = perturbed_lamtp.get_potential_energy()
    bad = perturbed_lamtp.copy()
    bad.positions[0] = bad.positions[1] + 0.1
    bad.calc = calculator
    with pytest.raises(ConfigError):
        bad.get_potential_energy()
    again = perturbed_lamtp.copy()
    again.calc = calculator
    assert again.get_potential_energy() == pytest.approx(energy, abs=1e-8)


def test_labels_changed_in_place_are_seen(potential):
    text = potential.dumps().replace("Mg", "Mg_2").replace("A = 55835.77", "A = 67000.0")
    both = potential.with_dopant(
        "Mg_2", potential.species["Mg"], _pairs_of("Mg_2", Potential.loads(text, source="x"), potential)
    )
    atoms = prototype("MgO")
    atoms.set_array("species", np.array(["Mg"] * 4 + ["O"] * 4, dtype="U8"))
    atoms.calc = ShellModel(both)
    before = atoms.get_potential_energy()
    atoms.arrays["species"][:4] = "Mg_2"
    fresh = atoms.copy()
    fresh.calc = ShellModel(both)
    assert atoms.get_potential_energy() == pytest.approx(fresh.get_potential_energy(), abs=1e-8)
    assert abs(atoms.get_potential_energy() - before) > 0.1


def _pairs_of(label, changed, host):
    """Buckingham terms of a relabelled dopant with every species of the host and with itself."""
    pairs = {(label, other): changed.pair(label, other) for other in host.species if other != "Mg"}
    return pairs | {(label, "Mg"): host.pair("Mg", "Mg"), (label, label): host.pair("Mg", "Mg")}


def test_species_swapped_in_place_are_seen(perturbed_lamtp, potential):
    """What a swap Monte Carlo does: two ions exchange their kinds, nothing moves."""
    perturbed_lamtp.calc = ShellModel(potential)
    perturbed_lamtp.get_potential_energy()
    magnesium = next(atom.index for atom in perturbed_lamtp if atom.symbol == "Mg")
    titanium = next(atom.index for atom in perturbed_lamtp if atom.symbol == "Ti")
    perturbed_lamtp.symbols[magnesium], perturbed_lamtp.symbols[titanium] = "Ti", "Mg"
    fresh = perturbed_lamtp.copy()
    fresh.calc = ShellModel(potential)
    assert perturbed_lamtp.get_potential_energy() == pytest.approx(fresh.get_potential_energy(), abs=1e-8)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda atoms: atoms.positions.__setitem__((3, 1), np.nan), r"position of ion 3"),
        (lambda atoms: atoms.set_pbc([True, True, False]), r"periodic in all three"),
    ],
)
def test_what_is_spoilt_after_a_good_evaluation_is_refused_too(spoil, match):
    atoms = prototype("MgO")
    atoms.calc = ShellModel("latp-mg-2022")
    atoms.get_potential_energy()
    spoil(atoms)
    with pytest.raises(ConfigError, match=match):
        atoms.get_potential_energy()


def test_settings_cannot_be_misspelt_or_changed_behind_the_back():
    with pytest.raises(TypeError):
        ShellModel("latp-mg-2022", tolerence=1e-9)
    with pytest.raises(ConfigError, match="make a new ShellModel"):
        ShellModel("latp-mg-2022").set(tolerance=1e-9)
    with pytest.raises(ConfigError, match="must be positive"):
        ShellModel("latp-mg-2022", tolerance=0.0)
    with pytest.raises(ConfigError, match=r"coulomb, .* is -1\.0 eV Å and must be positive"):
        ShellModel("latp-mg-2022", coulomb=-1.0)
