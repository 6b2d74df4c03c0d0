"""`dopantfit new` writes what every step to come reads, all of it or nothing."""

import math
import os
import tomllib
from pathlib import Path

import ase.io
import pytest

from dopantfit.errors import ConfigError
from dopantfit.fit.config import load_config
from dopantfit.potential import Potential
from dopantfit.potential.turnover import DANGEROUS_RADIUS, turn_overs
from dopantfit.project import new
from dopantfit.reference.calculator import CalculatorSettings
from dopantfit.reference.frames import composition_of
from dopantfit.reference.labels import labels_of
from dopantfit.reference.manifest import load_manifest
from dopantfit.reference.plan import load_plan
from dopantfit.reference.variants import start_ions
from dopantfit.study.config import load_study
from dopantfit.validate.settings import load_settings

HOST = Potential.load("latp-2021")


@pytest.fixture(scope="module")
def gallium(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    new("Ga", charge=3, like="Al", root=root)
    return root


def test_every_pair_of_the_dopant_has_a_start_and_bounds_around_it(gallium):
    config, _ = load_config(gallium / "fits" / "Ga")
    assert {frozenset(pair.split("-")) for pair in config.pairs} == {
        frozenset(("Ga", other)) for other in ("Li", "Al", "Ti", "P", "O", "Ga")
    }
    for pair in config.pairs.values():
        for quantity in (pair.A, pair.rho, pair.C):
            low, high = quantity.bounds
            assert low <= quantity.start <= high


def test_a_start_repels_at_the_longer_bond_as_the_like_ion_does_at_its_own(gallium):
    start = Potential.load(gallium / "fits" / "Ga" / "start.toml")
    like, ours = HOST.pair("Al", "O"), start.pair("Ga", "O")
    # Shannon's radii in six-fold coordination: Ga3+ 0.620, Al3+ 0.535 Å.
    bond = 1.9
    repelled = [term.A * math.exp(-r / term.rho) for term, r in ((like, bond), (ours, bond + 0.085))]
    assert repelled[1] == pytest.approx(repelled[0], rel=1e-4)  # starts have five digits
    assert start.species["Ga"].charge == pytest.approx(3 * 0.549)


@pytest.mark.parametrize(
    ("dopant", "charge", "like"), [("Zn", 2, "Al"), ("Zr", 4, "Ti"), ("B", 3, "Al"), ("Na", 1, "Li")]
)
def test_a_start_turns_over_no_farther_out_than_a_fit_may(tmp_path, dopant, charge, like):
    # Zn of Al's dispersion fell onto P in every melt of 600 K: it turned over at 1.85 Å, 8.7 eV up.
    new(dopant, charge=charge, like=like, root=tmp_path)
    start = Potential.load(tmp_path / "fits" / dopant / "start.toml")
    for pair, found in turn_overs(start).items():
        repels = math.prod(start.species[label].total_charge for label in pair) > 0.0
        if dopant in pair and repels and found is not None:
            assert found.radius < DANGEROUS_RADIUS + 1e-4  # starts have five digits


def test_plans_gates_and_study_are_about_the_dopant_and_its_compound(gallium):
    fit = gallium / "fits" / "Ga"
    assert load_config(fit)[0].compare_with == "start.toml"
    assert load_study(fit)[0].replaces == ("Ti", "Al")
    compound = load_settings(fit).compound
    crystal = ase.io.read(fit / compound.structure)
    assert sorted(set(crystal.symbols)) == ["Ga", "O", "P"]
    # AlPO4 of the library has 231.74 Å³; (Ga + P + 4 O) / (Al + P + 4 O) of Shannon's cubed crystal radii is 1.0156.
    assert crystal.get_volume() == pytest.approx(231.74 * 1.0156, rel=1e-4)
    cells = [item.start for item in load_plan(gallium / "reference_dft" / "Ga-latp").configurations if item.start.host]
    assert {start.primitive for start in cells} == {True, False}
    assert any({"Al", "Ga"} == {one.dopant for one in start.substitutions} for start in cells)


@pytest.fixture(scope="module")
def labelled_by_a_model(tmp_path_factory):
    root = tmp_path_factory.mktemp("model")
    model = CalculatorSettings(
        make="sevenn.calculator:SevenNetCalculator", options={"model": "7net-l3i5", "n": [1, {}]}
    )
    return root, new("Ga", charge=3, like="Al", calculator=model, root=root)


def test_exchanges_are_fitted_and_judged_and_some_are_held_out(gallium):
    fit, folder = gallium / "fits" / "Ga", gallium / "reference_dft" / "Ga-exchange"
    items = {item.name: item for item in load_plan(folder).configurations}
    assert {item.kind for item in items.values()} == {"exchange"}
    # The cell without Al has none to change places with.
    assert items["exchange-one"].partners == ("Ti", "Li") and items["exchange-one-Al"].partners == ("Ti", "Al", "Li")
    (exchanges,) = load_config(fit)[0].exchanges
    assert exchanges.path == load_settings(fit).exchange.sets[0].path == "../../reference_dft/Ga-exchange"
    (frames,) = [one for one in load_config(fit)[0].sets if one.path == exchanges.path]
    assert exchanges.held_out == frames.held_out_families == ("exchange-two-Al",)
    assert set(exchanges.held_out) < set(items)
    # What is held out is a composition that no other set has: Li, Al, Ti and Ga of a primitive cell.
    compositions = {
        composition_of(start_ions(item, folder))
        for name in ("latp", "exchange")
        for item in load_plan(gallium / "reference_dft" / f"Ga-{name}").configurations
        if item.start.end_of is None and item.name not in exchanges.held_out
    }
    assert composition_of(start_ions(items["exchange-two-Al"], folder)) not in compositions


def test_glasses_are_neutral_and_a_channel_has_mobile_ions_left(gallium):
    plan = load_plan(gallium / "reference_dft" / "Ga-surroundings")
    charges = {"Ga": 3, "Al": 3, "Ti": 4, "Li": 1}
    glasses = [item for item in plan.configurations if item.kind == "glass"]
    assert len(glasses) == 3
    for glass in glasses:
        assert sum(charges[ion] * count for ion, count in glass.cations.items()) == 3 * glass.units
    # Ga on one of the Li sites takes three of them: two of the crystal, and two more that two Al bring.
    (channel,) = [item for item in plan.configurations if item.kind == "channel"]
    assert [(one.dopant, one.count) for one in channel.start.substitutions] == [("Al", 2)]


def test_a_calculator_labels_every_set_but_the_judges(labelled_by_a_model):
    root, made = labelled_by_a_model
    plans = {path.name: load_plan(path) for path in (root / "reference_dft").iterdir()}
    assert plans.pop("Ga-judges").calculator is None
    assert {plan.calculator.make for plan in plans.values()} == {"sevenn.calculator:SevenNetCalculator"}
    assert all(plan.calculator.options == {"model": "7net-l3i5", "n": [1, {}]} for plan in plans.values())
    told = [command.text for command in made.commands]
    assert all(f"{name}" in " ".join(told) for name in plans)
    judged = [text for text in told if "reference compare" in text]
    assert len(judged) == len(plans) and all("Ga-judges --around Ga" in text for text in judged)
    assert not any("judges" in one.path for one in load_config(made.fit)[0].sets)


def test_a_calculator_in_a_file_is_named_from_each_set(tmp_path):
    model = CalculatorSettings(make=f"{tmp_path / 'mine.py'}:make")
    new("Ga", charge=3, like="Al", calculator=model, root=tmp_path / "p")
    folder = tmp_path / "p" / "reference_dft" / "Ga-latp"
    where, _, name = load_plan(folder).calculator.make.rpartition(":")
    assert (folder / where).resolve() == tmp_path / "mine.py" and name == "make"


def test_a_dopant_without_more_charge_than_the_mobile_ion_takes_its_places(tmp_path):
    new("Na", charge=1, like="Li", root=tmp_path)
    assert load_study(tmp_path / "fits" / "Na")[0].replaces == ("Li",)
    plan = load_plan(tmp_path / "reference_dft" / "Na-latp")
    sites = {s.replaced for item in plan.configurations for s in item.start.substitutions if s.dopant == "Na"}
    assert sites == {"Li"}
    # On the places of Li it is no ion in a channel, and changes places with Li alone.
    kinds = [item.kind for item in load_plan(tmp_path / "reference_dft" / "Na-surroundings").configurations]
    assert "channel" not in kinds and "glass" in kinds
    exchanges = load_plan(tmp_path / "reference_dft" / "Na-exchange").configurations
    assert {item.partners for item in exchanges} == {("Li",)}


def test_a_code_that_runs_elsewhere_gets_manifests_with_every_pseudopotential(tmp_path):
    new("Ge", charge=4, like="Ti", code="vasp", root=tmp_path)
    with (tmp_path / "reference_dft" / "Ge-latp" / "manifest.toml").open("rb") as file:
        manifest = tomllib.load(file)
    # Those of the Materials Project's relaxations.
    assert manifest["pseudopotentials"]["Ge"] == "PAW_PBE Ge_d"
    assert sorted(manifest["pseudopotentials"]) == ["Al", "Ge", "Li", "O", "P", "Ti"]


@pytest.mark.parametrize("code", ["cp2k", "espresso", "castep", "vasp"])
def test_every_code_has_its_pseudopotentials_in_a_manifest_before_the_first_run(code, tmp_path):
    new("Ga", charge=3, like="Al", code=code, root=tmp_path)
    expected = {
        "cp2k": ("CP2K", "GTH-PBE-q13"),
        "espresso": ("Quantum ESPRESSO", "Ga.pbe-dn-kjpaw_psl.1.0.0.UPF"),
        "castep": ("CASTEP", "on the fly"),
        "vasp": ("VASP", "PAW_PBE Ga_d"),
    }[code]
    for name in ("latp", "surroundings", "exchange", "compound"):
        folder = tmp_path / "reference_dft" / f"Ga-{name}"
        manifest = load_manifest(folder)
        assert (manifest.code, manifest.pseudopotentials["Ga"]) == expected
        assert sorted(manifest.pseudopotentials) == (
            ["Ga", "O", "P"] if name == "compound" else ["Al", "Ga", "Li", "O", "P", "Ti"]
        )
        if code == "cp2k":
            assert manifest.basis_or_cutoff.startswith("DZVP-MOLOPT-SR-GTH, GAPW, CUTOFF 300 Ry")
            # What the run compares it with before it computes anything.
            with labels_of(load_plan(folder), folder) as labels:
                labels.check_manifest(load_plan(folder), manifest, folder)


def test_the_judges_of_a_calculator_have_a_manifest_and_its_own_sets_have_none(tmp_path):
    calculator = CalculatorSettings(make="sevenn.calculator:SevenNetCalculator")
    new("Ga", charge=3, like="Al", calculator=calculator, root=tmp_path)
    manifests = {path.parent.name for path in (tmp_path / "reference_dft").glob("*/manifest.toml")}
    assert manifests == {"Ga-judges"}


def test_a_pseudopotential_that_nobody_here_knows_can_be_named(tmp_path):
    asked = {"charge": 4, "like": "Ti", "code": "vasp"}
    with pytest.raises(ConfigError, match=r'VASP: no pseudopotential of Po is known .* --pseudopotential "Po=PAW_PBE'):
        new("Po", **asked, root=tmp_path)
    assert not any(tmp_path.iterdir())
    new("Po", **asked, pseudopotentials={"Po": "PAW_PBE Po_d", "Ti": "PAW_PBE Ti_sv"}, root=tmp_path)
    named = load_manifest(tmp_path / "reference_dft" / "Po-latp").pseudopotentials
    assert (named["Po"], named["Ti"], named["Al"]) == ("PAW_PBE Po_d", "PAW_PBE Ti_sv", "PAW_PBE Al")


PARTIAL = """\
data_x
_cell_length_a 5
_cell_length_b 5
_cell_length_c 5
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_IT_number 1
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"dopant": "Xx"}, "no chemical element"),
        ({"dopant": "Ti"}, "is an ion of the host"),
        ({"dopant": "Fe"}, "no GTH-PBE pseudopotential"),
        ({"like": "Mg"}, "--like Mg: the host latp has no cation Mg; name one of Li, Al, Ti"),
        ({"like": "P"}, "--like P: the host latp has no cation P"),
        ({"charge": 7}, "no ionic radius is known for the charge +7, only for +3"),
        ({"charge": -2}, "give a positive charge"),
        ({"host": "nowhere.toml"}, "there is no file nowhere.toml"),
        ({"structure": "nowhere.cif"}, "nowhere.cif"),
        (
            {"code": "cp2k", "pseudopotentials": {"Ga": "GTH-PBE-q3"}},
            "--pseudopotential: those of CP2K are in its table",
        ),
        (
            {"code": "vasp", "pseudopotentials": {"Fe": "PAW_PBE Fe"}},
            "--pseudopotential Fe: no set of DFT holds Fe; they hold Al, Ga, Li, O, P, Ti",
        ),
        ({"code": "abinit"}, "--code abinit: expected one of"),
        ({"potential": "latp-mg-2022", "dopant": "Mg", "charge": 2}, "has Mg already"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_writes_nothing(asked, said, tmp_path):
    arguments = {"dopant": "Ga", "charge": 3, "like": "Al", "root": tmp_path} | asked
    with pytest.raises(ConfigError) as caught:
        new(arguments.pop("dopant"), **arguments)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("Ga1 Ga 0 0 0 0.5\nP1 P .5 .5 .5 1\nO1 O .5 0 0 1", "partly occupied"),
        ("Ga1 Ga 0 0 0 1\nP1 P .5 .5 .5 1\nO1 O .5 0 0 1", r"GaOP has the charge \+6 e with Ga \+3, P \+5, O -2"),
        ("Ga1 Ga 0 0 0 1\nO1 O .5 0 0 1", "expected a compound of just Ga, O, P"),
    ],
)
def test_a_structure_that_is_no_ordered_neutral_compound_is_refused(rows, said, tmp_path):
    cif = tmp_path / "x.cif"
    cif.write_text(PARTIAL + rows + "\n")
    with pytest.raises(ConfigError, match=said):
        new("Ga", charge=3, like="Al", structure=cif, root=tmp_path)
    assert list(tmp_path.iterdir()) == [cif]


def test_a_charge_that_mobile_ions_cannot_balance_is_refused(tmp_path):
    host = tmp_path / "divalent.toml"
    # The host of LATP with a mobile ion of +3: a dopant of +3 on Ti4+ leaves one charge, and no whole ion balances it.
    with pytest.raises(ConfigError, match="cannot be balanced by whole Li"):
        text = (Path(__file__).parents[2] / "src/dopantfit/structures/hosts/latp.toml").read_text()
        host.write_text(text.replace("Li = 1\n", "Li = 2\n", 1))
        new("Ga", charge=3, like="Al", host=str(host), root=tmp_path)


def test_a_file_that_is_called_like_a_library_potential_is_not_named_instead(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latp-2021").write_text("something else\n")
    made = new("Ga", charge=3, like="Al", root="project")
    assert 'host = "latp-2021"' in (made.fit / "fit.toml").read_text()


def test_folders_that_are_there_stay_as_they_are(gallium, tmp_path):
    (tmp_path / "fits" / "Ga").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is there already; nothing was written"):
        new("Ga", charge=3, like="Al", root=tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["fits", "Ga"]


def test_a_failure_at_the_last_folder_takes_the_others_back(monkeypatch, tmp_path):
    rename, moved = os.rename, []

    def full(source, target):
        if len(moved) == 4:
            raise OSError(28, "No space left on device", str(target))
        moved.append(target)
        rename(source, target)

    monkeypatch.setattr("dopantfit.project.new_dopant.os.rename", full)
    with pytest.raises(ConfigError, match="No space left on device; nothing was written"):
        new("Ga", charge=3, like="Al", root=tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
