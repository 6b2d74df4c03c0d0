"""Potentials as TOML: strict reading, writing that reads back to the last bit, and the published library."""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

from pydantic import Field, ValidationError

from dopantfit.errors import ConfigError, shown
from dopantfit.potential.checks import Pair, pair_key
from dopantfit.potential.terms import Buckingham, Data, Positive, Shell, Species
from dopantfit.strict_toml import is_file


class _Document(Data):
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


def read_text(path: Traversable) -> str:
    """Read the text of a UTF-8 file; raise ConfigError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8 TOML") from None


def parse(text: str) -> dict[str, Any]:
    """Return the constructor arguments of Potential that TOML text spells out; raise ConfigError."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # besides TOMLDecodeError: too many digits, too deep
        raise ConfigError(f"not valid TOML: {error}; mend the file there") from None
    try:
        document = _Document(**raw)
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from None
    return {
        "name": document.name,
        "citation": document.citation,
        "cutoff": document.cutoff,
        "species": document.species,
        "pairs": _keyed(document.pairs),
        "neutral_in": tuple(document.neutral_in),
    }


def _keyed(pairs: dict[str, Buckingham]) -> dict[Pair, Buckingham]:
    keyed: dict[Pair, Buckingham] = {}
    for text, term in pairs.items():
        labels = text.split("-")
        if len(labels) != 2:
            raise ConfigError(f'pairs."{text}" is no pair; write two species labels as in "Mg-O"')
        pair = pair_key(labels[0], labels[1])
        if pair in keyed:
            raise ConfigError(f"pairs.{text} is given twice, as {labels[1]}-{labels[0]} too; remove one")
        keyed[pair] = term
    return keyed


#: What pydantic calls a problem, in the words of the person who wrote the file.
_EXPECTED = {
    "greater_than": "must be positive",
    "greater_than_equal": "must not be negative",
    "literal_error": "must be 1, the only layout so far",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "finite_number": "must be a finite number",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "list_type": "must be a list",
}


def _one_line(error: ValidationError) -> str:
    """Put the first problem of a validation as ``key = value must ...``, with how many more there are."""
    # A key that is not known is often the misspelling of one that is missing, so it comes first.
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    first = problems[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
    if first["type"] == "missing":
        return f"{key} is missing; add it{more}"
    if first["type"] == "extra_forbidden":
        valid = ", ".join(_fields_beside(first["loc"]))
        return f"{key} is no known key; remove it, the keys there are {valid}{more}"
    expected = _EXPECTED.get(first["type"], first["msg"])
    return f"{key} = {shorten(repr(first['input']), 60)} {expected}{more}"


def _fields_beside(location: tuple[int | str, ...]) -> list[str]:
    """List the keys that the table holding `location` may have."""
    if location[0] == "pairs":
        return list(Buckingham.model_fields)
    if location[0] != "species":
        return list(_Document.model_fields)
    return list(Shell.model_fields if "shell" in location[:-1] else Species.model_fields)


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
        "format = 1",
        f"name = {_text(name)}",
        f"citation = {_text(citation)}",
        f"cutoff = {cutoff!r}  # Å, truncated and not shifted",
    ]
    if neutral_in:
        lines.append(f"neutral_in = [{', '.join(map(_text, neutral_in))}]")
    for label, ion in species.items():
        lines += ["", f"[species.{label}]", f"formal_charge = {ion.formal_charge}  # e"]
        lines += [f"charge = {ion.charge!r}  # e, core", f"mass = {ion.mass!r}  # u, core"]
        if ion.shell:
            shell = ion.shell
            lines.append(f"shell = {{ charge = {shell.charge!r}, mass = {shell.mass!r}, spring = {shell.spring!r} }}")
    lines += ["", "[pairs]"]
    for (a, b), term in pairs.items():
        lines.append(f'"{a}-{b}" = {{ A = {term.A!r}, rho = {term.rho!r}, C = {term.C!r} }}')
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
