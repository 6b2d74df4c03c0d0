"""The README's examples and commands work as printed."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_the_first_example_is_the_one_in_examples_and_prints_what_is_said():
    assert PYTHON_BLOCKS[0] == (ROOT / "examples" / "relax_ltp.py").read_text(encoding="utf-8")
    said = re.search(r"prints `(.*?)`", README)
    assert said is not None
    # Cell to 0.001 Å and energy to 0.001 eV: the optimiser stops at 0.01 eV/Å, well inside that.
    assert _run(PYTHON_BLOCKS[0]).strip() == said.group(1)


def test_the_other_examples_run():
    for block in PYTHON_BLOCKS[1:]:
        assert _run(block).strip()


def test_every_command_line_of_the_readme_succeeds():
    commands = re.findall(r"^(dopantfit [^#\n]*)", README, flags=re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        arguments = command.split()[1:]
        done = subprocess.run(
            [str(Path(sys.executable).parent / "dopantfit"), *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
