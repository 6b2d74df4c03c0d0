"""What a data file of LAMMPS says of its sites: their types, what its author calls these, and the cell."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Place of the type in a line of the section Atoms, by atom style.
_TYPE_COLUMN = dict.fromkeys(("atomic", "charge", "dipole", "sphere", "ellipsoid", "electron", "line", "body"), 1)
_TYPE_COLUMN |= dict.fromkeys(("bond", "angle", "molecular", "full", "template", "tri"), 2)
#: The same by the number of columns, with and without image flags, where that decides.
_TYPE_BY_WIDTH = {5: 1, 8: 1, 7: 2, 10: 2}
_HEADER = re.compile(r"^\s*(\d+)\s+atoms\b")
_SECTION = re.compile(r"^\s*([A-Z][A-Za-z]*(?: [A-Z]?[A-Za-z]+)*)\s*(?:#\s*(\S+).*)?$")


@dataclass(frozen=True)
class DataSites:
    """Sites of a data file.

    types: of every site, in the order of ids; empty where the file has no section Atoms.
    names: what stands behind the masses, or as type labels, by type: ``"Li"``, ``"O shell"``.
    cell: vectors as rows [Å], ``shape=(3, 3)``; None where the header has no box.
    """

    types: tuple[str, ...]
    names: Mapping[str, str]
    cell: NDArray[np.float64] | None


def is_data_file(head: str) -> bool:
    """Whether a text that begins like this is a data file."""
    lines = head.splitlines()[:40]
    return any(_HEADER.match(line) for line in lines[1:]) and not head.startswith("ITEM:")


def read_data_sites(text: str) -> DataSites:
    """Read types, their names and the cell; ValueError, in words, for a damaged file or an atom style not told."""
    sections = dict(_sections(text))
    names = {}
    for section in ("Masses", "Atom Type Labels"):
        for line, comment in sections.get(section, ("", []))[1]:
            words = line.split()
            name = comment if section == "Masses" else " ".join(words[1:])
            if name:
                names[words[0]] = name
    style, rows = sections.get("Atoms", ("", []))
    return DataSites(_types(style, [line.split() for line, _ in rows], names), names, _cell(sections[""][1]))


def _sections(text: str) -> Iterator[tuple[str, tuple[str, list[tuple[str, str]]]]]:
    """Name, what stands behind it, and lines with their comments, of the header (no name) and of every section."""
    name, said, lines = "", "", list[tuple[str, str]]()
    for line in text.splitlines()[1:]:
        content, _, comment = line.partition("#")
        if not content.strip():
            continue
        heading = _SECTION.match(line)
        if heading:
            yield name, (said, lines)
            name, said, lines = heading[1], heading[2] or "", []
        else:
            lines.append((content, comment.strip()))
    yield name, (said, lines)


def _types(style: str, rows: list[list[str]], names: Mapping[str, str]) -> tuple[str, ...]:
    if not rows:
        return ()
    column = _TYPE_COLUMN.get(style)
    if column is None:
        column = _TYPE_BY_WIDTH.get(len(rows[0])) if not style else None
    if column is None:
        raise ValueError(
            f"which column of Atoms is the type is not told ({len(rows[0])} columns, style {style or 'not written'}); "
            "write the style behind the word, as in: Atoms # full"
        )
    try:
        order = np.argsort(np.array([row[0] for row in rows], dtype=np.int64), kind="stable")
        types = [rows[i][column] for i in order]
    except (ValueError, IndexError, OverflowError):
        raise ValueError("the section Atoms is damaged; write it again") from None
    numbers = {name: number for number, name in names.items()}
    return tuple(numbers.get(one, one) for one in types)


def _cell(header: list[tuple[str, str]]) -> NDArray[np.float64] | None:
    known: dict[str, list[float]] = {}
    for line, _ in header:
        words = line.split()
        for count, name in ((2, "xlo"), (2, "ylo"), (2, "zlo"), (3, "xy")):
            if name in words:
                try:
                    known[name] = [float(word) for word in words[:count]]
                except ValueError:
                    raise ValueError(f"{line.strip()[:60]!r} is no edge of a box") from None
    if not {"xlo", "ylo", "zlo"} <= known.keys():
        return None
    x, y, z = (high - low for low, high in (known["xlo"], known["ylo"], known["zlo"]))
    xy, xz, yz = known.get("xy", [0.0, 0.0, 0.0])
    return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])
