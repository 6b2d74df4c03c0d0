"""Imports point upwards only, and LAMMPS syntax stands in one room."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "dopantfit"
# The rooms in the order of the science; a room may import those before it. The command line may import all.
ROOMS = [
    "units",
    "errors",
    "presets",
    "strict_toml",
    "rooms",
    "terminal",
    "statistics",
    "workflow",
    "potential",
    "structures",
    "energy",
    "lammps",
    "transport",
    "reference",
    "fit",
    "validate",
    "boundary",
    "study",
    "ceramic",
    "report",
    "design",
    "pipeline",
    "project",
    "cli",
    "__main__",
]
LAMMPS_COMMANDS = [
    "atom_style",
    "bond_coeff",
    "bond_style",
    "comm_modify",
    "fix_modify",
    "kspace_style",
    "min_style",
    "neigh_modify",
    "pair_coeff",
    "pair_modify",
    "pair_style",
    "read_data",
    "run_style",
    "special_bonds",
    "thermo_style",
]


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    """Return the dotted name of a module, packages included by their __init__."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree, module, is_package):
    """Yield the dotted names that a module imports, wherever in it the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                anchor = module.split(".")
                anchor = anchor[: len(anchor) - node.level + is_package]
                base = ".".join([*anchor, base]) if base else ".".join(anchor)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def downward(source, module, is_package=False):
    """Return the imports of `source` that lead to a later room, or past every room."""
    room = module.split(".")[1]
    wrong = []
    for name in imported(ast.parse(source), module, is_package):
        parts = name.split(".")
        if parts[0] != "dopantfit":
            continue
        target = parts[1] if len(parts) > 1 else ""
        if target not in ROOMS or ROOMS.index(target) > ROOMS.index(room):
            wrong.append(name)
    return wrong


def commands_in(source):
    """Return the LAMMPS commands in string literals that are not docstrings."""
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
    return [command for command in LAMMPS_COMMANDS if any(command in text for text in texts)]


def test_there_is_something_to_check():
    assert {"dopantfit.potential.model", "dopantfit.cli", "dopantfit.structures"} <= {name_of(p) for p in modules()}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_every_module_is_in_a_known_room(path):
    module = name_of(path)
    assert module == "dopantfit" or module.split(".")[1] in ROOMS


@pytest.mark.parametrize("path", [p for p in modules() if name_of(p) != "dopantfit"], ids=name_of)
def test_imports_point_upwards_only(path):
    source = path.read_text(encoding="utf-8")
    assert downward(source, name_of(path), path.name == "__init__.py") == []


@pytest.mark.parametrize("path", [p for p in modules() if "lammps" not in p.parts], ids=name_of)
def test_lammps_syntax_stands_in_its_room_only(path):
    assert commands_in(path.read_text(encoding="utf-8")) == []


def circles():
    """Return the circles of modules that import each other, wherever in them the imports stand."""
    known = {name_of(path): path for path in modules()}
    needs = {}
    for module, path in known.items():
        names = imported(ast.parse(path.read_text(encoding="utf-8")), module, path.name == "__init__.py")
        found = {name if name in known else name.rpartition(".")[0] for name in names}
        needs[module] = {name for name in found if name in known} - {module}
    # What nothing that is left needs, or needs nothing that is left, is in no circle.
    left = set(known)
    while alone := {one for one in left if not needs[one] & left or not any(one in needs[other] for other in left)}:
        left -= alone
    return sorted(left)


def test_no_modules_import_each_other_in_a_circle():
    assert [one for one in circles() if not one.startswith("dopantfit.study.")] == []


#: What starts LAMMPS for whoever calls it, and the rooms that a study's tasks run through.
STARTS_LAMMPS = ("run_dynamics", "relax_structure", "md_snapshots")
ROOMS_OF_TASKS = ("boundary", "study")


def without_launcher(source):
    """Return the calls in `source` that would start LAMMPS in a way of their own."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [(call, getattr(call.func, "id", getattr(call.func, "attr", ""))) for call in calls]
    given = {call: {keyword.arg for keyword in call.keywords} for call in calls}
    return [name for call, name in named if name in STARTS_LAMMPS and "launcher" not in given[call]]


@pytest.mark.parametrize(
    "path", [p for p in modules() if set(ROOMS_OF_TASKS) & set(p.relative_to(PACKAGE).parts)], ids=name_of
)
def test_every_run_of_a_study_is_given_its_launcher(path):
    assert without_launcher(path.read_text(encoding="utf-8")) == []


def test_the_check_sees_a_run_without_a_launcher():
    assert without_launcher("a = lammps.run_dynamics(x, y, ranks=2)") == ["run_dynamics"]
    assert without_launcher("a = relax_structure(x, launcher=self.launcher)") == []


@pytest.mark.parametrize(
    ("source", "module", "wrong"),
    [
        ("import dopantfit.fit.swarm", "dopantfit.energy.ewald", ["dopantfit.fit.swarm"]),
        (
            "def f():\n    from dopantfit.lammps import data",
            "dopantfit.potential.model",
            ["dopantfit.lammps.data"],
        ),
        ("from dopantfit import lammps", "dopantfit.potential.model", ["dopantfit.lammps"]),
        ("from dopantfit import Potential", "dopantfit.energy.ewald", ["dopantfit.Potential"]),
        ("from ..fit import swarm", "dopantfit.energy.ewald", ["dopantfit.fit.swarm"]),
        ("from . import ewald", "dopantfit.energy.frame", []),
        ("from .. import errors", "dopantfit.energy.frame", []),
        ("from dopantfit.errors import ConfigError\nimport numpy", "dopantfit.potential.model", []),
        ("from dopantfit.report import page", "dopantfit.cli", []),
    ],
)
def test_the_check_sees_what_it_must_see(source, module, wrong):
    assert downward(source, module) == wrong


def test_the_check_resolves_relative_imports_of_packages():
    assert downward("from .. import fit", "dopantfit.energy", is_package=True) == ["dopantfit.fit"]
    assert downward("from . import ewald", "dopantfit.energy", is_package=True) == []


def test_the_check_sees_commands_but_not_docstrings():
    assert commands_in('"""Writes pair_style."""\ndef f():\n    """read_data"""\n    return "fine"') == []
    assert commands_in('x = f"pair_style {y}"') == ["pair_style"]


def rooms():
    return sorted(path for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())


@pytest.mark.parametrize("room", rooms(), ids=lambda path: path.name)
def test_every_room_has_a_face_whose_names_are_there(room):
    face = import_module(f"dopantfit.{room.name}")
    assert face.__doc__ and face.__all__
    assert [name for name in face.__all__ if not hasattr(face, name)] == []


def test_one_class_name_is_one_thing():
    places: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name_of(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", [p for p in modules() if name_of(p) != "dopantfit.terminal"], ids=name_of)
def test_json_is_printed_in_one_place(path):
    """The one that is UTF-8 in every locale."""
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"stdout\.write\(\s*(json\.)?dumps", source)


#: Modules that write to the terminal beside the `cli` ones: what these print with, the screens of progress, and the
#: tables of a check, which are handed a console.
PRINTING = {"terminal", "workflow.screen", "workflow.overview", "reference.check"}


def test_what_computes_prints_nothing():
    """A verb as a Python function returns its record; what is shown of it is the business of the command line."""
    printing = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            stream = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if called.split(".")[-1] in {"print", "echo", "Console"} or stream in {"sys.stdout", "sys.stderr"}:
                printing.add(name_of(path).removeprefix("dopantfit."))
    assert {name for name in printing if name.split(".")[-1] != "cli"} == PRINTING
