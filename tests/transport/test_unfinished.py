"""A run that was killed leaves a trajectory that looks whole; whoever reads it is told."""

import json
import warnings

import pytest
from ase.build import bulk

from dopantfit.lammps import Dynamics, Launcher, run_dynamics
from dopantfit.potential import Potential
from dopantfit.transport import read_trajectory
from dopantfit.transport.reading import species_of
from dopantfit.workflow.provenance import sha256_of

from .test_transport_cli import transport

#: Four legs of 50 steps, with a frame every five.
SETTINGS = Dynamics(300.0, 0.08, seed=3, timestep=0.0004, thermo_every=5, dump_every=5, restart_every=50)


class Killed(Exception):
    """Raised in place of a leg, as a kill of the process would end it."""


class KilledAfter:
    """A launcher that is killed before its n-th start."""

    def __init__(self, starts):
        self.starts = starts

    def ranks_for(self, n_ions):
        """One rank."""
        return 1

    def run(self, *arguments, **more):
        """Run as a launcher does, while there are starts left."""
        self.starts -= 1
        if self.starts < 0:
            raise Killed
        return Launcher("lmp").run(*arguments, **more)


def run(folder, launcher):
    oxide = bulk("MgO", "rocksalt", a=4.2, cubic=True)
    return run_dynamics(oxide, Potential.load("latp-mg-2022"), SETTINGS, folder, launcher=launcher)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Folder of a run of 0.08 ps that was killed after two of its four legs, which start.in precedes."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.raises(Killed):
        run(folder, KilledAfter(3))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(tmp_path_factory.mktemp("finished"), Launcher("lmp", ranks=1)).trajectory.parent


def read(folder):
    return read_trajectory(folder / "trajectory.dcd", species_of(folder / "ions.extxyz"))


def test_reading_an_unfinished_run_warns_how_far_it_is(killed):
    with pytest.warns(UserWarning, match=r"trajectory\.dcd: holds an unfinished run, 0\.04 of 0\.08 ps"):
        trajectory = read(killed)
    assert trajectory.n_frames == 21


def test_a_damaged_state_of_an_unfinished_run_is_no_excuse(killed, tmp_path):
    for name in ("trajectory.dcd", "ions.extxyz"):
        (tmp_path / name).write_bytes((killed / name).read_bytes())
    (tmp_path / "progress.json").write_text("{")
    with pytest.warns(UserWarning, match="holds an unfinished run; numbers"):
        read(tmp_path)


def test_a_finished_run_and_a_trajectory_elsewhere_are_read_without_a_word(finished, killed, tmp_path):
    assert (finished / "progress.json").is_file()
    (tmp_path / "trajectory.dcd").write_bytes((killed / "trajectory.dcd").read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(finished).n_frames == 41
        read_trajectory(tmp_path / "trajectory.dcd", species_of(killed / "ions.extxyz"))


@pytest.mark.parametrize("verb", ["msd", "rdf", "density", "sites"])
def test_every_verb_goes_on_and_says_on_standard_error_and_in_its_record_what_is_unfinished(verb, killed, finished):
    path, ions = killed / "trajectory.dcd", killed / "ions.extxyz"
    more = {
        "msd": (path, "--temperature", 300, "--mobile", "Mg=2", "--window", "0.1:0.9"),
        "rdf": (path, "--pair", "Mg-O"),
        "density": (finished / "trajectory.dcd", "--minus", path, "--species", "Mg"),
        "sites": (path, "--species", "Mg", "--reference", ions),
    }[verb]
    done = transport(verb, *more, "--structure", ions, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        f"dopantfit: warning: {path}: holds an unfinished run, 0.04 of 0.08 ps; numbers are of what is there: "
        "run it again with the same arguments to finish it\n"
    )
    record = json.loads(done.stdout)
    assert record["unfinished"] == [str(path)]
    assert record["inputs"][str(path)] == sha256_of(path)


def test_a_finished_run_leaves_standard_error_empty(finished):
    done = transport(
        "rdf", finished / "trajectory.dcd", "--pair", "Mg-O", "--structure", finished / "ions.extxyz", "--json"
    )
    assert done.returncode == 0 and done.stderr == ""
    assert json.loads(done.stdout)["unfinished"] == []
