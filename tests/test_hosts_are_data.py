"""What the program knows of a host stands in files of hosts, not in its code.

Covered are the rooms in which an ion's name would be such knowledge. Not covered: potential/, lammps/ and transport/,
whose errors show what a label looks like, and reference/, whose tables are of elements, such as pseudopotentials.
"""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "dopantfit"
ROOMS = (
    "boundary",
    "ceramic",
    "design",
    "energy",
    "fit",
    "pipeline",
    "report",
    "statistics",
    "structures",
    "study",
    "validate",
    "workflow",
)
#: Ions of LATP and of its dopants alone, the units and names of them; in a sentence or as a label.
NAMES = re.compile(r"(?<![\w-])(Li|Al|Ti|Zr|Na|Sc|Mg|P|O|PO4|PO₄|LATP|LTP|LiTi2P3O12|[Pp]hosphates?)(?![\w])")
#: Words that show people what may be written, the marker P of matplotlib, the centring P of crystals, a reason.
EXAMPLES = {
    "validate/figures.py": {"P"},
    "report/style.py": {"P"},
    "pipeline/cli.py": {"Mg", "O"},
    "structures/hosts/model.py": {"Ti"},
    "structures/prototypes.py": {"P"},
    "structures/symmetry.py": {"P"},
    "workflow/figures.py": {"P"},
    "validate/thresholds.py": {"phosphates"},
}


def modules():
    return sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py"))


def names_in(source):
    """Names of ions in string literals that are no docstrings, parts of f-strings included."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]
    return {name for text in texts for name in NAMES.findall(text)}


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_code_names_an_ion_of_a_host(path):
    where = path.relative_to(PACKAGE).as_posix()
    assert names_in(path.read_text(encoding="utf-8")) - EXAMPLES.get(where, set()) == set()


def test_the_check_sees_labels_and_words_but_not_docstrings():
    source = '"""Li moves."""\nx = {"Li": 1, "C_1": 2}\ny = f"the {x} of PO4"\nz = "Option, Line, Po"'
    assert names_in(source) == {"Li", "PO4"}
