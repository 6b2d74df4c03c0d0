"""Running CP2K on one configuration: the process, its folder and its result."""

import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ase import Atoms

from dopantfit.errors import ConfigError, EngineError, ReferenceDataError
from dopantfit.reference.cp2k import Cp2kSettings, Mesh, find_data_folder, find_executable, single_point_input
from dopantfit.reference.cp2k_output import read_output, with_results
from dopantfit.reference.generate import Configuration
from dopantfit.reference.result import keep_result
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.orphans import guarded
from dopantfit.workflow.provenance import write_text_atomic

INPUT_FILE = "cp2k.inp"
OUTPUT_FILE = "cp2k.out"
#: Start of the names of CP2K's own files.
PROJECT = "frame"
_PID_FILE = "pid"
#: Seconds that CP2K has to end after it was asked to.
_GRACE = 5.0


@dataclass
class Processes:
    """CP2K as it is started here, and the processes of it that run now.

    command: up to the arguments of CP2K itself. data: folder of the basis sets.
    """

    command: tuple[str, ...]
    data: Path
    _running: "set[subprocess.Popen[bytes]]" = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    @classmethod
    @contextmanager
    def found(cls, ranks: int) -> "Iterator[Processes]":
        """Find CP2K, end what still runs of it at the end; EngineError when it is not installed."""
        executable = find_executable()
        processes = cls(_command(executable, ranks), find_data_folder(executable))
        # A SIGTERM must reach the children too, which have sessions of their own.
        in_main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, _interrupt) if in_main else None
        try:
            yield processes
        finally:
            processes.end_all()
            if in_main:
                signal.signal(signal.SIGTERM, before)

    def run(self, folder: Path) -> int:
        """Run the input in ``folder`` and return the exit status of CP2K."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CP2K_DATA_DIR": str(self.data)}
        # Open MPI refuses root and more ranks than it counts cores unless told otherwise.
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        environment |= {
            "OMPI_MCA_rmaps_base_oversubscribe": "1",
            "OMPI_MCA_hwloc_base_binding_policy": "none",
        }
        with self._lock, open(folder / "screen", "wb") as screen:
            if self._ended:
                raise EngineError(f"{folder}: not started, the run was ended")
            process = subprocess.Popen(
                [*self.command, "-i", INPUT_FILE, "-o", OUTPUT_FILE],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
        (folder / _PID_FILE).write_text(str(process.pid), encoding="ascii")
        try:
            # SIGKILL leaves nobody here to end it.
            with guarded(process.pid, _GRACE):
                return process.wait()
        finally:
            with self._lock:
                self._running.discard(process)
            (folder / _PID_FILE).unlink(missing_ok=True)

    def end_all(self) -> None:
        """End every process of CP2K that runs and start no more."""
        with self._lock:
            self._ended = True
            running = tuple(self._running)
        for request in (signal.SIGTERM, signal.SIGKILL):
            for process in running:
                if process.poll() is None:
                    _signal_group(process.pid, request)
            deadline = time.monotonic() + _GRACE
            while any(p.poll() is None for p in running) and time.monotonic() < deadline:
                time.sleep(0.05)


def compute_frame(configuration: Configuration, settings: Cp2kSettings, work: Path, processes: Processes) -> Atoms:
    """Run CP2K on a configuration in ``work/<frame_id>`` and return the frame, written to its result file.

    Energy [eV], forces [eV/Å] and stress [eV/Å³] are in its calculator, `result.BOOKKEEPING` in its info.
    Raises EngineError with CP2K's own words when it stops, ReferenceDataError when its output is truncated
    or the self-consistency did not converge; both name the output. ConfigError
    when the file system does not take what is to be written.
    """
    try:
        return _computed(configuration, settings, work, processes)
    except OSError as problem:
        raise ConfigError(
            f"{problem.filename or work}: cannot be written ({problem.strerror}); make room, and run it again"
        ) from None


def _computed(configuration: Configuration, settings: Cp2kSettings, work: Path, processes: Processes) -> Atoms:
    folder = work / configuration.frame_id
    _end_orphan(folder)
    shutil.rmtree(folder, ignore_errors=True)
    kept = _wavefunction(configuration, work)
    guess = "guess.wfn" if kept.is_file() else None
    text = single_point_input(
        configuration.atoms, settings, project=PROJECT, k_mesh=configuration.k_mesh, wavefunction=guess
    )
    make_folder(folder)
    if guess is not None:
        shutil.copy(kept, folder / guess)
    write_text_atomic(folder / INPUT_FILE, text)
    started = time.monotonic()
    status = processes.run(folder)
    output = folder / OUTPUT_FILE
    if status != 0:
        raise EngineError(f"CP2K stopped: {own_words(output)} (exit status {status}); see {output}")
    frame = _finished(configuration, settings, output, time.monotonic() - started)
    keep_result(folder, frame)
    _keep_wavefunction(folder, kept)
    return frame


def fingerprint(atoms: Atoms, settings: Cp2kSettings, k_mesh: Mesh) -> str:
    """Return the SHA-256 of the input that computes ``atoms`` from scratch: the same for the same physics."""
    text = single_point_input(atoms, settings, project=PROJECT, k_mesh=k_mesh)
    return hashlib.sha256(text.encode()).hexdigest()


def own_words(output: Path) -> str:
    """Return what CP2K printed in its abort box, on one line; else its last words."""
    if not output.is_file():
        return "no output"
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    start = next((i for i, line in enumerate(lines) if "[ABORT]" in line), None)
    if start is None:
        return next((line.strip() for line in reversed(lines) if line.strip()), "no message")
    box = [line.strip(" *|/\\_~O") for line in lines[start : start + 8]]
    return " ".join(line for line in box if line and "[ABORT]" not in line and not line.startswith("***"))


def _finished(configuration: Configuration, settings: Cp2kSettings, output: Path, seconds: float) -> Atoms:
    read = read_output(output)
    evaluation = read.evaluations[-1]
    atoms = configuration.atoms
    if evaluation.problem:
        raise ReferenceDataError(f"{output}: {evaluation.problem}")
    frame = with_results(atoms, evaluation, str(output))
    frame.info |= {
        "input_sha256": fingerprint(atoms, settings, configuration.k_mesh),
        # With the name, because extended XYZ takes a bare version for a number.
        "computed_with": f"CP2K {read.version}",
        "wall_seconds": seconds,
        "scf_steps": evaluation.scf_steps,
    }
    return frame


def _wavefunction(configuration: Configuration, work: Path) -> Path:
    """Return where the last wavefunction of the same family and the same order of ions is kept."""
    ions = hashlib.sha256(configuration.atoms.numbers.astype("<i4").tobytes()).hexdigest()[:12]
    mesh = "" if configuration.k_mesh == (1, 1, 1) else "-{}x{}x{}".format(*configuration.k_mesh)
    return work / "wavefunctions" / f"{configuration.atoms.info['family']}-{ions}{mesh}.wfn"


def _keep_wavefunction(folder: Path, kept: Path) -> None:
    """Keep one wavefunction per family: the next frame starts from it; they are too large to keep all."""
    new = folder / f"{PROJECT}-RESTART.wfn"
    if new.is_file():
        kept.parent.mkdir(exist_ok=True)
        os.replace(new, kept)
    for path in folder.glob("*.wfn*"):
        path.unlink()


def _command(executable: Path, ranks: int) -> tuple[str, ...]:
    if ranks == 1:
        return (str(executable),)
    if executable.resolve().suffix == ".ssmp":
        raise EngineError(f"{executable} was built without MPI and runs on one rank only; ask for ranks = 1")
    # CP2K needs the mpirun of the MPI that it was built with, which lies beside it, whatever PATH says.
    beside = executable.parent / "mpirun"
    mpirun = str(beside) if beside.is_file() else shutil.which("mpirun")
    if mpirun is None:
        raise EngineError("mpirun was not found; install it (Debian: `apt-get install openmpi-bin`)")
    return (mpirun, "-n", str(ranks), str(executable))


def _end_orphan(folder: Path) -> None:
    """End the CP2K that a killed run may have left behind in ``folder``."""
    try:
        pid = int((folder / _PID_FILE).read_text(encoding="ascii"))
        # Its guardian may be at it; mpirun ends its ranks, which have groups of their own, when it is asked politely.
        for request, seconds in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, 1.0)):
            if _works_in(pid, folder):
                _signal_group(pid, request)
            deadline = time.monotonic() + seconds
            while _works_in(pid, folder) and time.monotonic() < deadline:
                time.sleep(0.05)
    except (OSError, ValueError):
        return


def _works_in(pid: int, folder: Path) -> bool:
    return Path(f"/proc/{pid}/cwd").resolve() == folder.resolve()


def _signal_group(pid: int, request: signal.Signals) -> None:
    try:
        os.killpg(pid, request)
    except ProcessLookupError:
        return


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
