"""The command line as a user meets it: its output, its exit status, and what starting it takes."""

import json
import resource
import subprocess
import sys

import pytest

from command_line import dopantfit
from dopantfit.potential import Potential


def process(*arguments):
    command = [sys.executable, "-m", "dopantfit.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_lists_the_verbs():
    done = process("--help")
    assert done.returncode == 0
    assert "potential" in done.stdout


def test_help_imports_no_room():
    # What makes help quick, without a stopwatch: nothing that computes is loaded.
    code = (
        "import sys, dopantfit.cli; heavy = ('numpy', 'ase', 'scipy', 'numba', 'matplotlib', 'pydantic');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_reads_no_markdown_and_leaves_the_reader_to_others():
    code = (
        "import contextlib, io, sys; sys.argv = ['dopantfit', 'fit', '--help']\n"
        "from dopantfit.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit): main()\n"
        "print('markdown_it' in sys.modules, 'Usage' in said.getvalue())\n"
        "from rich.markdown import Markdown; print(Markdown('*a*').parsed[0].type)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "paragraph_open"]


def test_help_comes_at_once():
    # Processor time, because a busy machine stretches the clock: 0.17 s measured, heavy imports add 0.5 s.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_version():
    from importlib.metadata import version

    assert process("--version").stdout.strip() == f"dopantfit {version('dopantfit')}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["study", ".", "--workers", "0"], "--workers"),
        (["study"], "folder"),
        (["run", ".", "--workers", "0"], "--workers"),
        (["trace", "fits/Mg"], "parameter"),
        (["stdy"], "study"),
        (["fit", "--nope"], "--nope"),
    ],
)
def test_a_wrong_call_is_one_line_that_names_what_is_wrong_and_where_help_is(arguments, said):
    done = dopantfit(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("dopantfit: error: ") and said in line and line.endswith("--help")


def test_without_arguments_comes_the_help():
    done = dopantfit()
    assert "Usage" in done.stdout and done.stderr == ""


def test_show_prints_species_pairs_and_marks():
    done = process("potential", "show", "latp-mg-2022")
    assert done.returncode == 0
    assert "10.3390/nano12172912" in done.stdout
    rows = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("│")}
    assert "-1.598" in rows["O"]
    assert "1.74" in rows["Mg-P"] and "20.7" in rows["Mg-P"] and "!" in rows["Mg-P"]
    assert "none" in rows["Li-Li"] and "!" not in rows["Li-Li"]
    assert "!" not in rows["Mg-Ti"]


def test_show_as_json_is_only_json_and_gives_the_potential_back(tmp_path):
    done = dopantfit("potential", "show", "latp-mg-2022", "--json", "--plot", tmp_path / "pairs.png")
    shown = json.loads(done.stdout)
    potential = Potential.load("latp-mg-2022")
    assert {tuple(entry["pair"]): entry["A"] for entry in shown["pairs"]} == {
        pair: term.A for pair, term in potential.pairs.items()
    }
    assert shown["species"]["O"]["shell"]["spring"] == 88.6
    dangerous = [entry["pair"] for entry in shown["pairs"] if entry["dangerous"]]
    assert sorted(dangerous) == [["Al", "P"], ["Mg", "P"], ["P", "Ti"]]
    assert (tmp_path / "pairs.png").stat().st_size > 10_000


def test_export_writes_every_number_of_the_potential(tmp_path):
    done = dopantfit("potential", "export", "latp-2021", "--output", tmp_path / "latp.in")
    assert (done.returncode, done.stdout) == (0, "")
    text = (tmp_path / "latp.in").read_text()
    assert dopantfit("potential", "export", "latp-2021").stdout == text
    written = set(text.replace("(", " ").replace(")", " ").split())
    for term in Potential.load("latp-2021").pairs.values():
        assert {repr(term.A), repr(term.rho), repr(term.C)} <= written
    assert "44.3" in written  # the harmonic K of LAMMPS is half of k = 88.6 eV/Å²


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("potential", "show", "nope"), "nope: no such file, and no library potential"),
        (("potential", "show", "broken.toml"), "broken.toml: not valid TOML"),
        (("potential", "show", "latp-2021", "--plot", "x.nope"), "x.nope: cannot be drawn"),
        (("potential", "show", "latp-2021", "--plot", "no/x.png"), "no/x.png: cannot be written"),
        (("potential", "export", "latp-2021", "--output", "no/x.in"), "no/x.in: cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, message, tmp_path, monkeypatch):
    (tmp_path / "broken.toml").write_text("a = = 1\n")
    monkeypatch.chdir(tmp_path)
    done = dopantfit(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"dopantfit: error: {message}")
    assert done.stderr.count("\n") == 1


def test_an_unknown_verb_is_status_2():
    done = dopantfit("potential", "explode")
    assert done.returncode == 2
    assert "explode" in done.stderr
