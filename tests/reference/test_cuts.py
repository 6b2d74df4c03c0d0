"""Cells cut from a boundary around a dopant, and their seams."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from dopantfit.errors import CollapseError, ConfigError, ReferenceDataError
from dopantfit.potential import Potential
from dopantfit.reference.cuts import CutBoundary, first_shell
from dopantfit.reference.generate import configurations
from dopantfit.reference.glass import APART, placed_glass, require_polyanions
from dopantfit.reference.plan import BoundaryCuts, load_plan
from dopantfit.reference.seam import closed, healed_cuts
from dopantfit.structures import load_host
from dopantfit.structures.polyanions import polyanion_of

HOST = load_host("latp")
POTENTIAL = Potential.load("latp-mg-2022")
CHARGES = {label: one.formal_charge for label, one in POTENTIAL.species.items()}


@pytest.fixture(scope="module")
def glass() -> Atoms:
    """A sparse cubic cell of 24 PO4 and cations, 15 Å wide, as a boundary to cut from."""
    cations = {"Li": 22, "Mg": 4, "Al": 6, "Ti": 6}
    return placed_glass(cations, HOST.polyanion, 24, CHARGES, np.random.default_rng(5))


def item(**changed: Any) -> BoundaryCuts:
    given = {"kind": "boundary", "name": "cut", "boundary": "b.extxyz", "dopant": "Mg", "cuts": 2, "ions": 45}
    return BoundaryCuts.model_validate(given | {"potential": "latp-mg-2022"} | changed)


def boundary(atoms: Atoms, **changed: Any) -> CutBoundary:
    return CutBoundary(item(**changed), atoms, HOST, POTENTIAL)


def taken(found: CutBoundary, count: int) -> list[Any]:
    cuts = found.cuts(np.random.default_rng(1))
    return [next(cuts) for _ in range(count)]


def kind(symbol: str) -> str:
    return {"P": "centre", "O": "ligand"}.get(symbol, "cation")


def test_a_closed_cut_is_neutral_and_its_polyanions_are_whole(glass: Atoms) -> None:
    for cut in taken(boundary(glass), 4):
        atoms, around = closed(cut, HOST)
        assert sum(CHARGES[symbol] for symbol in atoms.symbols) == 0
        require_polyanions(atoms, HOST.polyanion, "here")
        assert atoms.symbols[around] == "Mg"
        assert abs(len(atoms) - 45) <= 4.5


def test_the_first_shell_of_its_dopant_is_that_of_the_boundary(glass: Atoms) -> None:
    for cut in taken(boundary(glass), 4):
        atoms, around = closed(cut, HOST)
        ligands, shell = first_shell(glass, cut.ion, HOST)
        _, here = first_shell(atoms, around, HOST)
        # The seam may bring a ligand more, no nearer than ions are placed; none is lost.
        assert here.coordination >= shell.coordination == len(ligands) == cut.shell.coordination
        there = np.sort(glass.get_distances(cut.ion, ligands, mic=True))
        every = np.sort(atoms.get_distances(around, np.flatnonzero(atoms.symbols == "O"), mic=True))
        assert all(np.abs(every - distance).min() < 1e-9 for distance in there)


def test_across_the_seam_ions_are_as_far_apart_as_ions_that_are_placed(glass: Atoms) -> None:
    for cut in taken(boundary(glass), 3):
        atoms, _ = closed(cut, HOST)
        distances = atoms.get_all_distances(mic=True)
        owner, _ = polyanion_of(atoms, HOST.polyanion)
        unit = np.where(owner >= 0, owner, np.arange(len(atoms)))
        for i in range(len(atoms)):
            for j in range(i):
                if unit[i] != unit[j]:
                    assert distances[i, j] >= APART[frozenset({kind(atoms.symbols[i]), kind(atoms.symbols[j])})] - 1e-9


def test_the_charge_is_balanced_by_mobile_ions_alone(glass: Atoms) -> None:
    cut = taken(boundary(glass), 1)[0]
    atoms, _ = closed(cut, HOST)
    for label in ("Mg", "Al", "Ti", "P", "O"):
        assert list(atoms.symbols).count(label) == cut.labels.count(label)
    assert list(atoms.symbols).count("Li") == cut.labels.count("Li") + cut.more


def test_a_polyanion_that_lost_a_ligand_gets_it_back(glass: Atoms) -> None:
    owner, _ = polyanion_of(glass, HOST.polyanion)
    broken = glass.copy()
    for centre in np.flatnonzero(glass.symbols == "P"):
        # One ligand of every PO4 far from it, where it belongs to none.
        broken.positions[np.flatnonzero(owner == centre)[0]] = [0.0, 0.0, 0.0]
    loose = broken[[i for i in range(len(glass)) if not np.allclose(broken.positions[i], 0.0)]]
    cut = taken(boundary(loose), 1)[0]
    atoms, _ = closed(cut, HOST)
    assert cut.mended == list(atoms.symbols).count("P") > 0
    require_polyanions(atoms, HOST.polyanion, "here")
    owner, _ = polyanion_of(atoms, HOST.polyanion)
    bonds = [atoms.get_distance(i, owner[i], mic=True) for i in np.flatnonzero(owner >= 0)]
    # The three that are left are placed 1.53 Å away, the fourth as well.
    np.testing.assert_allclose(bonds, HOST.polyanion.bond, atol=1e-9)


def test_a_cut_across_the_interface_holds_polyanions_of_both_sides(glass: Atoms) -> None:
    order = np.argsort(glass.positions[:, 2], kind="stable")
    owner, _ = polyanion_of(glass, HOST.polyanion)
    low = {i for i in order if glass.positions[i if owner[i] < 0 else owner[i], 2] < 0.5 * glass.cell[2, 2]}
    two = glass[[i for i in range(len(glass)) if i in low] + [i for i in range(len(glass)) if i not in low]]
    two.info["grain_ions"] = len(low)
    shares = {}
    for place in ("interface", "grain", "glass"):
        found = boundary(two, place=place, ions=35)
        cut = taken(found, 1)[0]
        # The middle of the box is the origin of the cut, the ion's height says where it is in the boundary.
        height = two.positions[cut.ion, 2] - cut.positions[cut.around, 2]
        centres = [p[2] for p, label in zip(cut.positions, cut.labels, strict=True) if label == "P"]
        at = (np.array(centres) + height) % two.cell[2, 2]
        shares[place] = float(np.mean(at < 0.5 * two.cell[2, 2]))
    assert shares["glass"] < 0.2 <= shares["interface"] <= 0.8 < shares["grain"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"dopant": "Ga"}, "holds no Ga, it has Al, Li, Mg, O, P, Ti; give a doped one"),
        ({"potential": "latp-2021"}, "has no Mg; name another"),
        ({"ions": 200}, r"a box of 200 ions is 15\.\d Å wide, .* ask for \d+ ions at most"),
        ({"place": "interface"}, "does not say how many of its ions were grain"),
    ],
)
def test_a_boundary_that_cannot_be_cut_so_is_told_why(glass: Atoms, changed: dict[str, Any], told: str) -> None:
    potential = Potential.load(str(changed.get("potential", "latp-mg-2022")))
    with pytest.raises(ConfigError, match=told):
        CutBoundary(item(**changed), glass, HOST, potential)


def test_a_tilted_boundary_is_refused(glass: Atoms) -> None:
    tilted = glass.copy()
    tilted.cell[2, 0] = 1.0
    with pytest.raises(ConfigError, match="is not orthogonal along x, y and z"):
        boundary(tilted)


def test_what_is_lost_while_its_seam_heals_is_drawn_anew(
    glass: Atoms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose = {"cut-00"}

    def run(atoms: Atoms, *given: Any) -> list[Atoms]:
        if given[5].parent.name in lose:
            raise CollapseError("Mg came too close to P")
        return [atoms]

    monkeypatch.setattr("dopantfit.lammps.snapshots.md_snapshots", run)
    made = healed_cuts(boundary(glass), tmp_path, np.random.default_rng(1))
    assert len(made) == 2 and "first shell" in made[0].said
    lose |= {f"cut-{number:02d}" for number in range(20)}
    with pytest.raises(ReferenceDataError, match=r"7 cuts were lost .* the last: Mg came too close to P"):
        healed_cuts(boundary(glass), tmp_path, np.random.default_rng(1))


@pytest.mark.slow
def test_a_plan_makes_cuts_once_and_says_what_they_are(glass: Atoms, tmp_path: Path) -> None:
    write(tmp_path / "b.extxyz", glass)
    (tmp_path / "plan.toml").write_text("""
set = "cuts"
purpose = "a test"
[[configurations]]
kind = "boundary"
name = "cut"
boundary = "b.extxyz"
dopant = "Mg"
cuts = 2
ions = 40
potential = "latp-mg-2022"
duration = 0.1
""")
    plan = load_plan(tmp_path)
    made = configurations(plan, tmp_path, {}, tmp_path / "work").configurations
    assert [one.frame_id for one in made] == ["cut-00", "cut-01"]
    for one in made:
        assert one.atoms.info["family"] == "cut" and "cut around Mg" in str(one.atoms.info["origin"])
        # As dense as the boundary, which is placed at 19 Å³ per ion.
        assert one.atoms.cell.volume / len(one.atoms) == pytest.approx(19.0)
        require_polyanions(one.atoms, HOST.polyanion, "here")
    again = configurations(plan, tmp_path, {}, tmp_path / "work").configurations
    for one, other in zip(made, again, strict=True):
        np.testing.assert_array_equal(one.atoms.positions, other.atoms.positions)
