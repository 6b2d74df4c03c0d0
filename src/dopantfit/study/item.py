"""The results that a study reports: a table and the facts of its caption, as they are written and read."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, JsonValue

from dopantfit.errors import ConfigError
from dopantfit.study.item_schemas import SCHEMAS, ConductivityFacts, Schema, hotter_sigma, interval_columns
from dopantfit.workflow.outputs import write_csv
from dopantfit.workflow.provenance import sha256_of, write_json_atomic
from dopantfit.workflow.schema import Model, parse_record

TABLE, CAPTION = "table.csv", "item.json"
Cell = str | int | float | None
Facts = TypeVar("Facts", bound=BaseModel, covariant=True)


@dataclass(frozen=True)
class Item(Generic[Facts]):
    """One of the results that a study reports, ready to be drawn: a table and what its caption says.

    columns: name -> unit ("" for none). rows: one value per column; None where there is no number.
    facts: what a caption needs. missing: names of tasks that failed and would have contributed.
    files: beside the table, by name; of one that was read.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Cell]]
    facts: Facts
    missing: Sequence[str] = ()
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def intervals(self) -> tuple[str, ...]:
        """The quantities that the table gives with their 95 % intervals, in the order of its columns."""
        known = SCHEMAS.get(self.name, Schema()).intervals
        kelvin = self.facts.second_temperature_K if isinstance(self.facts, ConductivityFacts) else None
        known += () if kelvin is None else (hotter_sigma(kelvin),)
        return tuple(one for one in known if interval_columns(one)[2] in self.columns)


class Caption(Model):
    """``item.json``: what the table beside it holds."""

    name: str
    title: str
    table: str
    columns: dict[str, str]
    facts: dict[str, JsonValue]
    missing: tuple[str, ...]


def tabulated(columns: Mapping[str, str], rows: Iterable[Sequence[Cell]], name: str) -> list[dict[str, Cell]]:
    """Give the values of rows the names of their columns; ConfigError for a ragged table."""
    found = []
    for row in rows:
        if len(row) != len(columns):
            raise ConfigError(f"{name}: a row of {len(row)} values for {len(columns)} columns")
        found.append(dict(zip(columns, row, strict=True)))
    return found


def write_item(folder: Path, item: Item[BaseModel]) -> tuple[str, ...]:
    """Write ``table.csv`` and ``item.json`` into `folder`; return their names."""
    write_csv(folder / TABLE, tuple(item.columns), [tuple(row.values()) for row in item.rows])
    caption = Caption(
        name=item.name,
        title=item.title,
        table=TABLE,
        columns=dict(item.columns),
        facts=item.facts.model_dump(mode="json"),
        missing=tuple(item.missing),
    )
    write_json_atomic(folder / CAPTION, caption.model_dump(mode="json"))
    return TABLE, CAPTION


def read_item(folder: Path, name: str, hashes: Mapping[str, str]) -> Item[BaseModel]:
    """Return the result `name`, as it lies in `folder`.

    hashes: SHA-256 of its files. Raises ConfigError when one is missing or changed since it was written, or the result
    has not what the schema of its name asks for.
    """
    for file in sorted({TABLE, CAPTION, *hashes}):
        path = folder / file
        if not path.is_file():
            raise ConfigError(f"{path}: is missing; run `dopantfit study` again")
        if hashes.get(file) != sha256_of(path):
            raise ConfigError(
                f"{path}: is not what the study wrote (truncated or changed); run `dopantfit study` again"
            )
    caption = parse_record(Caption, folder / CAPTION, "run `dopantfit study` again")
    schema = SCHEMAS.get(name, Schema())
    if lacking := [column for column in schema.columns if column not in caption.columns]:
        raise ConfigError(
            f"{folder}: no column `{lacking[0]}`, an older version wrote it; run `dopantfit study` (and --keep) again"
        )
    facts = schema.read(caption.facts, folder)
    rows = read_table(folder / TABLE, tuple(caption.columns))
    files = {file: folder / file for file in hashes}
    return Item(name, caption.title, caption.columns, rows, facts, caption.missing, files)


def read_table(path: Path, columns: tuple[str, ...] = ()) -> list[dict[str, Cell]]:
    """Return a CSV table; ConfigError when it is no text, its first line not `columns` (if given), or a line ragged."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "no table"
        raise ConfigError(f"{path}: cannot be read ({reason}); run `dopantfit study` again") from None
    if not lines or (columns and tuple(lines[0]) != columns):
        raise ConfigError(f"{path}: its first line is not {','.join(columns)}; run `dopantfit study` again")
    names = lines[0]
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(names):
            raise ConfigError(f"{path}: line {number} has {len(line)} values for {len(names)} columns")
    return [{name: _read(text) for name, text in zip(names, line, strict=True)} for line in lines[1:]]


def _read(text: str) -> Cell:
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
