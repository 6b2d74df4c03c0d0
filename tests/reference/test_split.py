"""The split holds out whole families, and refuses whatever would let held-out data into the fit."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.frames import FrameSet, load_set, write_set
from dopantfit.reference.manifest import MANIFEST_FILE, Split
from dopantfit.reference.similarity import STRAIN_LEVER, near_pairs, rms_displacement
from dopantfit.reference.split import LEAK_DISTANCE, fix_split, train_and_held_out

SAMPLE = Path(__file__).parents[1] / "data" / "reference" / "lamtp-sample"


def a_set(folder: Path) -> FrameSet:
    """Three families of two frames each, far apart, in ``folder``."""
    sample = load_set(SAMPLE)
    rng = np.random.default_rng(0)
    frames = []
    for family in ("relax", "md", "eos"):
        for k in range(2):
            frame = sample.frames[0].copy()
            frame.positions += rng.normal(scale=0.1, size=(len(frame), 3))
            frame.calc = SinglePointCalculator(
                frame, energy=-5e4 + rng.normal(), forces=rng.normal(size=(len(frame), 3))
            )
            frame.info.update(family=family, frame_id=f"{family}-{k}", origin=f"run of {family}")
            frames.append(frame)
    return write_set(folder, frames, sample.manifest)


def names(frames: tuple[Atoms, ...]) -> list[str]:
    return [frame.info["frame_id"] for frame in frames]


def test_families_are_held_out_whole_and_the_manifest_remembers(tmp_path: Path) -> None:
    a_set(tmp_path)
    fix_split(tmp_path, ["md"], "other temperature")
    again = load_set(tmp_path)
    assert again.manifest.split == Split(held_out_families=("md",), reason="other temperature")
    train, held_out = train_and_held_out(again)
    assert names(train) == ["relax-0", "relax-1", "eos-0", "eos-1"]
    assert names(held_out) == ["md-0", "md-1"]


def test_without_a_split_everything_is_for_training(tmp_path: Path) -> None:
    train, held_out = train_and_held_out(a_set(tmp_path))
    assert len(train) == 6 and held_out == ()


@pytest.mark.parametrize(
    ("held_out", "words"),
    [
        (["dm"], "no frame is of the held-out family 'dm'; there are relax, md, eos"),
        (["md", "md"], "'md' is named twice"),
        (["relax", "md", "eos"], "every family is held out"),
    ],
)
def test_a_split_that_cannot_be_is_refused(tmp_path: Path, held_out: list[str], words: str) -> None:
    a_set(tmp_path)
    before = (tmp_path / MANIFEST_FILE).read_bytes()
    with pytest.raises(ReferenceDataError, match=words):
        fix_split(tmp_path, held_out, "")
    assert (tmp_path / MANIFEST_FILE).read_bytes() == before


def test_a_split_without_a_reason_is_refused_and_not_written(tmp_path: Path) -> None:
    a_set(tmp_path)
    with pytest.raises(ReferenceDataError, match="the split has no reason"):
        fix_split(tmp_path, ["md"], " ")
    assert load_set(tmp_path).manifest.split.held_out_families == ()


def test_a_near_copy_on_the_other_side_is_a_leak(tmp_path: Path) -> None:
    frames = list(a_set(tmp_path).frames)
    # 0.01 Å in each component is 0.017 Å per ion; half a cell of rigid shift leaves images undecided.
    rattle = np.random.default_rng(1).normal(scale=0.01, size=frames[0].positions.shape)
    frames[2].positions = frames[0].positions + rattle + frames[0].cell.sum(axis=0) / 2
    write_set(tmp_path, frames, load_set(tmp_path).manifest)
    with pytest.raises(ReferenceDataError, match=r"relax-0 \(relax\) and md-0 \(md\) are only 0.01[67] Å"):
        fix_split(tmp_path, ["md"], "")
    fix_split(tmp_path, ["md", "relax"], "both of one trajectory")


def test_one_origin_on_both_sides_is_a_leak(tmp_path: Path) -> None:
    frames = list(a_set(tmp_path).frames)
    frames[2].info["origin"] = frames[0].info["origin"]
    write_set(tmp_path, frames, load_set(tmp_path).manifest)
    with pytest.raises(ReferenceDataError, match="origin 'run of relax' are held out"):
        fix_split(tmp_path, ["md"], "")


def test_distance_ignores_translations_and_images_and_counts_the_rest() -> None:
    one = load_set(SAMPLE).frames[0]
    other = one.copy()
    other.positions += [0.7, -2.0, 11.0]
    other.positions[3] += one.cell[0] - 2 * one.cell[2]
    # Rounding of positions of 10 Å, and of the circular mean.
    assert rms_displacement(one, other) < 1e-12
    other.positions[5] += [0.0, 0.0, 0.5]
    n = len(one)
    expected = 0.5 * np.sqrt((1 - 1 / n) / n)  # the mean displacement 0.5/n is a translation
    assert rms_displacement(one, other) == pytest.approx(expected, rel=1e-9)
    strained = one.copy()
    strained.set_cell(one.cell * 1.01, scale_atoms=True)
    # A strain of 1 % along three axes.
    assert rms_displacement(one, strained) == pytest.approx(STRAIN_LEVER * 0.01 * np.sqrt(3), rel=1e-9)
    assert rms_displacement(one, load_set(SAMPLE).frames[2]) == np.inf


def test_near_pairs_are_those_of_the_pairwise_distance(tmp_path: Path) -> None:
    frames = [*a_set(tmp_path).frames, *load_set(SAMPLE).frames]
    limit = 0.2
    pairs = {(i, j) for i, j, _ in near_pairs(frames, limit)}
    n = len(frames)
    expected = {(i, j) for i in range(n) for j in range(i + 1, n) if rms_displacement(frames[i], frames[j]) < limit}
    assert pairs == expected and 0 < len(pairs) < n * (n - 1) / 2
    assert near_pairs(frames, LEAK_DISTANCE)  # the two steps of the relaxation are 0.016 Å apart
