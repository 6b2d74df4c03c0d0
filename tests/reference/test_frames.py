"""Reference sets on disk: nothing is lost, nothing damaged is passed on, nothing good is overwritten."""

import os
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit.errors import ReferenceDataError
from dopantfit.reference import frames as frames_module
from dopantfit.reference.frames import (
    FRAMES_FILE,
    PENDING_FILE,
    append_frames,
    dump_frames,
    load_set,
    read_frames,
    write_set,
)
from dopantfit.reference.manifest import MANIFEST_FILE, Manifest, save_manifest


def a_manifest(**changes: object) -> Manifest:
    fields = {
        "name": "MgO-test",
        "purpose": "tests",
        "licence": "MIT",
        "code": "none",
        "code_version": "0",
        "functional": "none",
        "basis_or_cutoff": "none",
        "k_mesh": (1, 1, 1),
        "scf_tolerance": 1e-6,
        "pseudopotentials": {"Mg": "none", "O": "none"},
    }
    return Manifest(**{**fields, **changes})


def a_frame(number: int, family: str = "md") -> Atoms:
    rng = np.random.default_rng(number)
    atoms = Atoms(
        "MgOMgO",
        positions=rng.normal(size=(4, 3)),
        cell=np.eye(3) * 5 + rng.normal(size=(3, 3)) / 7,
        pbc=True,
    )
    atoms.calc = SinglePointCalculator(
        atoms, energy=rng.normal() * 1e4, forces=rng.normal(size=(4, 3)), stress=rng.normal(size=6)
    )
    atoms.info.update(
        frame_id=f"f{number}",
        family=family,
        temperature=300.0,
        strain=float(rng.normal()),
        origin=f"run {family}",
    )
    return atoms


def test_a_set_reads_back_to_the_same_floats(tmp_path: Path) -> None:
    written = [a_frame(i) for i in range(3)]
    write_set(tmp_path, written, a_manifest())
    for old, new in zip(written, load_set(tmp_path).frames, strict=True):
        # Bit for bit: repr determines a double.
        np.testing.assert_array_equal(new.positions, old.positions)
        np.testing.assert_array_equal(new.cell.array, old.cell.array)
        for key in ("energy", "forces", "stress"):
            np.testing.assert_array_equal(new.calc.results[key], old.calc.results[key])
        assert new.info == {**old.info, "composition": "Mg2O2"}


def test_labels_of_ions_survive(tmp_path: Path) -> None:
    frame = a_frame(0)
    frame.arrays["species"] = np.array(["Mg_a", "O", "Mg", "O2"])
    write_set(tmp_path, [frame], a_manifest())
    assert list(load_set(tmp_path).frames[0].arrays["species"]) == ["Mg_a", "O", "Mg", "O2"]


def test_writing_twice_gives_the_same_bytes() -> None:
    assert dump_frames([a_frame(0)]) == dump_frames([a_frame(0)])


def test_appending_adds_and_updates_the_hash(tmp_path: Path) -> None:
    write_set(tmp_path, [a_frame(0)], a_manifest())
    append_frames(tmp_path, [a_frame(1, "eos")])
    again = load_set(tmp_path)
    assert [frame.info["frame_id"] for frame in again.frames] == ["f0", "f1"]
    assert again.families == ("md", "eos")


def test_a_set_may_start_with_its_manifest_alone(tmp_path: Path) -> None:
    save_manifest(tmp_path, a_manifest())
    append_frames(tmp_path, [a_frame(0)])
    assert len(load_set(tmp_path).frames) == 1


def test_frames_that_the_manifest_does_not_know_are_not_overwritten(tmp_path: Path) -> None:
    save_manifest(tmp_path, a_manifest())
    (tmp_path / FRAMES_FILE).write_text(dump_frames([a_frame(0)]))
    with pytest.raises(ReferenceDataError, match=r"\[files\] does not name frames.extxyz"):
        append_frames(tmp_path, [a_frame(1)])


def without(key: str) -> Atoms:
    frame = a_frame(9)
    del frame.calc.results[key]
    return frame


def with_info(**info: object) -> Atoms:
    frame = a_frame(9)
    frame.info.update(info)
    return frame


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (a_frame(0), r"frame 1 \(f0\): frame 0 has the same frame_id"),
        (without("forces"), r"frame 1 \(f9\): has no forces"),
        (without("energy"), r"frame 1 \(f9\): has no energy"),
        (with_info(family="1"), "family '1' must start with a letter"),
        (with_info(family="True"), "family 'True' must start with a letter"),
        (with_info(temperature="hot"), "temperature 'hot' is not a number of kelvin"),
        (with_info(composition="MgO"), "composition 'MgO' is not that of its atoms, 'Mg2O2'"),
        (with_info(origin="12"), "origin = '12' cannot be kept"),
        (with_info(origin="two\nlines"), "cannot be kept"),
    ],
)
def test_a_bad_frame_is_refused_and_the_set_stays(tmp_path: Path, frame: Atoms, words: str) -> None:
    write_set(tmp_path, [a_frame(0)], a_manifest())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ReferenceDataError, match=words):
        append_frames(tmp_path, [frame])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_element_without_pseudopotential_is_refused(tmp_path: Path) -> None:
    frame = a_frame(0)
    frame.symbols[0] = "Ca"
    with pytest.raises(ReferenceDataError, match=r"frame 0 \(f0\) holds Ca, for which the manifest"):
        write_set(tmp_path, [frame], a_manifest())


@pytest.mark.parametrize("victim", ["manifest", "rename"])
def test_a_kill_while_appending_leaves_the_old_set_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    write_set(tmp_path, [a_frame(0)], a_manifest())

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    replace = os.replace
    with monkeypatch.context() as patch:
        if victim == "manifest":
            patch.setattr(frames_module, "save_manifest", killed)
        else:
            patch.setattr(os, "replace", lambda a, b: killed() if str(a).endswith(PENDING_FILE) else replace(a, b))
        with pytest.raises(KeyboardInterrupt):
            append_frames(tmp_path, [a_frame(1)])
    expected = ["f0"] if victim == "manifest" else ["f0", "f1"]
    assert [frame.info["frame_id"] for frame in load_set(tmp_path).frames] == expected
    append_frames(tmp_path, [a_frame(2)])
    assert [frame.info["frame_id"] for frame in load_set(tmp_path).frames] == [*expected, "f2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [FRAMES_FILE, MANIFEST_FILE]


def test_two_kills_in_a_row_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, [a_frame(0)], a_manifest())

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    replace = os.replace
    with monkeypatch.context() as patch:
        # After the manifest, before the rename of the frames ...
        patch.setattr(os, "replace", lambda a, b: killed() if str(a).endswith(PENDING_FILE) else replace(a, b))
        with pytest.raises(KeyboardInterrupt):
            append_frames(tmp_path, [a_frame(1)])
    with monkeypatch.context() as patch:
        # ... and the next time before the manifest, with other frames pending.
        patch.setattr(frames_module, "save_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            append_frames(tmp_path, [a_frame(2)])
    assert [frame.info["frame_id"] for frame in load_set(tmp_path).frames] == ["f0", "f1"]


def test_frames_changed_by_hand_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path, [a_frame(0)], a_manifest())
    path = tmp_path / FRAMES_FILE
    path.write_text(path.read_text().replace("Mg ", "Mg  ", 1))
    with pytest.raises(ReferenceDataError, match="sha256 differs"):
        load_set(tmp_path)
    with pytest.raises(ReferenceDataError, match="sha256 differs"):
        append_frames(tmp_path, [a_frame(1)])
    assert len(load_set(tmp_path, verify=False).frames) == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "frame 1 is truncated|frame 1: its atoms have unequal"),
        (lambda text: "", "is empty"),
        (lambda text: "four" + text[1:], "frame 0: line 1 is not a number of atoms"),
        (
            lambda text: text.replace("Mg ", "Mg 1.0 ", 1),
            "frame 0: its atoms have unequal numbers of columns",
        ),
        (
            lambda text: text.replace("energy=", "energy=about", 1),
            "frame 0: energy, forces or stress: could not",
        ),
        (lambda text: text.replace("Mg ", "Xx ", 1), "frame 0 is not valid extended XYZ"),
    ],
)
def test_a_damaged_file_is_refused_by_frame_number(tmp_path: Path, damage, words: str) -> None:
    path = tmp_path / "some.extxyz"
    path.write_text(damage(dump_frames([a_frame(0), a_frame(1), a_frame(2)])))
    with pytest.raises(ReferenceDataError, match=words):
        read_frames(path)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferenceDataError, match=r"manifest.toml: cannot be read .* a reference set is a folder"):
        load_set(tmp_path)
