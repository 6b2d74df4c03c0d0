"""Species of the sites of a trajectory: from its file, from a structure, or from a map of types; never from a mass."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.lammps.data_reading import is_data_file, read_data_sites
from dopantfit.strict_toml import require_file
from dopantfit.transport.recording import Recording
from dopantfit.transport.trajectory import Floats
from dopantfit.workflow.compressed import open_text

#: What a type is called whose sites are no ions, and are left out.
SHELL = "shell"
_HEAD = 20_000
_SYMBOL = re.compile(r"([A-Z][a-z]?)(?![a-z])")


@dataclass(frozen=True)
class Structure:
    """What a structure says of the sites of a trajectory.

    labels: of every site, `SHELL` among them; None where it knows types only. kinds: labels by type.
    cell: vectors as rows [Å]; None where it has none.
    """

    source: str
    labels: tuple[str, ...] | None
    kinds: Mapping[str, str] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    cell: Floats | None = None


def read_structure(path: str | os.PathLike[str]) -> Structure:
    """Read a structure: a data file of LAMMPS, or whatever ASE reads (array ``species``, or elements).

    Raises ConfigError when it cannot be read.
    """
    file = Path(path)
    with open_text(file) as stream:
        head = stream.read(_HEAD)
        if is_data_file(head):
            return _from_data(file, head + stream.read())
    frame = read_ase(file, "-1")[0]
    cell = np.asarray(frame.cell.array) if frame.cell.rank == 3 else None
    return Structure(str(file), labels_of(frame), cell=cell)


def _from_data(file: Path, text: str) -> Structure:
    try:
        sites = read_data_sites(text)
    except ValueError as problem:
        raise ConfigError(f"{file}: {problem}") from None
    kinds = {kind: label for kind, name in sites.names.items() if (label := _label(name)) is not None}
    return Structure(str(file), None, kinds, sites.types, sites.cell)


def _label(name: str) -> str | None:
    """Label in what an author calls a type, such as ``Li``, ``O core`` or ``O shell``; None where there is none."""
    if re.search(r"shel|\bdrude\b", name, re.IGNORECASE):
        return SHELL
    word = re.sub(r"[_-]?cores?$", "", name.split()[0].strip("\"',;:()"), flags=re.IGNORECASE)
    symbol = _SYMBOL.match(word)
    return word if symbol is not None and atomic_numbers.get(symbol[1], 0) > 0 else None


def parse_types(words: Sequence[str]) -> dict[str, str]:
    """Read maps such as ``1=Li,2=Ti``; ConfigError for anything else."""
    kinds: dict[str, str] = {}
    for one in ",".join(words).split(","):
        kind, equals, label = (part.strip() for part in one.partition("="))
        if not equals or not kind or not label or kinds.get(kind, label) != label:
            raise ConfigError(f"--types {one!r}: is no type with its species; write 1=Li,2=O,3={SHELL}")
        kinds[kind] = label
    return kinds


def label_sites(
    recording: Recording, structure: Structure | None, kinds: Mapping[str, str] | None
) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Labels of the ions, and which sites they are: all but shells.

    kinds: labels by type, given; they come before those of the structure.
    Raises ConfigError when a site has no label, or the structure another number of sites.
    """
    labels = _labels(recording, structure, dict(kinds or {}))
    ions = np.flatnonzero(np.array(labels) != SHELL)
    if len(ions) == 0:
        raise ConfigError(f"{recording.source}: every type is called {SHELL!r}; name those of the ions")
    return tuple(labels[i] for i in ions), ions


def _labels(recording: Recording, structure: Structure | None, given: dict[str, str]) -> tuple[str, ...]:
    source, n_sites = recording.source, recording.positions.shape[1]
    kinds = {**(structure.kinds if structure else {}), **given}
    if recording.types is not None and kinds:
        return _by_type(recording.types, kinds, source)
    if structure is not None and structure.types:
        labels = _by_type(structure.types, kinds, structure.source)
        return _matching(labels, n_sites, recording, structure)
    if structure is not None and structure.labels is not None:
        return _matching(structure.labels, n_sites, recording, structure)
    if given:
        raise ConfigError(f"{source}: holds no types, which --types names; leave the map out, or give a structure")
    return _own(recording)


def _by_type(types: Sequence[str], kinds: Mapping[str, str], source: str) -> tuple[str, ...]:
    missing = sorted(set(types) - kinds.keys())
    if missing:
        raise ConfigError(
            f"{source}: which species type {missing[0]} is, is not said; give all types, as in --types 1=Li,2=O"
        )
    return tuple(kinds[one] for one in types)


def _matching(labels: tuple[str, ...], n_sites: int, recording: Recording, structure: Structure) -> tuple[str, ...]:
    """Labels of a structure, without its shells where the trajectory has none."""
    ions = tuple(label for label in labels if label != SHELL)
    for some in (labels, ions):
        if len(some) == n_sites:
            return some
    raise ConfigError(
        f"{recording.source}: {len(labels)} species labels for {n_sites} ions (of {structure.source}); "
        "give a structure with the same ions"
    )


def _own(recording: Recording) -> tuple[str, ...]:
    """Labels that the file of the trajectory has itself."""
    source, types = recording.source, recording.types
    if recording.species is not None:
        if types is not None and set(recording.species) == {"C"} and len(set(types)) > 1:
            raise ConfigError(
                f"{source}: calls all its {len(set(types))} types C, as LAMMPS does where nobody names them; "
                "say which they are, as in --types 1=Li,2=O"
            )
        return recording.species
    if types is not None and not any(one.isdigit() for one in types):
        return types
    if types is not None:
        raise ConfigError(
            f"{source}: has types and no column 'element'; say which species they are, as in --types 1=Li,2=O, or give "
            "a structure with the same ions"
        )
    raise ConfigError(
        f"{source}: holds no species (a column 'element' in a dump); "
        f"give a structure with its {recording.positions.shape[1]} ions"
    )


def labels_of(frame: Atoms) -> tuple[str, ...]:
    """Species of every ion: array ``species``, or elements."""
    if "species" in frame.arrays:
        return tuple(str(label) for label in frame.arrays["species"])
    return tuple(frame.get_chemical_symbols())


def read_ase(file: Path, index: str) -> list[Atoms]:
    """Read frames of any format of ASE but those of LAMMPS; ConfigError when they cannot be read."""
    try:
        # Readers raise whatever they like.
        require_file(file)
        kind = ase.io.formats.filetype(str(file))
        if kind.startswith("lammps"):
            raise ConfigError(
                f"{file}: is a file of LAMMPS ({kind}) that is not read: it names types, and no species; "
                "write a text dump (dump custom id type xu yu zu), or extended XYZ"
            )
        frames = ase.io.read(file, index=index, format=kind)
    except ConfigError:
        raise
    except Exception as problem:
        reason = " ".join(str(problem).split())[:160] or type(problem).__name__
        raise ConfigError(
            f"{file}: cannot be read ({reason}); expected .dcd, a LAMMPS text dump, XDATCAR, or a format of ASE such "
            "as extxyz"
        ) from None
    frames = frames if isinstance(frames, list) else [frames]
    if not frames or len(frames[0]) == 0:
        raise ConfigError(f"{file}: holds no ions; expected at least one frame")
    return frames
