"""What was written to be computed elsewhere comes back under the name, family and strain that the plan gave it."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from dopantfit.errors import ReferenceDataError
from dopantfit.project.plan_texts import manifest_text
from dopantfit.reference.collect import frames_of_the_set
from dopantfit.reference.espresso_output import read_espresso
from dopantfit.reference.frames import dump_frames, load_set
from dopantfit.reference.generate import configurations
from dopantfit.reference.importing import import_files
from dopantfit.reference.plan import parse_plan
from dopantfit.reference.write_inputs import write_inputs

#: A relaxation of two Si by Quantum ESPRESSO, and where it began.
OUTPUT = Path(__file__).parents[1] / "data" / "reference" / "espresso" / "Si-relax.out"
STEPS = read_espresso(OUTPUT.read_text(), "Si-relax.out").steps
#: With the settings that the output names.
MANIFEST = manifest_text("set", "a test", "espresso", ["Si"], {"Si": "Si.pz-vbc.UPF"}).replace('"PBE"', '"LDA"')
MANIFEST = MANIFEST.replace("750 eV", "12 Ry").replace("[1, 1, 1]", '"eight points"')
PLAN = """
set = "set"
purpose = "a test"
[[configurations]]
kind = "relaxation"
name = "relax-Si"
family = "soft"
start = { file = "start.extxyz", strain = 0.01 }
steps = 9
[[configurations]]
kind = "rattle"
name = "rattle-Si"
start = { end_of = "relax-Si" }
sigmas = [0.02]
"""


@pytest.fixture
def jobs(tmp_path):
    """A set whose plan was written out for Quantum ESPRESSO, with the output beside its input."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "manifest.toml").write_text(MANIFEST)
    start = STEPS[0].atoms.copy()
    start.set_cell(start.cell.array / 1.01, scale_atoms=True)
    start.info = {}
    (folder / "start.extxyz").write_text(dump_frames([start]))
    plan = parse_plan(PLAN)
    written = write_inputs(plan, folder, "espresso", tmp_path / "out", {}, tmp_path / "work")
    assert [path.name for path in written] == ["relax-Si-000"]
    shutil.copy(OUTPUT, written[0] / "pw.out")
    return folder, plan, tmp_path / "out"


def test_a_relaxation_comes_back_whole_with_its_names_family_and_strain(jobs):
    folder, _, outputs = jobs
    import_files([outputs], folder)
    frames = load_set(folder).frames
    assert [frame.info["frame_id"] for frame in frames] == [f"relax-Si-{n:03d}" for n in range(len(STEPS))]
    assert {frame.info["family"] for frame in frames} == {"soft"}
    assert [frame.info["strain"] for frame in frames] == pytest.approx([0.01] * len(STEPS))


def test_what_came_back_is_not_written_again_and_what_waited_for_it_is(jobs):
    folder, plan, outputs = jobs
    import_files([outputs], folder)
    written = write_inputs(plan, folder, "espresso", outputs, frames_of_the_set(folder), outputs)
    assert [path.name for path in written] == ["rattle-Si-00"]
    made = configurations(plan, folder, frames_of_the_set(folder), outputs).configurations
    # It departs from the last step that came back, moved by 0.02 Å a component.
    moved = made[-1].atoms.positions - STEPS[-1].atoms.positions
    assert 0.0 < np.abs(moved).max() < 0.1


def test_an_output_beside_another_configuration_is_refused(jobs):
    folder, _, outputs = jobs
    file = outputs / "relax-Si-000" / "configuration.extxyz"
    text = file.read_text().split("\n")
    symbol, x, *rest = text[3].split()
    text[3] = " ".join([symbol, repr(float(x) + 0.3), *rest])
    file.write_text("\n".join(text))
    with pytest.raises(ReferenceDataError, match=r"its first step is 0.300 Å from configuration.extxyz beside it"):
        import_files([outputs], folder)
    assert not (folder / "frames.extxyz").exists()


ENDS = """
set = "set"
purpose = "a test"
[[configurations]]
kind = "exchange"
name = "x"
start = { file = "start.extxyz" }
dopant = "Si"
partners = ["Ge"]
steps = 9
[[configurations]]
kind = "recompute"
name = "denser"
start = { file = "start.extxyz" }
k_mesh = [3, 3, 3]
collect = false
"""


def test_of_an_exchange_the_ends_come_back_and_of_a_check_nothing(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^(    +2    +)Si |^Si(?=  +1\.3)", r"\1Ge", OUTPUT.read_text())
    steps = read_espresso(text, "out").steps
    assert set(steps[0].atoms.symbols) == {"Si", "Ge"}
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "manifest.toml").write_text(MANIFEST.replace('\nSi = "', '\nGe = "none"\nSi = "'))
    (folder / "start.extxyz").write_text(dump_frames([steps[0].atoms]))
    plan = parse_plan(ENDS)
    written = write_inputs(plan, folder, "espresso", tmp_path / "out", {}, tmp_path / "work")
    assert [path.name for path in written] == ["x-start-000", "x-Ge0-000", "denser"]
    assert "calculation = 'relax'" in (written[0] / "pw.in").read_text()
    for there in (written[0], written[2]):
        (there / "pw.out").write_text(text)
    imported = import_files([tmp_path / "out"], folder)
    last = len(steps) - 1
    assert [frame.info["frame_id"] for frame in imported.frames] == ["x-start-000", f"x-start-{last:03d}"]
    assert any("computes denser as a check that does not join the set" in line for line in imported.remarks)
    # The plan sees the end, though nothing between is there: the other relaxation and the check are still to do.
    left = configurations(plan, folder, frames_of_the_set(folder), tmp_path).configurations
    there = frames_of_the_set(folder)
    assert [c.frame_id for c in left if c.frame_id not in there] == ["x-Ge0-000", "denser"]
