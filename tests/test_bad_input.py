"""What people write by mistake, and what the system refuses, is one line that says what, where and the remedy."""

import os
import subprocess
import sys

import pytest

from dopantfit.cli import main

FIT = """
name = "x"
host = "latp-2021"
[dopant]
label = "Mg"
formal_charge = {charge}
mass = 24.305
[[sets]]
path = "set"
force_error = 0.1
{more}
"""
DIGITS = "9" * 5000
DEEP = "[" * 3000 + "]" * 3000


def run(monkeypatch, capsys, *words):
    """Return exit status and standard error of a command."""
    monkeypatch.setattr(sys, "argv", ["dopantfit", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code, capsys.readouterr().err


def is_refused(monkeypatch, capsys, *words, match=""):
    status, error = run(monkeypatch, capsys, *words)
    assert status == 2, error
    assert error.startswith("dopantfit: error: ") and error.count("\n") == 1 and len(error) < 500
    assert match in error
    return error


@pytest.mark.parametrize("text", [f"a = {DIGITS}", f"a = {DEEP}"], ids=["digits", "deep"])
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("fit.toml", ["fit", "{}", "--dry-run"]),
        ("study.toml", ["plan", "{}"]),
        ("boundary.toml", ["boundary", "build", "{}", "--only-start"]),
        ("potential.toml", ["potential", "show", "{}"]),
        ("plan.toml", ["reference", "generate", "{}"]),
        ("site.toml", ["study", ".", "--site", "{}"]),
    ],
)
def test_numbers_and_lists_that_no_reader_takes_are_one_line(tmp_path, monkeypatch, capsys, text, file, words):
    (tmp_path / file).write_text(text)
    monkeypatch.chdir(tmp_path)
    is_refused(monkeypatch, capsys, *(word.format(tmp_path / file) for word in words), match=".toml")


@pytest.mark.parametrize("name", ["a\0b", "a" * 300], ids=["zero byte", "long"])
def test_names_that_no_file_can_have_are_one_line(tmp_path, monkeypatch, capsys, name):
    written = name.replace("\0", "\\u0000")
    text = FIT.format(charge=2, more="").replace('path = "set"', f'path = "{written}"')
    (tmp_path / "fit.toml").write_text(text)
    is_refused(monkeypatch, capsys, "fit", tmp_path, "--dry-run")
    (tmp_path / "fit.toml").write_text(FIT.format(charge=2, more="").replace("latp-2021", written))
    is_refused(monkeypatch, capsys, "fit", tmp_path, "--dry-run")


@pytest.mark.parametrize(
    "words",
    [
        ["potential", "show", "{}"],
        ["fit", "{}", "--dry-run"],
        ["plan", "{}"],
        ["report", "{}"],
        ["validate", "{}"],
        ["reference", "check", "{}"],
        ["transport", "msd", "{}", "--temperature", "700", "--mobile", "Li=1"],
        ["boundary", "dope", "{}"],
        ["trace", "rho Mg-O", "{}"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_path_of_300_characters_is_one_line(monkeypatch, capsys, words):
    is_refused(monkeypatch, capsys, *(word.format("a" * 300) for word in words))


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ("[swarm]\nparticles = 1_000_000_000", "particles"),
        ("[swarm]\ngenerations = 1_000_000_000", "generations"),
        ("[ensemble]\ndraws = 1_000_000_000_000", "draws"),
    ],
)
def test_counts_that_nothing_could_hold_are_refused_with_the_largest(tmp_path, monkeypatch, capsys, more, match):
    (tmp_path / "fit.toml").write_text(FIT.format(charge=2, more=more))
    assert "1000000" in is_refused(monkeypatch, capsys, "fit", tmp_path, "--dry-run", match=match)


def test_a_formal_charge_that_no_ion_has_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "fit.toml").write_text(FIT.format(charge=21, more=""))
    is_refused(monkeypatch, capsys, "fit", tmp_path, "--dry-run", match="dopant.formal_charge = 21")


def test_a_folder_below_a_file_is_one_line_with_its_path(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("x")
    is_refused(
        monkeypatch, capsys, "potential", "export", "latp-2021", "--output", tmp_path / "file" / "x.in", match="file"
    )


def command(*words, locale="C.UTF-8", **streams):
    environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    return subprocess.run([sys.executable, "-m", "dopantfit.cli", *words], env=environment, timeout=60, **streams)


def test_json_is_utf8_and_tables_are_shown_in_every_locale():
    found = command("potential", "show", "latp-2021", "--json", locale="C", capture_output=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout.decode("utf-8").startswith("{")
    assert command("potential", "show", "latp-2021", locale="C", capture_output=True).returncode == 0


def test_a_closed_pipe_is_silent_and_a_full_output_is_one_line():
    reader, writer = os.pipe()
    os.close(reader)
    closed = command("potential", "show", "latp-2021", "--json", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (closed.returncode, closed.stderr) == (1, b"")
    with open("/dev/full", "wb") as full:
        found = command("potential", "show", "latp-2021", "--json", stdout=full, stderr=subprocess.PIPE)
    assert found.returncode == 1 and found.stderr.count(b"\n") == 1 and b"No space left" in found.stderr
