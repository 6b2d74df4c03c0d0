"""The verbs: what they print, and with which status they end."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import dopantfit
from dopantfit.reference.frames import load_set

DATA = Path(__file__).parents[1] / "data" / "reference"


def reference(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return dopantfit("reference", *arguments)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "lamtp-sample", tmp_path / "lamtp-sample"))


def test_check_of_a_sound_set_ends_with_status_0(sample: Path) -> None:
    command = [sys.executable, "-m", "dopantfit.cli", "reference", "check", str(sample)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "relax-001" in done.stdout and "no frame was dropped" in done.stdout
    assert "Al2Li10MgTi9O72P18" in done.stdout


def test_check_of_a_damaged_set_ends_with_status_1_and_names_the_frame(sample: Path) -> None:
    path = sample / "frames.extxyz"
    path.write_text(path.read_text().replace("energy=-53438", "energy=-1963"))
    done = reference("check", sample)
    assert done.returncode == 1
    assert "error hash: set: frames.extxyz is not the file" in done.stdout
    assert "error energy: md300-000: " in done.stdout and "Hartree" in done.stdout


def test_check_as_json_is_json_only(sample: Path) -> None:
    report = json.loads(reference("check", sample, "--json").stdout)
    assert report["passed"] is True
    assert [row["frame_id"] for row in report["rows"]] == ["relax-000", "relax-001", "md300-000"]


@pytest.mark.parametrize("arguments", [("check", "nowhere"), ("import", "nowhere.out", "--set", "nowhere")])
def test_unreadable_input_ends_with_status_2_and_one_line(arguments: tuple[str, ...]) -> None:
    done = reference(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "manifest.toml: cannot be read" in done.stderr


def test_import_appends_and_says_so(tmp_path: Path, sample: Path) -> None:
    manifest = (sample / "manifest.toml").read_text().partition("[files]")[0]
    folder = tmp_path / "MgO"
    folder.mkdir()
    manifest = manifest.replace("lamtp-sample", "MgO").replace("CUTOFF 500 Ry", "CUTOFF 250 Ry")
    (folder / "manifest.toml").write_text(manifest.replace("[1, 1, 1]", "[2, 2, 2]"))
    relax = DATA / "cp2k" / "MgO-relax.out"
    done = reference("import", relax, "--set", folder, "--family", "relax", "--steps", "all")
    assert done.returncode == 0, done.stderr
    count = len(load_set(folder).frames)
    assert done.stdout.startswith(f"{count} frames imported") and count > 1
    again = reference("import", relax, "--set", folder, "--family", "relax")
    assert again.returncode == 2 and "is in the set already" in again.stderr


def test_import_takes_some_steps_and_names_the_others(tmp_path: Path, sample: Path) -> None:
    folder = tmp_path / "MgO"
    folder.mkdir()
    manifest = (sample / "manifest.toml").read_text().partition("[files]")[0]
    (folder / "manifest.toml").write_text(
        manifest.replace('code = "CP2K"', 'code = "VASP"').replace("CUTOFF 500 Ry", "500 eV")
    )
    path = DATA / "vasp" / "two-unconverged.xml.gz"
    command = ("import", path, "--set", folder, "--family", "md")
    wrong = reference(*command, "--steps", "every 3rd")
    assert wrong.returncode == 2 and "'every 3rd' is not understood" in wrong.stderr
    done = reference(*command, "--steps", "::2", "--converged-only")
    assert done.returncode == 0 and done.stdout.startswith("2 frames imported"), done.stderr
    assert "steps 2, 6 of 8" in done.stderr


def test_split_is_fixed_in_the_manifest_or_refused(sample: Path) -> None:
    done = reference("split", sample, "--hold-out", "md300", "--reason", "another temperature")
    assert done.returncode == 0 and "2 frames for training, 1 held out" in done.stdout
    assert load_set(sample).manifest.split.held_out_families == ("md300",)
    refused = reference("split", sample, "--hold-out", "md", "--reason", "none")
    assert refused.returncode == 2 and "no frame is of the held-out family 'md'" in refused.stderr
    assert load_set(sample).manifest.split.held_out_families == ("md300",)


PLAN = """
set = "MgO"
purpose = "tests"
[[configurations]]
kind = "rattle"
name = "rattle"
start = { prototype = "MgO" }
sigmas = [0.03, 0.05]
[[configurations]]
kind = "rattle"
name = "twin"
start = { prototype = "MgO" }
sigmas = [0.03]
"""


def test_generate_writes_configurations_and_names_near_duplicates(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    done = reference("generate", tmp_path, "--work", tmp_path / "work")
    assert done.returncode == 0, done.stderr
    # Items of one seed move their ions alike.
    assert "near-duplicates: rattle-00 and twin-00 are 0.000 Å" in done.stdout
    assert f"3 configurations in {tmp_path / 'work' / 'configurations'}" in done.stdout
    assert len(list((tmp_path / "work" / "configurations").iterdir())) == 3


@pytest.mark.parametrize(
    ("code", "file"),
    [("castep", "frame.cell"), ("vasp", "POSCAR"), ("espresso", "pw.in"), ("cp2k", "cp2k.inp")],
)
def test_write_only_writes_input_folders(tmp_path: Path, code: str, file: str) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    done = reference("run", tmp_path, "--write-only", code, "--work", tmp_path / "work")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"3 input folders in {tmp_path / f'work-{code}'}\n"
    assert (tmp_path / f"work-{code}" / "rattle-01" / file).is_file()


def test_write_only_says_when_nothing_is_left_to_write(tmp_path: Path) -> None:
    text = PLAN.partition("[[")[0] + '[[configurations]]\nkind = "recompute"\nname = "a"\nstart = { frame = "x" }\n'
    (tmp_path / "plan.toml").write_text(text)
    done = reference("run", tmp_path, "--write-only", "vasp", "--work", tmp_path / "work")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("no input folders to write") and not (tmp_path / "work-vasp").exists()


@pytest.mark.parametrize("verb", ["generate", "run"])
def test_a_missing_plan_ends_with_status_2(tmp_path: Path, verb: str) -> None:
    done = reference(verb, tmp_path)
    assert done.returncode == 2 and "plan.toml: cannot be read" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cp2k.psmp") is None, reason="CP2K is not installed (apt-get install cp2k)")
def test_run_computes_a_plan_end_to_end_and_goes_on_where_it_was(tmp_path: Path) -> None:
    coarse = PLAN.replace("[[", "cp2k = { cutoff = 150.0, rel_cutoff = 30.0 }\n[[", 1)
    (tmp_path / "plan.toml").write_text(coarse)
    arguments = ("run", tmp_path, "--only", "twin", "--work", tmp_path / "work")
    done = reference(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("1 of 1 frames to compute, about ")
    assert "1 frames computed, 0 failed" in done.stdout
    assert reference("check", tmp_path).returncode == 0
    assert "0 of 1 frames to compute" in reference(*arguments).stderr
