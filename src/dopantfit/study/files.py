"""Structures and tables as the tasks of a study leave them, at full precision."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.reference.frames import dump_frames, read_frames
from dopantfit.workflow.provenance import write_json_atomic, write_text_atomic

STRUCTURE = "structure.extxyz"
#: Which exchanges a row of item 2 counts: all, or those whose two sites lie on either side of the interface.
ALL_SITES, ACROSS = "all", "across the interface"
TABLE, CAPTION = "table.csv", "item.json"
#: Mean profile of a composition's walkers of lowest energy, and the first of them.
PROFILE, LOWEST_WALKER = "profile.csv", "walker-1.extxyz"

Cell = str | int | float | None


@dataclass(frozen=True)
class Item:
    """One of the results that a study reports, ready to be drawn: a table and what its caption says.

    columns: name -> unit ("" for none). rows: one value per column; None where there is no number.
    facts: what a caption or a verdict needs, JSON-like.
    missing: names of tasks that failed and would have contributed.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    rows: Sequence[Sequence[Cell]]
    facts: Mapping[str, Any]
    missing: Sequence[str] = ()


def write_structure(path: Path, atoms: Atoms) -> None:
    """Write ions, labels, cell and ``info`` of a structure so that the same floats are read back."""
    plain = Atoms(atoms.get_chemical_symbols(), positions=atoms.positions, cell=atoms.cell, pbc=True)
    if "species" in atoms.arrays:
        plain.set_array("species", atoms.arrays["species"].copy())
    plain.info = dict(atoms.info)
    write_text_atomic(path, dump_frames([plain]))


def read_structure(path: Path) -> Atoms:
    """Read a structure that `write_structure` wrote."""
    return read_frames(path)[0]


def write_item(folder: Path, item: Item) -> tuple[str, ...]:
    """Write ``table.csv`` and ``item.json`` into `folder`; return their names. ConfigError for a ragged table."""
    for row in item.rows:
        if len(row) != len(item.columns):
            raise ConfigError(f"{item.name}: a row of {len(row)} values for {len(item.columns)} columns")
    write_table(folder / TABLE, tuple(item.columns), item.rows)
    content = {
        "name": item.name,
        "title": item.title,
        "table": TABLE,
        "columns": dict(item.columns),
        "facts": dict(item.facts),
        "missing": list(item.missing),
    }
    write_json_atomic(folder / CAPTION, content)
    return TABLE, CAPTION


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a CSV file, floats by ``repr``, nothing where there is no number."""
    lines = [",".join(columns), *(",".join(_cell(value) for value in row) for row in rows)]
    write_text_atomic(path, "\n".join(lines) + "\n")


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f'"{value}"' if "," in value else value
    return repr(value) if isinstance(value, int) else repr(float(value))


def seed_of(seed: int, name: str) -> int:
    """Seed of a task, 1 to 2³¹ - 1, from that of the study and the task's name: no task's depends on another's."""
    return 1 + int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:8]) % (2**31 - 1)
