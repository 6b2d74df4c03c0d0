"""A whole study of another host, as small as it can be: from a boundary to a verdict, out of its file alone."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import ase.io
import pytest

from dopantfit import Potential
from dopantfit.boundary.build.health import checkup
from dopantfit.errors import ConfigError
from dopantfit.report import report
from dopantfit.structures import load_host
from dopantfit.study.config import load_study
from dopantfit.study.tasks import Planner
from smallest_study import TABLES

HOSTS = Path(__file__).parents[1] / "data" / "hosts"
FITS = Path(__file__).parents[2] / "fits"
STUDY = """
preset = "quick"
host = "host.toml"
seed = 3
dopant = "Mg"
potential = "potential.toml"
validation = "validation.json"
accept_failed_gates = "a test of the machinery, not of the dopant"
"""
STUDY += TABLES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("nasicon")
    (made / "study.toml").write_text(STUDY)
    shutil.copy(HOSTS / "nasicon.toml", made / "host.toml")
    shutil.copy(HOSTS / "made-up.toml", made / "potential.toml")
    return made


def study_of(folder, run):
    """Run the study in a folder by the command; return what it printed as JSON, and its error stream."""
    command = [sys.executable, "-m", "dopantfit.cli", "study", str(folder)]
    done = subprocess.run(
        [*command, "--run", str(run), "--workers", "2", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    printed = json.loads(done.stdout)
    assert not printed["failed"], done.stderr
    return json.loads((run / "summary" / "verdict" / "verdict.json").read_text())


def table(run, item):
    with (run / "items" / item / "table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_another_host_is_studied_from_a_boundary_to_a_verdict(folder):
    run = folder / "run"
    verdict = study_of(folder, run)
    # Half a picosecond tells nothing.
    assert verdict["answer"] == "undecided"
    assert list(verdict["requirements"])[2] == "the boundary has less Zr and conducts better"
    assert {row["partner"] for row in table(run, "02-acceptance")} <= {"Na", "Sc", "Zr"}
    assert {row["species"] for row in table(run, "10-amorphous-conductivities")} == {"Mg", "Na", "Sc", "Zr"}
    assert list(table(run, "07-ternary")[0])[2:5] == ["x_Zr", "x_Sc", "x_Mg"]
    # T_0: every Zr of the reference glass became Mg or Sc.
    exchanged = next(row for row in table(run, "07-ternary") if row["system"] == "T_0")
    assert float(exchanged["x_Zr"]) == 0.0
    ions_of_latp = {"Li", "Al", "Ti"}
    structures = [path.read_text() for path in run.glob("**/structure.extxyz")]
    assert structures and not [
        one for one in structures if ions_of_latp & {line.split(" ")[0] for line in one.splitlines()}
    ]
    report(run, output=folder / "report")
    page = (folder / "report" / "report.html").read_text()
    assert "Zr–Zr distance and Zr density" in page and "Na density around the dopant" in page
    assert "Nanomaterials 2022" not in page.split("Published numbers")[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fit", "host", "dopant", "cations"),
    [("LAGP", "lagp", "Mg", {"Al", "Ge", "Li"}), ("NZP", "nzp", "Al", {"Mg", "Na", "Zr"})],
)
def test_hosts_of_the_library_are_studied_with_the_potentials_fitted_to_their_frames(
    fit, host, dopant, cations, tmp_path
):
    text = STUDY.replace('host = "host.toml"', f'host = "{host}"').replace('dopant = "Mg"', f'dopant = "{dopant}"')
    (tmp_path / "study.toml").write_text(text)
    shutil.copy(FITS / fit / "potential.toml", tmp_path)
    run = tmp_path / "run"
    verdict = study_of(tmp_path, run)
    assert verdict["answer"] == "undecided"  # half a picosecond tells nothing
    reducible = load_host(host).reducible
    assert list(verdict["requirements"])[2] == f"the boundary has less {reducible} and conducts better"
    assert {row["partner"] for row in table(run, "02-acceptance")} <= cations
    assert {row["species"] for row in table(run, "10-amorphous-conductivities")} == {dopant, *cations}
    # The boundary as it was built keeps its phosphate: a potential that loses it is none of this host.
    boundary = ase.io.read(run / "boundary" / "structure.extxyz")
    assert checkup(boundary, Potential.load(tmp_path / "potential.toml"), load_host(host)).four_coordinated > 0.8


def test_a_boundary_of_another_host_than_the_study_s_is_refused(folder, tmp_path):
    for path in folder.glob("*.toml"):
        shutil.copy(path, tmp_path)
    (tmp_path / "boundary.toml").write_text(
        'host = "latp"\nname = "other"\n[grain]\nin_plane = 1\nthickness = 1\n'
        "[amorphous]\nthickness = 10.5\nvolume_per_atom = 15.0\n"
    )
    text = (tmp_path / "study.toml").read_text().replace('build = "tiny"', 'build = "boundary.toml"')
    (tmp_path / "study.toml").write_text(text)
    study, file = load_study(tmp_path)
    with pytest.raises(ConfigError, match=r"boundary\.toml: is about the host latp, the study about nasicon"):
        Planner(study, file.parent).build_config()


def test_a_study_of_a_host_that_is_not_there_is_refused(folder):
    study, file = load_study(folder)
    with pytest.raises(ConfigError, match=r"host 'llzo': there is no file .*the library holds lagp, latp, nzp"):
        Planner(study.model_copy(update={"host": "llzo"}), file.parent).graph()
