"""Doping: charge, counts, profile, voids, bad input."""

import numpy as np
import pytest
from ase import Atoms

from dopantfit import Potential
from dopantfit.boundary.build.config import load_build
from dopantfit.boundary.build.start import composition, initial_boundary
from dopantfit.boundary.dope.config import DopeConfig, MeasuredProfile, TwoMaxima, load_dope
from dopantfit.boundary.dope.sites import dopant_counts, doped
from dopantfit.boundary.dope.voids import largest_voids
from dopantfit.boundary.profile.domains import Domains, Span
from dopantfit.errors import ConfigError
from dopantfit.structures import labels_of, total_formal_charge

POTENTIAL = Potential.load("latp-mg-2022")
CHARGES = {label: ion.formal_charge for label, ion in POTENTIAL.species.items()}


@pytest.fixture(scope="module")
def boundary():
    """A placed, not sintered, 2 x 2 boundary with a wide amorphous domain, and its domains as they were built."""
    config = load_build("quick")
    config = config.model_copy(
        update={
            "grain": config.grain.model_copy(update={"in_plane": 2, "thickness": 1}),
            "amorphous": config.amorphous.model_copy(update={"thickness": 20.0}),
        }
    )
    atoms = initial_boundary(config, POTENTIAL, np.random.default_rng(2))
    length, half = float(atoms.cell[2, 2]), 0.5 * config.edge
    gap = Span(half + 2.0, length - half - 2.0, length)
    none = np.zeros(0)
    domains = Domains({"grain": (), "complexion": (), "amorphous": (gap,)}, 1.0, 0.0, none, none)
    return atoms, domains


def config(**changes):
    return DopeConfig(**{"dopant": "Mg", "concentrations": (0.6, 2.0, 4.0, 7.1), **changes})


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_doping_keeps_the_boundary_neutral_and_counts_its_ions(boundary, level):
    atoms, domains = boundary
    result, doping = doped(atoms, domains, POTENTIAL, config(), level, 1)
    before, after = composition(atoms), composition(result)
    assert total_formal_charge(result, CHARGES) == 0
    # Ti4+ -> Mg2+ + 2 Li+ and Al3+ -> Mg2+ + Li+.
    titanium, aluminium = doping.replaced["Ti"], doping.replaced["Al"]
    assert doping.extra == 2 * titanium + aluminium
    assert after["Mg"] == titanium + aluminium
    assert after["Li"] == before["Li"] + doping.extra
    assert after["Ti"] == before["Ti"] - titanium
    assert (after["P"], after["O"]) == (before["P"], before["O"])
    assert result.info == atoms.info


def test_dopants_and_extra_ions_are_in_the_amorphous_domain_only(boundary):
    atoms, domains = boundary
    result, doping = doped(atoms, domains, POTENTIAL, config(), 4, 1)
    magnesium = np.array(labels_of(result)) == "Mg"
    new = np.arange(len(result)) >= len(atoms)
    assert new.sum() == doping.extra
    assert domains.amorphous.contains(result.positions[magnesium | new, 2]).all()
    # Nobody else moved.
    np.testing.assert_array_equal(result.positions[: len(atoms)], atoms.positions)


def test_the_mean_concentration_is_the_one_asked_for(boundary):
    atoms, domains = boundary
    _, doping = doped(atoms, domains, POTENTIAL, config(measure="mean"), 3, 1)
    inside = int(domains.members(atoms, "amorphous").sum())
    one_dopant = 100.0 / inside
    assert doping.mean_percent == pytest.approx(4.0, abs=one_dopant)


def test_the_highest_published_doping_halves_titanium_and_aluminium(boundary):
    """GB_7: 7.1 at% at the maxima of the default profile are half of Ti 1.6 and Al 0.4 per three phosphates."""
    atoms, domains = boundary
    _, doping = doped(atoms, domains, POTENTIAL, config(), 4, 1)
    # 1.0 Mg in 18.4 ions and the 0.8 * 2 + 0.2 * 1 Li that come with it.
    one_dopant = 100.0 / domains.members(atoms, "amorphous").sum()
    assert doping.mean_percent == pytest.approx(100.0 * 1.0 / (18.4 + 1.8), abs=one_dopant)


def test_realisations_differ_and_repeat(boundary):
    atoms, domains = boundary
    first, again, other = (doped(atoms, domains, POTENTIAL, config(), 2, k)[0] for k in (1, 1, 2))
    assert labels_of(first) == labels_of(again)
    np.testing.assert_array_equal(first.positions, again.positions)
    assert labels_of(first) != labels_of(other)


def test_a_trivalent_and_a_pentavalent_dopant_follow_the_general_rule(boundary):
    """B3+ on Ti4+ brings one Li+, on Al3+ none; Nb5+ on Ti4+ takes one away."""
    atoms, domains = boundary
    boron, niobium = (_renamed("Mg", label, charge) for label, charge in (("B", 3), ("Nb", 5)))
    result, doping = doped(atoms, domains, boron, config(dopant="B"), 3, 1)
    assert doping.extra == doping.replaced["Ti"]
    assert total_formal_charge(result, {**CHARGES, "B": 3}) == 0
    result, doping = doped(atoms, domains, niobium, config(dopant="Nb", replaces=("Ti",)), 2, 1)
    assert doping.extra == -doping.replaced["Ti"]
    assert composition(result)["Li"] == composition(atoms)["Li"] - doping.replaced["Ti"]
    assert total_formal_charge(result, {**CHARGES, "Nb": 5}) == 0


def _renamed(old, new, charge):
    """The published set with its dopant under another name and charge: energies do not matter here."""
    host = Potential.load("latp-2021")
    unit = host.species["Li"].total_charge
    ion = POTENTIAL.species[old].model_copy(update={"formal_charge": charge, "charge": unit * charge})
    pairs = {
        tuple(sorted(new if label == old else label for label in pair)): term
        for pair, term in POTENTIAL.pairs.items()
        if old in pair
    }
    return host.with_dopant(new, ion, pairs, name=new, citation="none")


def test_sites_follow_the_profile(rng):
    """Many realisations of a slab of Ti: the drawn sites have the distribution of the profile."""
    domain = Span(0.0, 60.0, 80.0)
    profile = TwoMaxima()
    z = np.linspace(-30.0, 30.0, 6001)
    weight = profile.weight(z, domain)
    assert weight.argmax() in (np.abs(z - 15.0).argmin(), np.abs(z + 15.0).argmin()) or weight[
        np.abs(np.abs(z) - 15.0) < 0.6
    ].max() == pytest.approx(weight.max())
    assert profile.weight(np.array([30.1, -31.0]), domain).tolist() == [0.0, 0.0]
    atoms = Atoms("Ti1500O3000", positions=rng.random((4500, 3)) * [60.0, 60.0, 60.0], cell=[60, 60, 80], pbc=True)
    atoms.info = {"grain_ions": 0}
    domains = Domains({"grain": (), "complexion": (), "amorphous": (domain,)}, 1.0, 0.0, z, z)
    settings = config(replaces=("Ti",), concentrations=(1.0,), measure="mean")
    drawn = []
    for k in range(1, 9):
        labels = np.array(labels_of(_exchange_only(atoms, domains, settings, k)))
        drawn.append(domain.distance(atoms.positions[labels[: len(atoms)] == "Mg", 2]))
    found = np.concatenate(drawn)
    expected = (np.abs(z) * weight).sum() / weight.sum()
    # About 600 draws of a quantity that scatters by 7 Å.
    assert np.abs(found).mean() == pytest.approx(expected, abs=1.0)
    assert found.mean() == pytest.approx(0.0, abs=2.5)


def _exchange_only(atoms, domains, settings, number):
    """Draw sites without filling voids: Ti4+ by a dopant of the same charge."""
    same = _renamed("Mg", "Zr", 4)
    result, doping = doped(atoms, domains, same, settings.model_copy(update={"dopant": "Zr"}), 1, number)
    assert doping.extra == 0
    result.symbols[result.symbols == "Zr"] = "Mg"
    return result


def test_the_largest_void_is_the_point_with_the_most_room():
    """Eight O on the corners of a cube between two sheets of Li."""
    corners = np.array([[x, y, z] for x in (0, 8.0) for y in (0, 8.0) for z in (0, 8.0)]) + 6.0
    wall = np.array([[x, y, 0.0] for x in range(0, 20, 2) for y in range(0, 20, 2)], float)
    atoms = Atoms(f"O8Li{len(wall)}", positions=np.vstack([corners, wall]), cell=[20, 20, 20], pbc=True)
    anions = np.array(atoms.get_chemical_symbols()) == "O"
    sites, room = largest_voids(atoms, anions, Span(7.5, 12.5, 20.0), 1)
    points = np.random.default_rng(1).random((20_000, 3)) * [20, 20, 5.0] + [0, 0, 7.5]
    gaps = np.vstack([sites, points])[:, None] - atoms.positions
    gaps -= np.round(gaps / 20.0) * 20.0
    every = (np.linalg.norm(gaps, axis=2) / np.where(anions, 1.7, 2.4)).min(axis=1)
    assert room[0] == pytest.approx(every[0])
    # No other point has more, but for the step of 0.04 Å of the refined grid.
    assert room[0] >= every.max() - 0.03


def test_voids_keep_their_distance_from_each_other(boundary):
    atoms, domains = boundary
    result, doping = doped(atoms, domains, POTENTIAL, config(), 4, 1)
    new = np.arange(len(atoms), len(result))
    labels = np.array(labels_of(result))
    gaps = result.positions[new, None] - result.positions
    gaps -= np.round(gaps / result.cell.lengths()) * result.cell.lengths()
    distances = np.linalg.norm(gaps, axis=2)
    distances[np.arange(len(new)), new] = np.inf
    assert (distances[:, labels == "O"].min() / 1.7) >= doping.smallest_room - 1e-9
    assert (distances[:, labels != "O"].min() / 2.4) >= doping.smallest_room - 1e-9


def test_a_measured_profile_is_read_from_its_table(tmp_path, boundary):
    atoms, domains = boundary
    (tmp_path / "apt.csv").write_text("z_A,concentration\n-10,0\n-5,1\n0,0\n")
    (tmp_path / "dope.toml").write_text('dopant = "Mg"\n[profile]\nkind = "csv"\npath = "apt.csv"\n')
    settings = load_dope(tmp_path)
    result, _ = doped(atoms, domains, POTENTIAL, settings.model_copy(update={"concentrations": (1.0,)}), 1, 1)
    height = domains.amorphous.distance(result.positions[np.array(labels_of(result)) == "Mg", 2])
    assert ((height > -10.0) & (height < 0.0)).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("z_A,concentration\n-90,1\n0,1\n", "outside the amorphous domain"),
        ("z_A,concentration\n0,1\n-5,1\n", "increasing"),
        ("z_A,concentration\n-5,0\n5,0\n", "not all zero"),
        ("z_A,percent\n-5,0\n5,0\n", "columns z_A and concentration"),
        ("z_A,concentration\n-5,x\n5,0\n", "both numbers"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(tmp_path, boundary, text, message):
    atoms, domains = boundary
    path = tmp_path / "apt.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        doped(atoms, domains, POTENTIAL, config(profile=MeasuredProfile(kind="csv", path=str(path))), 1, 1)


@pytest.mark.parametrize(
    ("changes", "level", "message"),
    [
        ({"concentrations": (40.0,), "measure": "mean"}, 1, "more than the sites .* at% at most"),
        ({"concentrations": (1e-3,)}, 1, "is not one Mg"),
        ({}, 5, "there is no GB_5"),
        (
            {"profile": TwoMaxima(separation=0.0, width=0.002), "concentrations": (4.0,), "measure": "mean"},
            1,
            "reaches only",
        ),
        ({"dopant": "Zn"}, 1, "Zn not in the potential"),
        ({"dopant": "O"}, 1, "dopant = 'O' is an ion of the host"),
        ({"dopant": "P"}, 1, "dopant = 'P' is an ion of the host"),
        ({"mobile": "O"}, 1, "mobile = 'O' must be a cation, such as Li"),
        ({"mobile": "Al", "replaces": ("Ti",), "concentrations": (1.0,)}, 1, "which whole Al cannot balance"),
        ({"replaces": ("O",), "concentrations": (1.0,)}, 1, "no cation beside the PO4"),
    ],
)
def test_doping_that_cannot_be_is_one_clear_line(boundary, changes, level, message):
    atoms, domains = boundary
    with pytest.raises(ConfigError, match=message) as caught:
        doped(atoms, domains, POTENTIAL, config(**changes), level, 1)
    assert "\n" not in str(caught.value)


def test_shares_of_host_ions_add_up_and_follow_their_numbers(boundary):
    atoms, domains = boundary
    counts = dopant_counts(atoms, domains, POTENTIAL, config(), 4)
    inside = domains.members(atoms, "amorphous")
    labels = np.array(labels_of(atoms))
    ratio = (inside & (labels == "Ti")).sum() / (inside & (labels == "Al")).sum()
    assert counts["Ti"] == pytest.approx(ratio * counts["Al"], abs=ratio)
