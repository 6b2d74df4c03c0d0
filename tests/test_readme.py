"""The README's examples and commands work as printed."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import ase.io
import pytest

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "fits" / "Mg" / "study"
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
PYTHON_BLOCKS = [text for language, text in BLOCKS if language == "python"]
#: Commands of the tutorial, which stand indented; those of the first four verbs take seconds.
TUTORIAL = [line.strip() for line in re.findall(r"^    (dopantfit [^#\n]*)", README, flags=re.MULTILINE)]
CHEAP = ("plan", "potential", "trace", "report")
#: Verbs named anywhere in the text or its tables: `dopantfit reference check|import`.
NAMED = sorted(set(re.findall(r"`dopantfit ([a-z]+)\b", README)))


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_the_first_example_is_the_one_in_examples_and_prints_what_is_said():
    assert PYTHON_BLOCKS[0] == (ROOT / "examples" / "relax_ltp.py").read_text(encoding="utf-8")
    said = re.search(r"prints `(.*?)`", README)
    assert said is not None
    printed = _run(PYTHON_BLOCKS[0]).strip()
    number = r"-?[0-9]+\.[0-9]+"
    assert re.sub(number, "", printed) == re.sub(number, "", said.group(1))
    # An optimiser that stops at 0.01 eV/Å leaves the soft c axis uncertain by some 0.01 Å.
    assert [float(n) for n in re.findall(number, printed)] == pytest.approx(
        [float(n) for n in re.findall(number, said.group(1))], abs=0.01
    )


def test_the_other_examples_run():
    for block in PYTHON_BLOCKS[1:]:
        assert _run(block).strip()


def dopantfit(*arguments, cwd):
    command = [str(Path(sys.executable).parent / "dopantfit"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What the tutorial's commands work on, to be written into; the fit that comes with the project stays as it is."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "fits" / "Mg", folder / "fits" / "Mg", ignore=shutil.ignore_patterns("report"))
    (folder / "reference_dft").symlink_to(ROOT / "reference_dft")
    return folder


def verb_of(command):
    return shlex.split(command)[1]


def test_the_tutorial_shows_every_cheap_verb():
    assert set(CHEAP) <= {verb_of(command) for command in TUTORIAL}


@pytest.mark.parametrize("command", [command for command in TUTORIAL if verb_of(command) in CHEAP])
def test_a_command_of_the_tutorial_succeeds(command, clone):
    done = dopantfit(*shlex.split(command)[1:], cwd=clone)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert done.stdout.strip()
    assert verb_of(command) != "report" or (clone / "fits" / "Mg" / "report" / "report.html").is_file()


@pytest.mark.parametrize("command", [command for command in TUTORIAL if verb_of(command) not in CHEAP])
def test_a_long_command_of_the_tutorial_has_its_options(command):
    done = dopantfit(verb_of(command), "--help", cwd=ROOT)
    options = [word for word in shlex.split(command) if word.startswith("--")]
    assert done.returncode == 0, done.stderr
    assert options and all(option in done.stdout for option in options)


@pytest.mark.parametrize("verb", NAMED)
def test_a_verb_that_is_named_exists(verb):
    assert dopantfit(verb, "--help", cwd=ROOT).returncode == 0


def test_every_command_line_of_the_readme_succeeds():
    commands = [line for _, text in BLOCKS for line in re.findall(r"^(dopantfit [^#\n]*)", text, flags=re.MULTILINE)]
    assert len(commands) >= 3
    for command in commands:
        done = dopantfit(*shlex.split(command)[1:], cwd=ROOT)
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_the_numbers_of_the_study_are_those_of_the_kept_one():
    crystal, boundary = (
        ase.io.read(STUDY / name / "structure.extxyz").get_chemical_symbols()
        for name in ("crystals/C_1/equilibrate", "boundary")
    )
    assert f"{crystal.count('Mg')} Mg (C_1)" in README
    assert f"({len(boundary)} ions in the boundary" in README
    verdict = json.loads((STUDY / "verdict" / "verdict.json").read_text(encoding="utf-8"))
    found = [check for one in verdict["compositions"]["GB_1"]["requirements"] for check in one["checks"]]
    checks = [check["interval"] for check in found]
    assert f"bears an error of {found[0]['field']['bears_eV']:.2g} eV" in README
    assert f"are off by {found[0]['field']['known']['energy_eV']:.2f} eV" in README
    for said, low, high in (
        ("0 (0 to 0.086)", 0.0, 0.0863),
        ("0 % (0 to 0.23)", 0.0, 0.00231),
        ("1.00 (0.93 to 1.16)", 0.9345, 1.157),
        ("0.68 (0.61 to 0.77)", 0.6076, 0.769),
        ("3.0 (1.04 to 8.9)", 1.037, 8.853),
    ):
        assert said in README
        assert any(
            one["low"] == pytest.approx(low, rel=0.01) and one["high"] == pytest.approx(high, rel=0.01)
            for one in checks
            if None not in (one["low"], one["high"])
        )


def _error_on(name, rows):
    return next(row["rms_error"] for row in rows if row["name"] == name)


def test_the_numbers_of_the_fit_are_those_of_its_records():
    fit, gates = (
        json.loads((ROOT / "fits" / "Mg" / name).read_text("utf-8")) for name in ("fit.json", "validation.json")
    )
    held_out = [fit["errors"][name]["held_out"] for name in ("published", "fitted")]
    rows = [
        (said, *(f"{_error_on(name, one['forces']):.2f}" for one in held_out))
        for said, name in (
            ("force error on Mg (eV/Å)", "Mg"),
            ("on all ions", "all"),
            ("on Mg and its first shell", "Mg and its first shell"),
        )
    ]
    rows.append(
        (
            "energies within a composition, offsets of the training frames (meV/atom)",
            *(f"{1000.0 * _error_on('all', one['energies']):.0f}" for one in held_out),
        )
    )
    details = {gate["name"]: gate["details"] for gate in gates["gates"]}["correlation"]
    about_themselves = (
        next(one["rms_error"] for one in details[side]["energies"] if one["kind"] == "all")
        for side in ("compared", "subject")
    )
    rows.append(
        ("the same, offsets of the held-out frames themselves", *(f"{1000.0 * e:.0f}" for e in about_themselves))
    )
    for row in rows:
        assert f"| {' | '.join(row)} |" in README
    free = json.loads((ROOT / "fits" / "LATP-Mg" / "fit.json").read_text("utf-8"))["errors"]["fitted"]["held_out"]
    assert f"(`fits/LATP-Mg`) has {_error_on('all', free['forces']):.2f} eV/Å" in README
    passed = [gate["name"] for gate in gates["gates"] if gate["passed"]]
    assert len(gates["gates"]) == 9 and set(passed) == {gate["name"] for gate in gates["gates"]} - {"exchange"}
    assert "eight of nine passed" in README
    parameters = fit["parameters"]
    known = [one for one in parameters if one["identified"]]
    said = f"Of the {len(parameters)} free parameters of Mg the data identify {len(known)}, of which "
    assert f"{said}{sum(one['at_bound'] for one in known)} lie at a bound" in README


def test_the_dopants_side_by_side_are_what_the_command_prints_now():
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "compare_in_readme.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    command = re.search(r"^<!-- (dopantfit compare .*) -->$", README, flags=re.MULTILINE)
    assert command is not None and f"`{command[1].removesuffix(' --markdown')}`" in README


def test_no_placeholder_is_left():
    assert not re.search(r"[A-Z]+_[A-Z]+ \|", README)
