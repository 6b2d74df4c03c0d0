"""Configurations where a dopant lives: exchanged with cations, on places of mobile ions, in a glass."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from dopantfit.errors import ConfigError, ReferenceDataError
from dopantfit.reference.environments import exchanged_pairs, in_channel, with_exchange
from dopantfit.reference.frames import load_set
from dopantfit.reference.generate import configurations
from dopantfit.reference.glass import placed_glass, require_polyanions
from dopantfit.reference.plan import Glass, load_plan
from dopantfit.reference.run import run_set
from dopantfit.structures import load_host
from dopantfit.structures.hosts.model import Polyanion
from dopantfit.structures.prototypes import crystal
from dopantfit.workflow.progress import WorkProgress

CHARGES = {"Li": 1, "Mg": 2, "Al": 3, "Ti": 4, "P": 5, "O": -2}


def test_an_exchange_changes_two_places_and_nothing_else() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[0] = "Au"
    ((one, other),) = exchanged_pairs(atoms, "Au", "Cu", 1, np.random.default_rng(0))
    swapped = with_exchange(atoms, one, other)
    assert (swapped.numbers == atoms.numbers).all()
    np.testing.assert_array_equal(swapped.positions[one], atoms.positions[other])
    np.testing.assert_array_equal(np.sort(swapped.positions, axis=0), np.sort(atoms.positions, axis=0))
    with pytest.raises(ConfigError, match="the cell has 3 pairs of them"):
        exchanged_pairs(atoms, "Au", "Cu", 4, np.random.default_rng(0))


def test_exchanges_are_relaxed_and_only_their_ends_join_the_set(tmp_path: Path) -> None:
    folder = tmp_path / "alloy"
    folder.mkdir()
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.symbols[0], atoms.symbols[3] = "Au", "Al"
    atoms.rattle(0.03, seed=2)
    write(folder / "a.xyz", atoms, format="extxyz")
    (folder / "plan.toml").write_text("""
set = "alloy"
purpose = "a test"
calculator = { make = "ase.calculators.emt:EMT" }
[[configurations]]
kind = "exchange"
name = "x"
start = { file = "a.xyz" }
dopant = "Au"
partners = ["Al"]
force_tolerance = 0.3
""")
    run_set(folder, work=tmp_path / "work")
    frames = load_set(folder).frames
    chains = {name: [f for f in frames if f.info["frame_id"].startswith(f"x-{name}-")] for name in ("start", "Al0")}
    assert len(frames) == 4
    for first, last in chains.values():
        assert first.info["frame_id"].endswith("-000") and last.info["origin"].startswith("step ")
        assert np.abs(last.get_forces()).max() <= 0.3
        assert last.get_potential_energy() < first.get_potential_energy()
    assert {frame.info["composition"] for frame in frames} == {frames[0].info["composition"]}
    assert {frame.info["family"] for frame in frames} == {"x"}
    assert "Au 0 and Al 3" in chains["Al0"][0].info["origin"]


def test_a_dopant_in_a_channel_leaves_the_cell_neutral() -> None:
    cell = crystal("LiTi2P3O12").ions
    found = in_channel(cell, "Mg", 2, "Li", 1, np.random.default_rng(1))
    assert sum(CHARGES[symbol] for symbol in found.symbols) == 0
    counts = [list(one.symbols).count("Li") for one in (cell, found)]
    assert counts[1] == counts[0] - 2
    with pytest.raises(ConfigError, match="takes 2 places of Li, but the cell has 1"):
        in_channel(Atoms("LiO", cell=[9, 9, 9], pbc=True), "Mg", 2, "Li", 1, np.random.default_rng(1))


def test_a_glass_is_placed_neutral_whole_and_apart() -> None:
    unit = load_host("latp").polyanion
    glass = placed_glass({"Li": 5, "Mg": 1, "Ti": 2, "Al": 1}, unit, 6, CHARGES, np.random.default_rng(3))
    assert sum(CHARGES[symbol] for symbol in glass.symbols) == 0 and len(glass) == 39
    require_polyanions(glass, unit, "here")
    distances = glass.get_all_distances(mic=True)
    ligands = np.array(glass.symbols) == "O"
    among = distances[np.ix_(ligands, ligands)]
    # Within a PO4 of bonds of 1.53 Å they are 1.53·√(8/3) = 2.50 Å apart.
    assert among[among > 0].min() >= 2.2
    with pytest.raises(ConfigError, match=r"have the charge \+1 e"):
        placed_glass({"Li": 6, "Mg": 1, "Ti": 2, "Al": 1}, unit, 6, CHARGES, np.random.default_rng(3))


def test_a_glass_that_lost_a_polyanion_is_refused() -> None:
    unit = load_host("latp").polyanion
    glass = placed_glass({"Li": 3}, unit, 1, CHARGES, np.random.default_rng(3))
    oxygen = next(i for i, symbol in enumerate(glass.symbols) if symbol == "O")
    glass.positions[oxygen] += [0.0, 0.0, 2.5]
    with pytest.raises(ReferenceDataError, match="the glass lost 1 PO4"):
        require_polyanions(glass, unit, "here")


GLASS = """
set = "glass"
purpose = "a test"
[[configurations]]
kind = "glass"
name = "lost"
units = 1
cations = { Li = 3 }
potential = "latp-mg-2022"
seed = 7
"""


class Told:
    """Keeps the lines that it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def show(self, work: str, progress: WorkProgress) -> None:
        """Take no note."""

    def say(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


def glasses(folder: Path, monkeypatch: pytest.MonkeyPatch, lost: int) -> list[Atoms]:
    """The configurations of a glass whose first melts lose a PO4 each."""
    unit, melts = load_host("latp").polyanion, []

    def melted(item: Glass, unit: Polyanion, folder: Path, work: Path, rng: np.random.Generator) -> list[Atoms]:
        work.mkdir(parents=True)
        melts.append(item.seed)
        glass = placed_glass({"Li": 3}, unit, 1, CHARGES, rng)
        if len(melts) <= lost:
            glass.positions[next(i for i, symbol in enumerate(glass.symbols) if symbol == "O")] += [0.0, 0.0, 2.5]
        return [glass]

    monkeypatch.setattr("dopantfit.reference.glass.quenched", melted)
    (folder / "plan.toml").write_text(GLASS)
    observer = Told()
    made = configurations(load_plan(folder), folder, {}, folder / "work", observer=observer)
    assert observer.lines == (["lost: a glass of 1 PO4 is melted and cooled"] if melts else [])
    require_polyanions(made.configurations[0].atoms, unit, "here")
    return [one.atoms for one in made.configurations]


def test_a_melt_that_cost_a_polyanion_is_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (glass,) = glasses(tmp_path, monkeypatch, lost=1)
    assert glass.info["origin"].endswith("latp-mg-2022, seed 1007")
    (kept,) = glasses(tmp_path, monkeypatch, lost=9)  # which is not melted again
    assert kept.info == glass.info and np.allclose(kept.positions, glass.positions)


def test_melts_that_all_cost_a_polyanion_are_refused_with_their_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReferenceDataError, match=r"lost: the glass lost 1 PO4 .* cooler, .* \(4 seeds were tried\)"):
        glasses(tmp_path, monkeypatch, lost=9)


@pytest.mark.slow
def test_a_glass_is_melted_quenched_and_kept(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("""
set = "glass"
purpose = "a test"
[[configurations]]
kind = "glass"
name = "g"
units = 3
cations = { Li = 3, Mg = 1, Ti = 1 }
potential = "latp-mg-2022"
duration = 0.4
snapshots = 2
[[configurations]]
kind = "channel"
name = "c"
start = { prototype = "LiTi2P3O12" }
dopant = "Mg"
formal_charge = 2
mobile = "Li"
configurations = 2
potential = "latp-mg-2022"
temperature = 300.0
duration = 0.1
""")
    plan = load_plan(tmp_path)
    made = configurations(plan, tmp_path, {}, tmp_path / "work").configurations
    assert [one.frame_id for one in made] == ["g-00", "g-01", "c-00", "c-01"]
    # 13 Å³ per ion, as asked for.
    assert made[0].atoms.cell.volume / len(made[0].atoms) == pytest.approx(13.0)
    again = configurations(plan, tmp_path, {}, tmp_path / "work").configurations
    for one, other in zip(made, again, strict=True):
        np.testing.assert_array_equal(one.atoms.positions, other.atoms.positions)
