"""The README's examples and commands work as printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
PYTHON_BLOCKS = [text for language, text in BLOCKS if language == "python"]


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


def test_every_command_line_of_the_readme_succeeds():
    commands = [line for _, text in BLOCKS for line in re.findall(r"^(dopantfit [^#\n]*)", text, flags=re.MULTILINE)]
    assert len(commands) >= 3
    for command in commands:
        arguments = command.split()[1:]
        done = subprocess.run(
            [str(Path(sys.executable).parent / "dopantfit"), *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_no_placeholder_is_left():
    assert not re.search(r"[A-Z]+_[A-Z]+ \|", README)
