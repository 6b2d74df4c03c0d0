"""The start of a boundary: composition, charge, whole phosphates, distances, size."""

import numpy as np
import pytest

from dopantfit import Potential
from dopantfit.boundary.build import amorphous
from dopantfit.boundary.build.config import BUILD_PRESETS, BuildConfig, amorphous_counts, load_build, preset_text
from dopantfit.boundary.build.health import checkup, grain_thickness
from dopantfit.boundary.build.schedule import compressed
from dopantfit.boundary.build.start import build_grain, composition, initial_boundary
from dopantfit.errors import ConfigError
from dopantfit.strict_toml import parse_strict
from dopantfit.structures import check_distances, load_host, total_formal_charge
from dopantfit.structures.polyanions import polyanion_of

HOST = Potential.load("latp-2021")
LATP = load_host()
PO4 = LATP.polyanion


@pytest.fixture(scope="module")
def config():
    return load_build("quick")


@pytest.fixture(scope="module")
def start(config):
    return initial_boundary(config, HOST, np.random.default_rng(3))


def test_the_published_boundary_has_its_ions_and_its_edges():
    """14,030 atoms and 36.24 x 36.24 x 139.28 Å within 2 %; densities are those that sintering ends at."""
    paper = load_build("paper")
    counts = amorphous_counts(paper, HOST)
    grain = build_grain(paper, np.random.default_rng(1))
    assert len(grain) + sum(counts.values()) + 4 * counts["P"] == pytest.approx(14_030, rel=0.02)
    np.testing.assert_allclose(grain.cell.lengths()[:2], 36.24, rtol=1e-12)
    # `quick` at 300 K and 1 bar, its plane held at 12.08 Å per cell: 3 cells of grain are 36.81 Å, 13.99 Å³ per ion.
    sintered = paper.grain.thickness * 36.81 / 3 + 13.99 * (sum(counts.values()) + 4 * counts["P"]) / 36.24**2
    assert sintered == pytest.approx(139.28, rel=0.02)
    # 576 formula units at x = 0.3: 173 Al and as many extra Li.
    assert composition(grain)["Al"] == 173
    assert len(grain) == 72 * 144 + 173
    # Per three phosphates: Li 1.4, Al 0.4, Ti 1.6, within the rounding of whole ions.
    amounts = {label: 3.0 * counts[label] / counts["P"] for label in ("Li", "Al", "Ti")}
    assert amounts == pytest.approx({"Li": 1.4, "Al": 0.4, "Ti": 1.6}, abs=0.02)


@pytest.mark.slow
def test_the_published_boundary_finds_place_for_every_unit():
    start = initial_boundary(load_build("paper"), HOST, np.random.default_rng(1))
    assert len(start) == pytest.approx(14_030, rel=0.02)
    assert total_formal_charge(start, LATP.charges) == 0
    check_distances(start, LATP.charges)


def test_the_published_crystal_is_the_three_fold_cell():
    """C_ref: 3 x 3 x 3 cells at x = 0.3 are 3953 ions."""
    config = load_build("paper")
    config = config.model_copy(update={"grain": config.grain.model_copy(update={"thickness": 3})})
    assert len(build_grain(config, np.random.default_rng(1))) == 3953


def test_the_start_is_neutral_with_whole_phosphates_and_no_ion_too_near(start):
    assert total_formal_charge(start, LATP.charges) == 0
    assert total_formal_charge(start[start.info["grain_ions"] :], LATP.charges) == 0
    check_distances(start, LATP.charges)
    owner, _ = polyanion_of(start, PO4)
    phosphorus = np.array(start.get_chemical_symbols()) == "P"
    np.testing.assert_array_equal(np.bincount(owner[owner >= 0], minlength=len(start))[phosphorus], 4)
    assert (owner >= 0).sum() == 4 * phosphorus.sum()


def test_ions_of_the_grain_come_first_and_no_phosphate_is_cut_by_its_faces(start, config):
    grain = start[: start.info["grain_ions"]]
    half = 0.5 * config.grain.thickness * config.edge
    symbols = np.array(grain.get_chemical_symbols())
    assert np.abs(grain.positions[symbols != "O", 2]).max() <= half + 1e-9
    # Without wrapping: every O of a face is beside its P, not a grain away.
    owner, shift = polyanion_of(start, PO4)
    bound = owner >= 0
    direct = start.positions[bound, 2] - start.positions[owner[bound], 2]
    np.testing.assert_allclose(direct, shift[bound, 2], atol=1e-9)


def test_the_same_seed_gives_the_same_boundary_and_another_seed_another(config):
    first, again, other = (initial_boundary(config, HOST, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.positions, again.positions)
    assert composition(first) == composition(other)
    assert np.abs(first.positions - other.positions).max() > 1.0


def test_a_filling_that_loses_a_unit_is_drawn_anew(config, start, monkeypatch):
    draws = []

    def unlucky(*arguments):
        labels, positions = fill(*arguments)
        draws.append(labels)
        return (labels, positions) if len(draws) == 3 else (labels[:-1], positions[:-1])

    fill = amorphous._draw
    monkeypatch.setattr(amorphous, "_draw", unlucky)
    again = initial_boundary(config, HOST, np.random.default_rng(3))
    assert len(draws) == 3 and composition(again) == composition(start)
    assert total_formal_charge(again, LATP.charges) == 0
    monkeypatch.setattr(amorphous, "_draw", lambda *arguments: (["Li"], np.zeros((1, 3))))
    with pytest.raises(ConfigError, match=r"units find no place .* best of 10 draws"):
        initial_boundary(config, HOST, np.random.default_rng(3))


def test_compression_takes_the_length_from_the_gap_and_bends_no_phosphate(start, config):
    shorter = compressed(start, 5.0, PO4)
    assert shorter.cell[2, 2] == pytest.approx(start.cell[2, 2] - 5.0)
    assert grain_thickness(shorter, PO4) == pytest.approx(grain_thickness(start, PO4))
    before, after = polyanion_of(start, PO4), polyanion_of(shorter, PO4)
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_allclose(before[1], after[1], atol=1e-9)
    # Twice half as much is the same as once: the map is linear between the faces.
    twice = compressed(compressed(start, 2.5, PO4), 2.5, PO4)
    gap = twice.get_scaled_positions() - shorter.get_scaled_positions()
    np.testing.assert_allclose((gap - np.round(gap)) @ shorter.cell.array, 0.0, atol=1e-6)
    with pytest.raises(ConfigError, match="cannot be shortened"):
        compressed(start, 100.0, PO4)


def test_check_up_of_a_start_shows_what_was_asked_for(start, config):
    found = checkup(start, HOST, LATP)
    assert found.four_coordinated == 1.0
    assert found.amorphous_volume_per_atom == pytest.approx(config.amorphous.placed_volume_per_atom)
    assert found.grain_thickness == pytest.approx(config.grain.thickness * config.edge)
    mass = sum(HOST.species[one].total_mass for one in start.get_chemical_symbols())
    assert found.mass_density == pytest.approx(mass * 1.66053907 / start.get_volume(), rel=1e-6)


@pytest.mark.parametrize("preset", BUILD_PRESETS)
def test_every_preset_is_a_valid_build_with_reasons(preset):
    config = load_build(preset)
    assert config.name == preset
    assert config.stages
    assert all(len(stage.reason) > 10 for stage in config.stages)


CATIONS = "cations = { Li = 1.4, Al = 0.4, Ti = 1.6 }"
TEXT = preset_text("tiny").replace("volume_per_atom = 15.0", f"volume_per_atom = 15.0\n{CATIONS}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Ti = 1.6", "Ti = 1.7", r"cannot be charge-balanced, expected \+9; Li = 1 would"),
        ("Ti = 1.6", "Ti = 3.0", "fewer of the highly charged"),
        ("Li = 1.4, Al = 0.4, Ti = 1.6", "Al = 3.0", "no Li to take up"),
        ("Ti = 1.6", "Ti = 1.6, Mg = 0.0", "Mg not in the potential"),
        ("thickness = 10.5", "thickness = 4.0", "gap is too thin"),
        ("thickness = 10.5", "thicknes = 10.5", "thicknes is no known key|thickness is missing"),
        ("in_plane = 1", "in_plane = 0", "in_plane = 0"),
        ('name = "compress"', 'name = "relax"', "two stages are called 'relax'"),
        ('ensemble = "npt"', 'ensemble = "npt"\ngrains = "held"', "held grains cannot follow"),
        ("volume_per_atom = 15.0", "volume_per_atom = 15.0\nplaced_volume_per_atom = 8.0", "gap is too thin"),
    ],
)
def test_what_cannot_be_built_is_one_clear_line(old, new, message):
    assert TEXT.count(old) >= 1
    with pytest.raises(ConfigError, match=message) as caught:
        config = parse_strict(BuildConfig, TEXT.replace(old, new, 1), "boundary.toml")
        initial_boundary(config, HOST, np.random.default_rng(1))
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_sizes():
    with pytest.raises(ConfigError, match="tiny, quick, night, desk, paper"):
        load_build("nowhere.toml")
