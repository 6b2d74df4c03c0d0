"""The manifest: strict, and the same after a round trip."""

from pathlib import Path

import pytest

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.manifest import (
    KPointCheck,
    Manifest,
    Split,
    dump_manifest,
    load_manifest,
    parse_manifest,
    save_manifest,
)

MINIMAL = """
name = "Mg-lamtp"
purpose = "fit of Mg"
licence = "CC BY 4.0"
code = "CP2K"
code_version = "2023.1"
functional = "PBE"
basis_or_cutoff = "DZVP-MOLOPT-SR-GTH, CUTOFF 500 Ry"
k_mesh = [1, 1, 1]
scf_tolerance = 1e-6
[pseudopotentials]
Mg = "GTH-PBE-q10"
"""


def test_a_manifest_survives_the_round_trip(tmp_path: Path) -> None:
    full = parse_manifest(MINIMAL).model_copy(
        update={
            "notes": ('a "quoted" note', "zwei\nZeilen, ρ = 0.1 \x7f"),
            "files": {"frames.extxyz": "0" * 64},
            "split": Split(held_out_families=("eos",), reason="other volumes"),
            "k_point_check": KPointCheck(
                frame_ids=("a",),
                k_mesh=(1, 1, 1),
                compared_with=(2, 2, 1),
                force_rms_difference=0.1 / 3,
                force_max_difference=0.1,
                energy_differences=(-1e-3 / 3,),
            ),
            "energy_reference": {"Mg": -1e3 / 7},
        }
    )
    save_manifest(tmp_path, full)
    assert load_manifest(tmp_path) == full
    assert parse_manifest(dump_manifest(full)) == full


def test_a_mesh_may_be_given_in_words() -> None:
    assert parse_manifest(MINIMAL.replace("[1, 1, 1]", '"spacing 0.07 1/Å"')).k_mesh == "spacing 0.07 1/Å"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[pseudo", "colour = 3\n[pseudo", "colour is no known key"),
        ("[1, 1, 1]", "[1, 1]", "k_mesh"),
        ("[1, 1, 1]", "[1, 0, 1]", "k_mesh"),
        ("1e-6", "-1e-6", "scf_tolerance = -1e-06: Input should be greater than 0"),
        ("1e-6", "nan", "scf_tolerance"),
        ('"PBE"', '""', "functional"),
        ('"PBE"', "PBE", "not valid TOML"),
        ('purpose = "fit of Mg"\n', "", "purpose is missing"),
        ("[pseudo", '[files]\n"../x" = "' + "0" * 64 + '"\n[pseudo', "must be a path inside the set"),
        ("[pseudo", '[files]\nx = "123"\n[pseudo', "files.x"),
        ("[pseudo", "[split]\nheld_out = []\n[pseudo", "split.held_out is no known key"),
    ],
)
def test_a_wrong_manifest_is_refused_by_key(old: str, new: str, words: str) -> None:
    assert old in MINIMAL
    with pytest.raises(ReferenceDataError, match=words) as refused:
        parse_manifest(MINIMAL.replace(old, new), source="set/manifest.toml")
    assert str(refused.value).startswith("set/manifest.toml: ") and "\n" not in str(refused.value)


def test_a_manifest_cannot_be_changed() -> None:
    manifest: Manifest = parse_manifest(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        manifest.name = "other"  # type: ignore[misc]


def test_the_manifest_in_the_documentation_is_valid() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert parse_manifest(example).name == "Mg-lamtp"
