"""Sintering on the smallest boundary: real LAMMPS, resumed, refused, checked."""

import json
import pickle
from concurrent.futures import Executor, Future

import numpy as np
import pytest

from dopantfit import Potential
from dopantfit.boundary.build.config import BuildConfig, preset_text
from dopantfit.boundary.build.health import checkup, require
from dopantfit.boundary.build.schedule import CHECKPOINT, Schedule
from dopantfit.boundary.build.sinter import build_boundary, read_boundary
from dopantfit.boundary.build.stages import Health, total_duration
from dopantfit.boundary.build.start import initial_boundary
from dopantfit.boundary.dope.config import DopeConfig
from dopantfit.boundary.dope.record import DopeRecord
from dopantfit.boundary.dope.run import dope_boundary
from dopantfit.errors import CollapseError, ConfigError
from dopantfit.lammps import Launcher
from dopantfit.strict_toml import parse_strict
from dopantfit.structures import labels_of, load_host, total_formal_charge

HOST = Potential.load("latp-2021")
LATP = load_host()
PO4 = LATP.polyanion
WITH_MG = Potential.load("latp-mg-2022")
TINY = parse_strict(BuildConfig, preset_text("tiny"), "tiny")


@pytest.fixture(scope="module")
def sintered(tmp_path_factory):
    """The tiny boundary, built once, and its folder."""
    folder = tmp_path_factory.mktemp("tiny")
    return build_boundary(TINY, WITH_MG, folder, Launcher(ranks=1)), folder


@pytest.mark.slow
def test_sintering_closes_the_gap_and_keeps_the_phosphates(sintered):
    built, folder = sintered
    first, last = built.stages[0].health, built.stages[-1].health
    assert first["amorphous_volume_per_atom"] == pytest.approx(22.0)
    target = TINY.stages[1].volume_per_atom
    assert built.stages[1].health["amorphous_volume_per_atom"] == pytest.approx(target, rel=1e-6)
    assert last["four_coordinated"] >= TINY.health.four_coordinated
    assert last["mass_density"] > first["mass_density"]
    assert total_formal_charge(built.atoms, {k: v.formal_charge for k, v in WITH_MG.species.items()}) == 0
    record = json.loads((folder / "boundary.json").read_text())
    assert record["ions"] == len(built.atoms)
    assert [stage["name"] for stage in record["stages"]] == [stage.name for stage in TINY.stages]
    for name in ("side_view", "order", "concentrations"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 5000
        assert (folder / "figures" / f"{name}.csv").read_text().count("\n") > 5


@pytest.mark.slow
def test_held_grains_stay_and_free_ones_move(sintered):
    built, folder = sintered
    start = read_boundary(folder / "initial.extxyz")
    grain = slice(0, start.info["grain_ions"])
    for name, moved in (("01-relax", False), ("02-compress", False), ("03-equilibrate", True)):
        after = read_boundary(folder / name / "state.extxyz")
        gap = after.positions[grain] - start.positions[grain]
        gap -= np.round(gap / after.cell.lengths()) * after.cell.lengths()
        assert (np.abs(gap).max() > 0.05) == moved
    assert labels_of(built.atoms) == labels_of(start)


@pytest.mark.slow
def test_checkpoints_of_a_stage_do_not_follow_the_clock(sintered):
    _, folder = sintered
    records = [json.loads(path.read_text()) for path in folder.glob("*/*/run.json")]
    assert len(records) > 1 and {one["configuration"]["restart_every"] for one in records} == {CHECKPOINT}


@pytest.mark.slow
def test_a_finished_stage_is_never_run_again(sintered):
    built, folder = sintered
    records = sorted(folder.glob("*/stage.json"))
    before = [path.stat().st_mtime_ns for path in records]
    (folder / "03-equilibrate" / "stage.json").unlink()  # killed between the run and its record
    again = build_boundary(TINY, WITH_MG, folder, Launcher(ranks=1))
    assert [path.stat().st_mtime_ns for path in records][:2] == before[:2]
    np.testing.assert_array_equal(again.atoms.positions, built.atoms.positions)


def flip(path):
    """Change one bit in the middle of a file, as a bad disk would."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "01-relax/stage.json",
        "02-compress/state.extxyz",
        "02-compress/step-001/sites.dump",
        "03-equilibrate/md/thermo.csv",
    ],
)
def test_a_stage_whose_files_were_damaged_is_run_again_to_the_same_end(sintered, name):
    built, folder = sintered
    ends = {path: path.read_bytes() for path in sorted(folder.glob("*/state.extxyz"))}
    others = {path: path.stat().st_mtime_ns for path in folder.glob("*/stage.json") if path.parent.name not in name}
    flip(folder / name)
    stage = (folder / name).relative_to(folder).parts[0]
    if (folder / name).parent.name != stage:
        (folder / stage / "stage.json").unlink()  # killed before the stage was done
    again = build_boundary(TINY, WITH_MG, folder, Launcher(ranks=1))
    assert {path: path.read_bytes() for path in ends} == ends
    np.testing.assert_array_equal(again.atoms.positions, built.atoms.positions)
    assert {path: path.stat().st_mtime_ns for path in others} == others


@pytest.mark.slow
@pytest.mark.parametrize("name", ["initial.extxyz", "identity.json"])
def test_a_damaged_start_is_written_anew(sintered, name):
    built, folder = sintered
    whole = (folder / name).read_bytes()
    flip(folder / name)
    again = build_boundary(TINY, WITH_MG, folder, Launcher(ranks=1))
    assert (folder / name).read_bytes() == whole
    np.testing.assert_array_equal(again.atoms.positions, built.atoms.positions)


@pytest.mark.slow
def test_a_folder_of_other_settings_is_refused(sintered):
    built, folder = sintered
    start = read_boundary(folder / "initial.extxyz")
    warmer = [TINY.stages[0].model_copy(update={"force_tolerance": 2.0}), *TINY.stages[1:]]
    with pytest.raises(ConfigError, match="holds this stage with another start, potential or settings"):
        Schedule(WITH_MG, LATP, warmer, TINY.health, TINY.seed, Launcher(ranks=1)).run(start, folder)
    with pytest.raises(ConfigError, match="holds another boundary"):
        build_boundary(TINY.model_copy(update={"seed": 7}), WITH_MG, folder, Launcher(ranks=1))
    assert built.stages


@pytest.mark.slow
def test_a_doped_boundary_relaxes_and_is_recorded(sintered, tmp_path):
    built, _ = sintered
    stage = TINY.stages[2].model_copy(update={"name": "equilibrate", "duration": 0.02})
    config = DopeConfig(
        dopant="Mg", concentrations=(2.0,), measure="mean", stages=(TINY.stages[0], stage), health=TINY.health
    )
    (record,) = dope_boundary(built.atoms, WITH_MG, config, tmp_path, Launcher(ranks=1), realisations=1)
    assert record.error is None
    end = read_boundary(tmp_path / "GB_1" / "r01")
    assert labels_of(end).count("Mg") == sum(record.doping.replaced.values())
    (again,) = dope_boundary(built.atoms, WITH_MG, config, tmp_path, Launcher(ranks=1), realisations=1)
    assert again.stages == record.stages
    assert DopeRecord.read(tmp_path / "GB_1" / "r01" / "dope.json") == again


@pytest.mark.slow
def test_a_lost_realisation_is_named_and_the_others_go_on(sintered, tmp_path):
    built, _ = sintered
    # Shorter than any P-O bond: nothing passes.
    blind = LATP.model_copy(update={"polyanion": PO4.model_copy(update={"reach": 1.0})})
    config = DopeConfig(host=blind, dopant="Mg", concentrations=(2.0,), measure="mean", stages=(TINY.stages[0],))
    records = dope_boundary(built.atoms, WITH_MG, config, tmp_path, Launcher(ranks=1), realisations=2)
    assert [record.doping.realisation for record in records] == [1, 2]
    for record in records:
        assert "stage relax" in record.error and "of P have 4 O" in record.error


def test_a_structure_from_elsewhere_is_not_doped(tmp_path):
    with pytest.raises(ConfigError, match="does not say which ions are its grain"):
        dope_boundary(LATP.pseudo_cubic(1).ions, WITH_MG, DopeConfig(dopant="Mg"), tmp_path, Launcher())


class _Elsewhere(Executor):
    """Calls what another process would get: a copy that went through pickle."""

    def submit(self, call, /, *arguments, **named):
        copy, values = pickle.loads(pickle.dumps((call, arguments)))
        done = Future()
        done.set_result(copy(*values, **named))
        return done


def test_realisations_are_tasks_that_travel(tmp_path):
    """What each needs can be pickled, and the result is that of this process."""
    start = initial_boundary(TINY, WITH_MG, np.random.default_rng(1))
    config = DopeConfig(dopant="Mg", concentrations=(2.0,), measure="mean")
    there = dope_boundary(start, WITH_MG, config, tmp_path / "there", Launcher(), realisations=2, executor=_Elsewhere())
    here = dope_boundary(start, WITH_MG, config, tmp_path / "here", Launcher(), realisations=2)
    assert [record.doping for record in there] == [record.doping for record in here]


@pytest.mark.parametrize(("content", "said"), [({}, "is no record of"), ({"format": 9}, "is a record of .* format 9")])
def test_records_of_another_version_say_what_to_do(tmp_path, content, said):
    folder = tmp_path / "GB_1" / "r01"
    folder.mkdir(parents=True)
    for name in ("boundary.json", "dope.json"):
        (folder / name).write_text(json.dumps({"name": "tiny", **content}))
    for call in (lambda: build_boundary(TINY, WITH_MG, folder, Launcher(ranks=1)), lambda: read_boundary(folder)):
        with pytest.raises(ConfigError, match=rf"boundary\.json: {said}.*; build it again with `dopantfit"):
            call()
    start = initial_boundary(TINY, WITH_MG, np.random.default_rng(1))
    config = DopeConfig(dopant="Mg", concentrations=(2.0,), measure="mean")
    with pytest.raises(ConfigError, match=rf"dope\.json: {said}.*; dope it again with `dopantfit"):
        dope_boundary(start, WITH_MG, config, tmp_path, Launcher(), realisations=1)
    assert not (folder / "doped.extxyz").exists()
    (folder / "dope.json").write_text('{"fo')  # damaged, and so written anew
    (record,) = dope_boundary(start, WITH_MG, config, tmp_path, Launcher(), realisations=1)
    assert DopeRecord.read(folder / "dope.json") == record


def test_a_broken_phosphate_or_a_crossed_pair_is_named():
    start = initial_boundary(TINY, HOST, np.random.default_rng(1))
    symbols = np.array(start.get_chemical_symbols())
    require(checkup(start, HOST, LATP), Health(), PO4, "here")
    broken = start.copy()
    broken.positions[symbols == "P"] += 1.2
    with pytest.raises(CollapseError, match=r"here: .*(only .* % of P have 4 O|turn-over)"):
        require(checkup(broken, HOST, LATP), Health(), PO4, "here")
    crossed = start.copy()
    titanium, phosphorus = np.flatnonzero(symbols == "Ti")[0], np.flatnonzero(symbols == "P")[0]
    crossed.positions[titanium] = crossed.positions[phosphorus] + [0.0, 0.0, 1.4]
    with pytest.raises(CollapseError, match=r"P-Ti ions are 1.400 Å apart, inside their turn-over radius 1.55"):
        require(checkup(crossed, HOST, LATP), Health(), PO4, "here")


def test_the_certain_molecular_dynamics_of_a_schedule_adds_up():
    assert total_duration(TINY.stages) == pytest.approx(0.15)
