"""A whole core-shell set of another material, fluorite, from VASP's file format: nothing in a fit needs a dopant."""

import numpy as np
import pytest
from ase.build import bulk
from ase.units import GPa

from dopantfit import Potential, ShellModel
from dopantfit.fit.objective import Objective
from dopantfit.fit.record import write_fit
from dopantfit.fit.run import plan_fit, run_fit
from dopantfit.potential import Buckingham, Parameter, Species
from dopantfit.reference.importing import import_files
from dopantfit.reference.manifest import parse_manifest, save_manifest

#: Noise of the "DFT": eV/Å, eV/atom, GPa.
FORCE, ENERGY, STRESS = 0.01, 0.0002, 0.02

TEXT = f"""
name = "fluorite"
host = "start.toml"
seed = 7
one_composition = true

[[sets]]
path = "set"
force_error = {FORCE}
energy_error = {ENERGY}
stress_error = {STRESS}
held_out_families = ["hot"]

[pairs."Ca-F"]
A = {{ bounds = [300.0, 5000.0] }}
rho = {{ bounds = [0.24, 0.36] }}

[pairs."F-F"]
A = {{ bounds = [300.0, 5000.0] }}
rho = {{ bounds = [0.22, 0.34] }}
C = {{ bounds = [0.0, 60.0] }}

[species.F]
shell_charge = {{ bounds = [-2.6, -1.4] }}
spring = {{ bounds = [20.0, 150.0] }}

[charge_scale]
bounds = [0.8, 1.1]

[swarm]
particles = 6
generations = 1

[local]
starts = 1
max_iterations = 20

[ensemble]
draws = 2
"""


def fluoride(scale, shell_charge, spring, ca_f, f_f):
    """A core-shell potential of CaF2; terms as (A, rho, C)."""
    shell = {"charge": shell_charge, "mass": 0.2, "spring": spring}
    return Potential(
        name="fluoride",
        citation="made for a test",
        cutoff=7.0,
        species={
            "Ca": Species(formal_charge=2, charge=2 * scale, mass=40.078),
            "F": Species(formal_charge=-1, charge=-scale - shell_charge, mass=18.798, shell=shell),
        },
        pairs={
            ("Ca", "Ca"): Buckingham(A=0.0, rho=0.3, C=0.0),
            ("Ca", "F"): Buckingham(**dict(zip(("A", "rho", "C"), ca_f, strict=True))),
            ("F", "F"): Buckingham(**dict(zip(("A", "rho", "C"), f_f, strict=True))),
        },
    )


TRUTH = fluoride(0.95, -2.0, 60.0, (1300.0, 0.298, 0.0), (1130.0, 0.275, 16.0))
START = fluoride(1.0, -1.8, 75.0, (1000.0, 0.305, 0.0), (900.0, 0.285, 10.0))


def vasprun(frames, rng):
    """The frames as a vasprun.xml, with what ``TRUTH`` says of them and noise."""
    return (
        '<?xml version="1.0"?>\n<modeling>\n<kpoints><varray name="kpointlist"><v>0 0 0</v></varray>'
        '<varray name="weights"><v>1</v></varray></kpoints>\n'
        '<parameters><i type="int" name="NELM">60</i></parameters>\n'
        '<atominfo><array name="atoms"><set>'
        + "".join(f"<rc><c>{symbol}</c><c>1</c></rc>" for symbol in frames[0].symbols)
        + '</set></array></atominfo>\n<structure name="initialpos">'
        + _structure(frames[0])
        + "</structure>\n"
        + "".join(_calculation(atoms, rng) for atoms in frames)
        + "</modeling>\n"
    )


def _vectors(name, rows):
    return f'<varray name="{name}">' + "".join(f"<v>{' '.join(map(repr, r))}</v>" for r in rows.tolist()) + "</varray>"


def _structure(atoms):
    crystal = f"<crystal>{_vectors('basis', atoms.cell.array)}</crystal>"
    return crystal + _vectors("positions", atoms.get_scaled_positions(wrap=False))


def _calculation(atoms, rng):
    atoms.calc = ShellModel(TRUTH)
    energy = atoms.get_potential_energy() + rng.normal(0, ENERGY * len(atoms))
    noise = rng.normal(0, STRESS, 6)
    # VASP prints pressures in kbar, positive under compression.
    stress = -10.0 * (atoms.get_stress(voigt=False) / GPa + noise[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3))
    forces = atoms.get_forces() + rng.normal(0, FORCE, (len(atoms), 3))
    energies = "".join(f'<i name="{name}">{energy!r}</i>' for name in ("e_fr_energy", "e_wo_entrp", "e_0_energy"))
    return (
        f"<calculation><scstep><energy>{energies}</energy></scstep><structure>{_structure(atoms)}</structure>"
        f"{_vectors('forces', forces)}{_vectors('stress', stress)}<energy>{energies}</energy></calculation>\n"
    )


def crystals(rng, count, noise, strain):
    frames = []
    for _ in range(count):
        atoms = bulk("CaF2", "fluorite", a=5.45, cubic=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, strain, (3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(0, noise, atoms.positions.shape)
        frames.append(atoms)
    return frames


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("fluorite"), np.random.default_rng(20)
    (folder / "set").mkdir()
    manifest = parse_manifest(
        'name = "fluorite"\npurpose = "tests"\nlicence = "CC0-1.0"\ncode = "VASP"\ncode_version = "0"\n'
        'functional = "none"\nbasis_or_cutoff = "none"\nk_mesh = [1, 1, 1]\nscf_tolerance = 1e-6\n'
        '[pseudopotentials]\nCa = "x"\nF = "x"\n'
    )
    save_manifest(folder / "set", manifest)
    for family, count, noise in (("warm", 10, 0.10), ("hot", 3, 0.15)):
        file = folder / f"{family}.xml"
        file.write_text(vasprun(crystals(rng, count, noise, 0.02), rng))
        import_files([file], folder / "set", family, steps="all")
    START.save(folder / "start.toml")
    (folder / "fit.toml").write_text(TEXT)
    plan = plan_fit(folder)
    result = run_fit(plan, folder / "work")
    return plan, result, write_fit(plan, result, folder, 0.0).as_dict()


def test_held_out_crystals_are_met_to_their_noise(fitted):
    payload = fitted[2]
    held_out = {one["name"]: one for one in payload["errors"]["fitted"]["held_out"]["forces"]}
    # 108 components: known to 1/sqrt(216) = 7 %, three times that; the start potential is far off.
    assert held_out["all"]["rms_error"] == pytest.approx(FORCE, rel=0.25)
    start = {one["name"]: one for one in payload["errors"]["start"]["held_out"]["forces"]}
    assert start["all"]["rms_error"] > 10 * FORCE


def test_what_the_crystals_tell_comes_back_and_the_truth_is_as_likely_as_it_should_be(fitted):
    plan, result, _ = fitted
    found, names = result.uncertainty, [variable.name for variable in plan.space.variables]
    truth = plan.space.values_in(TRUTH)
    told = dict(zip(names, found.identified.tolist(), strict=True))
    assert told["rho Ca-F"] and told["charge_scale"] and told["A Ca-F"]
    away = (np.abs(found.values - truth) / found.standard_error)[found.identified]
    assert (away < 3.5).all()
    # Twice the rise of the cost from the minimum to the truth is χ² with 8 degrees of freedom: below 26 in 99.9 %.
    objective = Objective(plan.space, plan.training, plan.config.guards)
    assert 0.0 <= 2 * (objective.cost(plan.space.point(truth)) - result.cost) < 26
    # 10 frames of 36 forces, 6 stresses and 1 energy: 1 ± sqrt(2/430), four times.
    assert found.reduced_chi2 == pytest.approx(1.0, abs=0.28)


def test_the_fitted_set_is_neutral_and_keeps_its_shells(fitted):
    potential = fitted[1].potential
    calcium, fluorine = potential.species["Ca"], potential.species["F"]
    assert calcium.total_charge == pytest.approx(-2 * fluorine.total_charge, abs=1e-12)
    assert potential.value(Parameter.parse("spring F")) != START.value(Parameter.parse("spring F"))
    # Frozen ones are untouched.
    assert potential.pair("Ca", "Ca") == START.pair("Ca", "Ca") and potential.pair("Ca", "F").C == 0.0
