"""Domains of constructed structures, whose order, widths and distances are known."""

import numpy as np
import pytest
from ase import Atoms

from dopantfit.boundary.profile.domains import find_domains, layer_order
from dopantfit.boundary.profile.profiles import composition_by_domain, nearest_by_domain, nearest_distances, profiles
from dopantfit.errors import ConfigError
from dopantfit.structures import load_host

EDGE = 12.08
LATP = load_host()


def crystal(n, m):
    atoms = LATP.pseudo_cubic((n, n, m)).ions
    atoms.set_cell(np.diag([n * EDGE, n * EDGE, m * EDGE]), scale_atoms=True)
    return atoms


def framework(n, m):
    atoms = crystal(n, m)
    return atoms[np.isin(atoms.get_chemical_symbols(), ["Ti"])]


def sandwich(n, m, thickness, rng, jitter=0.0, shift=0.0):
    """Crystal of m cells, then random Ti of the same density over `thickness` [Å], moved up by `shift`."""
    grain = framework(n, m)
    count = round(16 * n * n * thickness / EDGE)
    low = np.array([0.0, 0.0, m * EDGE])
    random = low + rng.random((count, 3)) * [n * EDGE, n * EDGE, thickness]
    atoms = grain + Atoms(f"Ti{count}", positions=random)
    atoms.cell = np.diag([n * EDGE, n * EDGE, m * EDGE + thickness])
    atoms.positions += rng.normal(scale=jitter, size=(len(atoms), 3))
    atoms.translate([0.3, -0.7, shift])
    atoms.pbc = True
    return atoms


@pytest.mark.parametrize("n", [1, 2, 3])
def test_order_of_the_perfect_crystal_is_one_wherever_it_stands(n, rng):
    atoms = crystal(n, 2)
    atoms.positions += rng.random(3) * 30.0
    # The pseudo-cubic cell of the prototype deviates from a cube by 0.03 %.
    np.testing.assert_allclose(layer_order(atoms, LATP), 1.0, atol=1e-3)
    domains = find_domains(atoms, LATP)
    assert domains.width("grain") == pytest.approx(2 * EDGE)
    assert domains.intervals["amorphous"] == ()


def test_order_of_random_ions_is_zero(rng):
    atoms = Atoms("Ti2000", positions=rng.random((2000, 3)) * [36.24, 36.24, 60.0], cell=[36.24, 36.24, 60.0], pbc=True)
    order = layer_order(atoms, LATP)
    # About 80 neighbours and four waves each: one layer scatters by 1/sqrt(2 * 80 * 4) about zero at most.
    assert abs(order.mean()) < 0.02
    assert find_domains(atoms, LATP).width("amorphous") == pytest.approx(60.0)


def test_order_falls_with_displacements_as_debye_and_waller_say(rng):
    atoms = framework(3, 3)
    sigma = 0.4
    atoms.positions += rng.normal(scale=sigma, size=(len(atoms), 3))
    q = 2 * np.pi / (EDGE / 2)
    # Pairs of displaced ions: exp(-q²σ²), for q of the first and √2 q of the second star.
    expected = 0.5 * (np.exp(-(q**2) * sigma**2) + np.exp(-2 * q**2 * sigma**2))
    assert layer_order(atoms, LATP).mean() == pytest.approx(expected, abs=0.03)  # 432 ions scatter by 0.01


@pytest.mark.parametrize(("n", "thickness"), [(1, 24.0), (2, 30.0), (3, 42.6)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_sandwich_is_divided_within_one_layer(n, thickness, seed):
    rng = np.random.default_rng(seed)
    atoms = sandwich(n, 4, thickness, rng, jitter=0.15, shift=17.0)
    domains = find_domains(atoms, LATP)
    layer = EDGE / 4
    between = domains.width("amorphous") + 2 * domains.width("complexion")
    assert domains.width("amorphous") <= thickness + layer
    assert between >= thickness - layer
    # A sharp interface has no complexion: one layer at most, and the mean of both ends is the interface.
    assert domains.width("complexion") < (1.0 if n > 1 else 2.0) * layer
    assert domains.width("amorphous") + domains.width("complexion") == pytest.approx(thickness, abs=layer)
    assert domains.amorphous.distance(np.array([4 * EDGE + 0.5 * thickness + 17.0]))[0] == pytest.approx(0.0, abs=layer)


def test_a_complexion_of_known_width_is_found(rng):
    width = 14.0  # displacements grow linearly over it until the order is gone
    atoms = sandwich(3, 6, 30.0, rng)
    depth = np.minimum(atoms.positions[:, 2], 6 * EDGE - atoms.positions[:, 2])  # below the nearer face of the grain
    inside = (depth > 0) & (depth < width)
    q = 2 * np.pi / (EDGE / 2)
    wanted = np.clip(depth[inside] / width, 0.02, 1.0)
    sigma = np.sqrt(-np.log(wanted) / (1.5 * q**2))  # exp(-q²σ²)-like fall of the mean of both stars
    atoms.positions[inside, :2] += rng.normal(size=(inside.sum(), 2)) * sigma[:, None]
    domains = find_domains(atoms, LATP)
    assert domains.width("complexion") == pytest.approx(width, abs=3.5)
    assert domains.width("amorphous") == pytest.approx(30.0, abs=4.0)


def test_domains_do_not_depend_on_where_the_cell_begins(rng):
    atoms = sandwich(2, 4, 30.0, rng, jitter=0.1)
    moved = atoms.copy()
    moved.positions += [3.0, 4.0, 41.0]
    moved.wrap()
    first, second = find_domains(atoms, LATP), find_domains(moved, LATP)
    for name in ("grain", "complexion", "amorphous"):
        assert second.width(name) == pytest.approx(first.width(name), abs=0.3)  # ends stand on a grid of 0.25 Å
    assert (first.names(atoms) != second.names(moved)).mean() < 0.01


def test_profiles_add_up_to_the_ions_and_to_hundred_percent():
    atoms = crystal(1, 3)
    found = profiles(atoms)
    np.testing.assert_allclose(sum(found.atomic_percent.values()), 100.0)
    volume_of_bin = atoms.get_volume() / len(found.height)
    for label, density in found.number_density.items():
        assert (density * volume_of_bin).sum() == pytest.approx(atoms.get_chemical_symbols().count(label))


def test_nearest_titanium_of_the_crystal_is_the_known_one(rng):
    # Ti-Ti of the prototype is 4.526 Å; its edge is stretched to 12.08 Å.
    stretched = 4.526 * EDGE / LATP.pseudo_cubic(1).ions.cell.lengths()[0]
    np.testing.assert_allclose(nearest_distances(crystal(1, 1), "Ti"), stretched, atol=2e-3)
    atoms = sandwich(2, 4, 30.0, rng)
    by_domain = nearest_by_domain(atoms, find_domains(atoms, LATP), "Ti")
    assert by_domain["grain"][0] == pytest.approx(stretched, abs=0.1)
    # Random points of density n: the mean nearest distance is 0.554 n^(-1/3) = 2.65 Å.
    assert by_domain["amorphous"][0] == pytest.approx(0.55396 * (16 / EDGE**3) ** (-1 / 3), abs=0.25)


def test_composition_by_domain_of_a_crystal_is_its_formula():
    atoms = crystal(1, 2)
    percent = composition_by_domain(atoms, find_domains(atoms, LATP))["grain"]
    assert percent["Ti"] == pytest.approx(100 * 16 / 144)


def test_structures_without_layers_are_refused():
    with pytest.raises(ConfigError, match="too few"):
        find_domains(Atoms("Li4", positions=np.eye(4, 3), cell=[5, 5, 5], pbc=True), LATP)
    tilted = crystal(1, 1)
    tilted.cell[2, 0] = 2.0
    with pytest.raises(ConfigError, match="orthogonal"):
        find_domains(tilted, LATP)
