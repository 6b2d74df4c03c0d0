import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from dopantfit.errors import ConfigError, EngineError
from dopantfit.reference.collect import finished_frames
from dopantfit.reference.cp2k import find_data_folder, find_executable
from dopantfit.reference.cp2k_process import own_words
from dopantfit.reference.frames import load_set, read_frames
from dopantfit.reference.manifest import save_manifest
from dopantfit.reference.plan import load_plan
from dopantfit.reference.run import core_seconds, outlook, run_set
from observed import Observed


def _installed() -> bool:
    try:
        return bool(find_data_folder(find_executable()))
    except EngineError:
        return False


needs_cp2k = pytest.mark.skipif(not _installed(), reason="CP2K is not installed")

#: Hydrogen in a small box on a coarse grid: the whole machinery in a second a frame.
HEAD = """
set = "H"
purpose = "a test"
cp2k = { cutoff = 60.0, rel_cutoff = 20.0, eps_default = 1e-7, method = "GPW" }
"""
RATTLE = """
[[configurations]]
kind = "rattle"
name = "a"
start = { file = "h2.xyz" }
sigmas = [0.02, 0.04]
"""


def plan_folder(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "H"
    folder.mkdir(exist_ok=True)
    hydrogen = Atoms("H2", [[0.1, 0.2, 0.3], [0.84, 0.2, 0.3]], cell=[4, 4, 4], pbc=True)
    write(folder / "h2.xyz", hydrogen, format="extxyz")
    (folder / "plan.toml").write_text(HEAD + text)
    return folder


@needs_cp2k
def test_a_plan_is_computed_collected_and_not_computed_again(tmp_path: Path) -> None:
    again = '[[configurations]]\nkind = "recompute"\nname = "b"\nstart = { frame = "a-01" }\ncollect = false\n'
    folder, work = plan_folder(tmp_path, RATTLE + again), tmp_path / "work"
    observer = Observed()
    summary = run_set(folder, work=work, jobs=2, observer=observer)
    assert (set(summary.done), dict(summary.failed), summary.waiting) == ({"a-00", "a-01", "b"}, {}, ())
    assert len(observer.lines) == 3
    (done,) = [one for one in observer.shown if one.done == 3.0]
    assert done.of == 3.0
    found = load_set(folder)
    # Frames join the set as they are done.
    frames = {frame.info["frame_id"]: frame for frame in found.frames}
    assert sorted(frames) == ["a-00", "a-01"]
    assert (found.manifest.code, found.manifest.pseudopotentials) == ("CP2K", {"H": "GTH-PBE-q1"})
    assert found.frames[0].get_stress().shape == (6,)

    # b started from another wavefunction than a-01 did. 1e-3 eV/Å is what a fit may rely on.
    (b,) = read_frames(work / "b" / "result.extxyz")
    np.testing.assert_allclose(b.get_forces(), frames["a-01"].get_forces(), atol=1e-3)
    assert not list(work.glob("[ab]*/*.wfn")), "wavefunctions are too large to stay with every frame"

    before = (folder / "frames.extxyz").read_bytes()
    assert run_set(folder, work=work).done == ()
    assert (folder / "frames.extxyz").read_bytes() == before
    # What is in the set needs no work folder.
    assert run_set(folder, work=tmp_path / "elsewhere", only=("a",)).done == ()


@needs_cp2k
def test_a_frame_with_a_denser_mesh_goes_into_the_manifest_and_not_into_the_set(tmp_path: Path) -> None:
    dense = (
        '[[configurations]]\nkind = "recompute"\nname = "k"\nstart = { frame = "a-00" }\n'
        "k_mesh = [2, 1, 1]\ncollect = false\n"
    )
    folder = plan_folder(tmp_path, RATTLE.replace("0.02, 0.04", "0.02") + dense)
    run_set(folder, work=tmp_path / "work")
    found = load_set(folder)
    (k,) = read_frames(tmp_path / "work" / "k" / "result.extxyz")
    (a,) = found.frames
    check = found.manifest.k_point_check
    assert check is not None
    assert (check.frame_ids, check.k_mesh, check.compared_with) == (("a-00",), (2, 1, 1), (1, 1, 1))
    assert check.energy_differences == (k.get_potential_energy() - a.get_potential_energy(),)
    moved = np.abs(k.get_forces() - a.get_forces())
    assert check.force_max_difference == moved.max()
    assert check.force_rms_difference == pytest.approx(np.sqrt((moved**2).mean()))

    # What somebody wrote beside the numbers stays when the plan is run again.
    noted = check.model_copy(update={"note": "two frames"})
    save_manifest(folder, found.manifest.model_copy(update={"k_point_check": noted}))
    run_set(folder, work=tmp_path / "work")
    assert load_set(folder).manifest.k_point_check == noted


@needs_cp2k
def test_a_frame_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    iron = '[[configurations]]\nkind = "recompute"\nname = "iron"\nstart = { file = "fe.xyz" }\n'
    folder = plan_folder(tmp_path, iron + RATTLE)
    write(folder / "fe.xyz", Atoms("Fe", cell=[3, 3, 3], pbc=True), format="extxyz")
    summary = run_set(folder, work=tmp_path / "work")
    assert summary.done == ("a-00", "a-01")
    assert list(summary.failed) == ["iron"]
    assert "known for Fe" in summary.failed["iron"]


@needs_cp2k
def test_an_unconverged_frame_is_refused_by_name_and_joins_no_set(tmp_path: Path) -> None:
    folder = plan_folder(tmp_path, RATTLE.replace("0.02, 0.04", "0.02"))
    plan = folder / "plan.toml"
    plan.write_text(plan.read_text().replace("cutoff = 60.0", "cutoff = 60.0, max_scf = 2"))
    summary = run_set(folder, work=tmp_path / "work")
    assert summary.done == ()
    assert "work/a-00/cp2k.out: its self-consistency did not converge" in summary.failed["a-00"]
    assert not (folder / "frames.extxyz").exists()


def runs(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def at_work_in(folder: Path) -> list[str]:
    """Return the command lines of processes whose working folder lies in this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve().is_relative_to(folder) and runs(int(entry.name)):
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


@needs_cp2k
@pytest.mark.parametrize(("how", "ranks"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGKILL, 2)])
def test_a_run_that_is_ended_ends_cp2k_and_the_next_run_goes_on(
    tmp_path: Path, how: signal.Signals, ranks: int
) -> None:
    folder, work = plan_folder(tmp_path, RATTLE), tmp_path / "work"
    # So fine a grid that it cannot be done before it is ended.
    coarse = (folder / "plan.toml").read_text()
    (folder / "plan.toml").write_text(coarse.replace("cutoff = 60.0", "cutoff = 4000.0"))
    code = (
        "from pathlib import Path; from dopantfit.reference.run import run_set; "
        f"run_set({str(folder)!r}, ranks={ranks}, work=Path({str(work)!r}))"
    )
    runner = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    pid_file = work / "a-00" / "pid"
    deadline = time.monotonic() + 60
    while not (pid_file.is_file() and pid_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(pid_file.read_text())
    assert runs(child)
    with pytest.raises(ConfigError, match="is working there"):
        run_set(folder, work=work)
    runner.send_signal(how)
    assert runner.wait(timeout=60) != 0
    # At once, but after a SIGKILL, where a guardian has to notice it. mpirun is gone, and so are its ranks.
    deadline = time.monotonic() + 20
    while (runs(child) or at_work_in(work)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(child) and not at_work_in(work)
    (folder / "plan.toml").write_text(coarse)
    assert run_set(folder, work=work).done == ("a-00", "a-01")
    assert not runs(child)


@needs_cp2k
def test_a_result_of_other_settings_is_not_taken_for_this_plan(tmp_path: Path) -> None:
    folder, work = plan_folder(tmp_path, RATTLE.replace("0.02, 0.04", "0.02")), tmp_path / "work"
    run_set(folder, work=work)
    for name in ("frames.extxyz", "manifest.toml"):
        (folder / name).rename(tmp_path / name)
    assert list(finished_frames(load_plan(folder), folder, work)) == ["a-00"]
    plan = folder / "plan.toml"
    plan.write_text(plan.read_text().replace("cutoff = 60.0", "cutoff = 70.0"))
    assert finished_frames(load_plan(folder), folder, work) == {}
    # And a set that holds frames of other settings takes none of these.
    for name in ("frames.extxyz", "manifest.toml"):
        (tmp_path / name).rename(folder / name)
    with pytest.raises(ConfigError, match=r"have basis_or_cutoff = .*60 Ry.*, the plan says .*70 Ry"):
        run_set(folder, work=work)


def test_the_outlook_counts_what_is_left(tmp_path: Path) -> None:
    folder = plan_folder(tmp_path, RATTLE)
    ahead = outlook(load_plan(folder), folder, tmp_path / "work", jobs=2, ranks=1)
    assert (ahead.planned, ahead.finished) == (2, 0)
    assert ahead.seconds == pytest.approx(core_seconds(2))


def test_too_few_jobs_or_no_cp2k_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = plan_folder(tmp_path, RATTLE)
    with pytest.raises(ConfigError, match="jobs = 0, ranks = 1: both must be at least 1"):
        run_set(folder, work=tmp_path / "work", jobs=0)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError, match="apt-get install cp2k"):
        run_set(folder, work=tmp_path / "work")


def test_cp2k_s_own_words_are_what_stands_in_its_abort_box(tmp_path: Path) -> None:
    # As CP2K 2023.1 printed it for an input with BACKEND DGEMM.
    (tmp_path / "out").write_text(
        " *******************************************************************************\n"
        " *   ___                                                                       *\n"
        " *  /   \\                                                                      *\n"
        " * [ABORT]                                                                     *\n"
        " *  \\___/                   invalid value for enumeration:DGEMM                *\n"
        " *    |                                                                        *\n"
        " *  O/|                                                                        *\n"
        " * /| |                                                                        *\n"
        " * / \\                                     input/input_enumeration_types.F:215 *\n"
        " *******************************************************************************\n"
    )
    assert own_words(tmp_path / "out").startswith("invalid value for enumeration:DGEMM")
    assert own_words(tmp_path / "nothing") == "no output"
