"""Potentials as TOML: strict reading, writing that reads back to the last bit, and the published library."""

import os
from collections.abc import Iterable, Mapping
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dopantfit.errors import ConfigError, shown
from dopantfit.potential.checks import Pair, pair_key, read_pair
from dopantfit.potential.terms import Buckingham, Species
from dopantfit.strict_toml import Positive, Table, is_file, parse_strict, parse_toml, toml_value
from dopantfit.workflow.schema import require_format

#: Of the layout that is read and written.
FORMAT = 1
_REMEDY = (
    f"fit it again with `dopantfit fit`, or write its numbers in the layout of format {FORMAT} (as those of the "
    "library are)"
)


class PotentialFile(Table):
    """The TOML file, before what concerns several of its entries is checked."""

    format: Literal[1] = Field(description="version of this layout")
    name: str = Field(min_length=1, description="what the potential is called")
    citation: str = Field(description="where it was published")
    cutoff: Positive = Field(description="truncation radius of the Buckingham terms [Å]")
    neutral_in: list[str] = Field(default_factory=list, description="formulas that must be neutral")
    species: dict[str, Species] = Field(description="by label")
    pairs: dict[str, Buckingham] = Field(description='by "label-label"')


def library_names() -> tuple[str, ...]:
    """Return the names of the published potentials that ship with the package."""
    entries = package_files("dopantfit.potential").joinpath("library").iterdir()
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml")))


def locate(source: str | os.PathLike[str]) -> Traversable:
    """Find the file that `source` means: a library name, else a path; ConfigError when it is neither."""
    if isinstance(source, str) and source in library_names():
        return package_files("dopantfit.potential").joinpath("library", f"{source}.toml")
    path = Path(source)
    if not is_file(path):
        raise ConfigError(
            f"{shown(source)}: no such file, and no library potential of this name; "
            f"give a TOML file or one of {', '.join(library_names())}"
        )
    return path


def named_in(folder: str | os.PathLike[str], name: str) -> str:
    """Return what `name` means in a file of `folder`, for ``locate``: a library name, else a path relative to it."""
    return name if name in library_names() else str(Path(folder) / name)


def parse(text: str, source: str) -> PotentialFile:
    """Return what TOML text spells out; raise ConfigError naming `source` and the key."""
    content = parse_toml(text, source)
    if "format" in content:
        require_format(content, source, FORMAT, "potential", _REMEDY)
    return parse_strict(PotentialFile, content, source)


def arguments(file: PotentialFile) -> dict[str, Any]:
    """Return the constructor arguments of Potential that a file holds; ConfigError for what names no pair."""
    content = {name: getattr(file, name) for name in ("name", "citation", "cutoff", "species")}
    return {**content, "pairs": _keyed(file.pairs), "neutral_in": tuple(file.neutral_in)}


def _keyed(pairs: dict[str, Buckingham]) -> dict[Pair, Buckingham]:
    keyed: dict[Pair, Buckingham] = {}
    for text, term in pairs.items():
        labels = read_pair(text)
        if labels is None:
            raise ConfigError(f'pairs."{text}" is no pair; write two species labels as in "Mg-O"')
        pair = pair_key(*labels)
        if pair in keyed:
            raise ConfigError(f"pairs.{text} is given twice, as {labels[1]}-{labels[0]} too; remove one")
        keyed[pair] = term
    return keyed


def write(
    name: str,
    citation: str,
    cutoff: float,
    neutral_in: Iterable[str],
    species: Mapping[str, Species],
    pairs: Mapping[Pair, Buckingham],
) -> str:
    """Write a potential as TOML text: numbers by ``repr``, units in comments, entries in their own order."""
    lines = [
        "# Charges in e, masses in u, springs k of ½ k r² in eV/Å²;",
        "# pairs A exp(-r/rho) - C/r^6 with A in eV, rho in Å, C in eV Å⁶.",
        f"format = {FORMAT}",
        f"name = {toml_value(name)}",
        f"citation = {toml_value(citation)}",
        f"cutoff = {cutoff!r}  # Å, truncated and not shifted",
    ]
    if neutral_in:
        lines.append(f"neutral_in = {toml_value(list(neutral_in))}")
    for label, ion in species.items():
        lines += ["", f"[species.{label}]", f"formal_charge = {ion.formal_charge}  # e"]
        lines += [f"charge = {ion.charge!r}  # e, core", f"mass = {ion.mass!r}  # u, core"]
        if ion.shell:
            lines.append(f"shell = {toml_value(ion.shell.model_dump())}")
    lines += ["", "[pairs]"]
    for (a, b), term in pairs.items():
        lines.append(f'"{a}-{b}" = {toml_value(term.model_dump())}')
    return "\n".join(lines) + "\n"
