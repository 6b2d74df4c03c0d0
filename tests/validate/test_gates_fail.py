"""The gates of the host, of a hot run and of the ion dynamics fail on made-up data that a physicist would refuse.

Each gate is the whole gate; only what LAMMPS and the relaxation would have left is made up, and nothing is drawn.
"""

import csv
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from dopantfit.lammps import DynamicsResult
from dopantfit.transport import Trajectory
from dopantfit.validate import host, mobility, stability
from dopantfit.validate.host import RelaxedCells
from dopantfit.validate.subject import load_subject

FITS = Path(__file__).parents[2] / "fits"
HOP = 3.5  # Å


@pytest.fixture(scope="module")
def subject():
    return load_subject(FITS / "Mg", "latp-mg-2022", "quick")


@pytest.fixture
def rng():
    return np.random.default_rng(2022)


def failed(gate):
    names = {check.name for check in gate.checks if not check.passed}
    assert gate.passed == (not names)
    return names


def value_of(gate, name):
    (check,) = (one for one in gate.checks if one.name == name)
    return check.value


# --- d: the host ------------------------------------------------------------------------------------
#: Relaxed over measured lengths a and c: somewhat wide, as the published host.
RELAXED = (1.010, 1.001)
#: Expansion of a and c of the order measured [10⁻⁶/K].
EXPANSION = (5.0, 30.0)


@pytest.fixture
def host_gate(subject, work, rng, monkeypatch):
    """Judge relaxed cells (a and c over measured), expansions of a and c [10⁻⁶/K], bonds `longer` than wanted [Å]."""

    def judge(first=RELAXED, last=RELAXED, expansion=EXPANSION, longer=()):
        cells = [
            relaxed(one, *factors, number, rng)
            for number, (one, factors) in enumerate(zip(subject.measured_cells, (first, last), strict=True))
        ]
        peaks = subject.host.first_peaks
        bonds = {pair: length + dict(longer).get("-".join(pair), 0.0) for pair, length in peaks.items()}
        hot = tuple(1.0 + 1e-6 * one * np.ptp(host.TEMPERATURES) for one in expansion)
        runs = [vibrating(bonds, *factors, rng) for factors in ((1.0, 1.0), hot)]
        monkeypatch.setattr(host, "_relaxed_cells", lambda *_: (cells, None))
        monkeypatch.setattr(host, "_run", lambda _subject, _work, _rest, number: runs[number])
        monkeypatch.setattr(host, "_draw", lambda *_: "host.png")
        return host.host_crystal(subject, work)

    return judge


def relaxed(measured, a, c, number, rng):
    """Hexagonal cells at `a` and `c` times what was measured; arrangements of partners differ by 0.1 %."""
    arrangements = 4 if number else 1
    scatter = 1.0 + 1e-3 * rng.normal(size=(arrangements, 2)) * (number > 0)
    lengths = scatter * (a * measured.a, c * measured.c)
    return RelaxedCells(measured, np.column_stack([lengths, 0.75**0.5 * lengths[:, 0] ** 2 * lengths[:, 1]]))


def vibrating(bonds, a, c, rng, n_frames=200):
    """Pairs of ions at these distances [Å], far from all others, in a hexagonal cell stretched by a and c."""
    cell = np.array([[28.0, 0.0, 0.0], [-14.0, 28.0 * 0.75**0.5, 0.0], [0.0, 0.0, 28.0]]) * [[a], [a], [c]]
    grid = np.array(list(product(range(4), repeat=3))) / 4.0
    pairs = [pair for pair in bonds for _ in range(len(grid) // len(bonds))]
    axes = rng.normal(size=(len(pairs), 3))
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    lengths = np.array([bonds[pair] for pair in pairs]) + rng.normal(0.0, 0.05, (n_frames, len(pairs)))
    centres = np.broadcast_to(grid[: len(pairs)] @ cell, (n_frames, len(pairs), 3))
    positions = np.concatenate([centres, centres + lengths[:, :, None] * axes], axis=1)
    # The box breathes by 0.1 %, as small ones do.
    cells = cell * (1.0 + 1e-3 * rng.normal(size=(n_frames, 3, 1)))
    return Trajectory.from_arrays(positions, [one for one, _ in pairs] + [other for _, other in pairs], cells, 0.1)


def test_a_host_that_is_as_measured_within_the_errors_of_its_kind_passes(host_gate, subject):
    gate = host_gate()
    assert failed(gate) == set()
    # Two lengths of each composition, the trend, the peaks, and two of expansion.
    assert len(gate.checks) == 2 * 2 + 1 + len(subject.host.peaks) + 2
    assert value_of(gate, "a at x = 0") == pytest.approx(1.0, abs=1e-9)
    assert value_of(gate, "c at x = 0") == pytest.approx(0.1, abs=1e-9)


@pytest.mark.parametrize(
    ("factors", "axis"), [((1.05, 1.0), "a"), ((0.95, 1.0), "a"), ((1.01, 1.05), "c"), ((1.01, 0.95), "c")]
)
def test_relaxed_cells_five_percent_off_fail_on_that_axis(host_gate, factors, axis):
    gate = host_gate(factors, factors)
    assert failed(gate) == {f"{axis} at x = 0", f"{axis} at x = 1/2"}


def test_one_composition_that_is_off_fails_beside_one_that_is_not(host_gate):
    # c longer by 2.5 % and a shorter by half of that: the volume, and so the trend, stays.
    assert failed(host_gate(last=(RELAXED[0] / 1.025**0.5, RELAXED[1] * 1.025))) == {"c at x = 1/2"}


@pytest.mark.parametrize("growth", [1.0048, 1.003, 0.992], ids=["reversed", "flat", "four times as steep"])
def test_a_volume_that_does_not_shrink_with_x_as_measured_fails(host_gate, growth):
    gate, name = host_gate(last=tuple(growth * one for one in RELAXED)), "volume from x = 0 to 1/2"
    assert failed(gate) == {name}
    # Measured is -0.71 %. Lengths scatter by 0.1 %, volumes by 0.22 %, the mean of four by 0.11 %; three of these.
    assert value_of(gate, name) == pytest.approx(100.0 * (0.99286 * growth**3 - 1.0), abs=0.34)


@pytest.mark.parametrize(
    ("pair", "longer", "passes"),
    [
        *((pair, longer, False) for pair in ("Ti-O", "Al-O", "P-O") for longer in (-0.15, 0.15)),
        ("Ti-O", 0.04, True),
        ("Li-O", 0.15, True),
        ("Li-O", -0.35, False),
        ("Li-O", 0.35, False),
    ],
)
def test_a_first_peak_out_of_place_fails_and_that_of_mobile_ions_has_more_room(host_gate, pair, longer, passes):
    gate, name = host_gate(longer={pair: longer}), f"{pair} first peak at 300 K"
    assert failed(gate) == (set() if passes else {name})
    # 3200 distances that spread by 0.05 Å, in bins of that width.
    assert value_of(gate, name) == pytest.approx(longer, abs=0.015)


@pytest.mark.parametrize(
    ("expansion", "wrong"),
    [
        ((5.0, 30.0), set()),
        ((-3.0, 30.0), set()),
        ((30.0, 5.0), {"expansion of c less that of a"}),
        ((-60.0, -30.0), {"expansion of c"}),
        ((5.0, 130.0), {"expansion of c"}),
        ((30.0, -30.0), {"expansion of c", "expansion of c less that of a"}),
    ],
)
def test_c_expands_by_its_order_of_magnitude_and_more_than_a(host_gate, expansion, wrong):
    gate = host_gate(expansion=expansion)
    assert failed(gate) == wrong
    # Lengths that breathe by 0.1 % in 200 frames at both ends of 600 K: 0.17 × 10⁻⁶/K; four of these, for two axes.
    assert value_of(gate, "expansion of c") == pytest.approx(expansion[1], abs=0.7)
    assert value_of(gate, "expansion of c less that of a") == pytest.approx(expansion[1] - expansion[0], abs=0.9)


# --- e: a hot run -----------------------------------------------------------------------------------
@pytest.fixture
def stability_gate(subject, work, rng, monkeypatch, tmp_path):
    """Judge runs whose energy drifts by `drift` [meV/atom/ps], and whose shells reach `shells` [Å] (hot, free)."""

    def left(crystal, drift, shells, folder):
        """What a run of 3 ps would have left."""
        folder.mkdir()
        path, times = folder / "trajectory.extxyz", np.arange(0.0, 3.0, 0.02)
        for number in range(4):
            frame = crystal.copy()
            frame.positions += rng.normal(0.0, 0.05, frame.positions.shape)
            frame.info = {"time": 0.1 * number}
            frame.write(path, append=True)
        # The finite time step makes the energy swing by 0.1 meV/atom.
        energies = 1e-3 * len(crystal) * (drift * times + 0.1 * rng.normal(size=times.size)) - 7.0 * len(crystal)
        with (folder / "thermo.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["time_ps", "temperature_K", "density_g_cm3", "core_shell_A", "total_eV"])
            table.writerows([time, 1400.0, 2.9, shells, energy] for time, energy in zip(times, energies, strict=True))
        return DynamicsResult(crystal, crystal.positions, path, path, folder / "thermo.csv", path, shells)

    def judge(drift=0.0, shells=(0.2, 0.2)):
        def run(crystal, _potential, settings, _work, share, start=None):
            # The hot run has a thermostat: its energy may go anywhere.
            free = settings.ensemble == "nve"
            return left(crystal, drift if free else 50.0, shells[free], tmp_path / share.name)

        monkeypatch.setattr(stability, "at_rest", lambda crystal, *_: crystal)
        monkeypatch.setattr(stability, "run", run)
        monkeypatch.setattr(stability, "_draw", lambda *_: "stability.png")
        return stability.stability(subject, work)

    return judge


@pytest.mark.parametrize(("drift", "passes"), [(0.0, True), (0.05, True), (-0.05, True), (0.2, False), (-0.2, False)])
def test_an_energy_that_drifts_at_constant_energy_fails(stability_gate, drift, passes):
    gate, name = stability_gate(drift), "drift at constant energy"
    assert failed(gate) == (set() if passes else {name})
    # 150 rows that scatter by 0.1 meV/atom over 3 ps: 0.0094 meV/atom/ps; three of these.
    assert value_of(gate, name) == pytest.approx(drift, abs=0.03)


@pytest.mark.parametrize("shells", [(0.7, 0.2), (0.2, 0.7)])
def test_a_shell_that_leaves_its_ion_in_either_run_fails(stability_gate, shells):
    assert failed(stability_gate(shells=shells)) == {"largest core-shell distance"}


# --- g: ion dynamics --------------------------------------------------------------------------------
#: Ions of the made-up crystal.
IONS = {"Li": 12, "Ti": 8, "Mg": 2, "O": 48}
N_FRAMES = 250


@pytest.fixture
def mobility_gate(subject, work, monkeypatch):
    """Judge displacements from the sites [Å], by species, in frames `interval` [ps] apart."""

    def judge(moved, rng, interval=0.1):
        labels = [name for name, number in IONS.items() for _ in range(number)]
        sites = 4.0 * np.array(list(product(range(5), repeat=3)))[: len(labels)]
        # Vibrations of 0.15 Å make an MSD of 6 × 0.15² = 0.14 Å².
        positions = sites + rng.normal(0.0, 0.15, (N_FRAMES, len(labels), 3))
        for name, steps in moved.items():
            positions[:, [i for i, one in enumerate(labels) if one == name]] += steps
        run = Trajectory.from_arrays(positions, labels, 20.0 * np.eye(3), interval)
        monkeypatch.setattr(mobility, "_run", lambda *_: run)
        monkeypatch.setattr(mobility, "_draw", lambda *_: "mobility.png")
        return mobility.mobility(subject, work)

    return judge


def walking(rng, species, chance=0.01):
    """Ions that hop by 3.5 Å along x, y or z with this chance in each frame."""
    shape = (N_FRAMES, IONS[species])
    steps = HOP * np.eye(3)[rng.integers(3, size=shape)] * rng.choice([-1.0, 1.0], size=(*shape, 1))
    return np.cumsum(steps * (rng.random((*shape, 1)) < chance), axis=0)


def hopping_once(species, number):
    """The first `number` ions hop by 3.5 Å half-way through the run."""
    steps = np.zeros((N_FRAMES, IONS[species], 3))
    steps[N_FRAMES // 2 :, :number, 0] = HOP
    return steps


def framework(species):
    """Checks that a species is held to as part of the framework."""
    return {f"MSD of {species} at 70 % of the run", f"{species} that left their site"}


def test_walking_lithium_in_a_framework_that_vibrates_passes(mobility_gate, rng):
    gate = mobility_gate({"Li": walking(rng, "Li")}, rng)
    assert failed(gate) == set()
    assert {check.name for check in gate.checks} == {
        "Li that changed site",
        "D* of Li",
        *(name for species in ("Ti", "Mg", "O") for name in framework(species)),
    }
    # 0.01 hops in 0.1 ps: 0.1/ps × 3.5² Å² / 6 = 0.204 Å²/ps. Thirty hops are known to 18 %; three of these.
    assert value_of(gate, "D* of Li") == pytest.approx(2.04e-5, rel=0.55)
    # Vibrations only; the centre of 58 ions has 2 % of their square itself.
    assert value_of(gate, "MSD of O at 70 % of the run") == pytest.approx(0.135, rel=0.1)


@pytest.mark.parametrize("species", ["Ti", "Mg"])
def test_a_framework_ion_that_hops_beside_lithium_that_stands_still_fails(mobility_gate, rng, species):
    gate = mobility_gate({species: hopping_once(species, 1)}, rng)
    assert failed(gate) == {"Li that changed site", *framework(species)}
    assert value_of(gate, "Li that changed site") == 0


@pytest.mark.parametrize("species", ["Ti", "Mg", "O"])
def test_a_framework_ion_that_hops_beside_walking_lithium_fails(mobility_gate, rng, species):
    # In the mean square one of 48 anions is lost in the vibrations; six are not.
    number = 6 if species == "O" else 1
    gate = mobility_gate({"Li": walking(rng, "Li"), species: hopping_once(species, number)}, rng)
    assert failed(gate) == framework(species)
    # Seen from every origin: the whole of the hop's square is shared by the ions of its kind.
    expected = 0.135 + number * HOP**2 / IONS[species]
    assert value_of(gate, f"MSD of {species} at 70 % of the run") == pytest.approx(expected, rel=0.15)


def test_one_anion_that_leaves_its_site_fails_though_the_mean_square_hides_it(mobility_gate, rng):
    gate = mobility_gate({"Li": walking(rng, "Li"), "O": hopping_once("O", 1)}, rng)
    assert failed(gate) == {"O that left their site"}


def test_a_bound_below_the_least_that_conducts_fails(mobility_gate, rng):
    gate = mobility_gate({"Li": hopping_once("Li", 4)}, rng, interval=1000.0)
    assert failed(gate) == {"upper bound of D* of Li"}


@pytest.mark.parametrize(("number", "passes"), [(3, False), (4, True)])
def test_three_hops_may_be_chance_and_four_are_not(mobility_gate, rng, number, passes):
    gate = mobility_gate({"Li": hopping_once("Li", number)}, rng)
    assert value_of(gate, "Li that changed site") == number
    assert failed(gate) == (set() if passes else {"Li that changed site"})


@pytest.mark.parametrize("interval", [0.005, 100.0], ids=["melt", "glass"])
def test_the_same_walk_in_far_shorter_or_longer_time_fails(mobility_gate, rng, interval):
    gate = mobility_gate({"Li": walking(rng, "Li")}, rng, interval)
    assert failed(gate) == {"D* of Li"}
    assert value_of(gate, "D* of Li") == pytest.approx(2.04e-5 * 0.1 / interval, rel=0.55)
