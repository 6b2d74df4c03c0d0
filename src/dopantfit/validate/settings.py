"""What people may write to say what a potential is held against: ``validate.toml``, every table optional.

Units: Å, K. Unknown keys are refused. Paths are relative to the file.
"""

from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from dopantfit.errors import ConfigError
from dopantfit.strict_toml import Table, parse_strict, read_text

SETTINGS_FILE = "validate.toml"

Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Text = Annotated[str, Field(min_length=1)]


class MeasuredCell(Table):
    """A cell of the host with ``x`` partners per formula unit, as measured [Å]."""

    x: Text
    a: Positive
    c: Positive
    source: Text

    @field_validator("x")
    @classmethod
    def _is_a_fraction(cls, value: str) -> str:
        try:
            Fraction(value)
        except (ValueError, ZeroDivisionError):
            raise ValueError('must be a fraction as in "1/2"') from None
        return value


class Host(Table):
    """The crystal that is doped, and what is known of it."""

    #: Name in the structure library.
    prototype: Text
    #: Ion whose sites the partner and the dopant take.
    replaced: Text
    #: Ion whose substitution changes the cell as measured.
    partner: Text
    #: Ion that keeps its coordination, the anion around it, and how many of them.
    former: Text
    anion: Text
    coordination: Annotated[int, Field(ge=1)]
    #: Former and anion closer than this are bonded [Å].
    bond: Positive
    #: At least two compositions: the trend is that from the first to the last.
    cells: Annotated[tuple[MeasuredCell, ...], Field(min_length=2)]
    #: First peaks of g(r) at 300 K, "label-label" -> [Å].
    peaks: dict[str, Positive]


class Run(Table):
    """Molecular dynamics of the doped crystal: ``x`` partners, ``y`` dopants per formula unit, at a temperature."""

    x: NonNegative
    y: Positive
    temperature: Positive


class Mobility(Run):
    """The run that shows the mobile ion; its sites are ``hop_length`` apart [Å]."""

    hop_length: Positive


class Compound(Table):
    """The simple compound of the dopant, by a name of the structure library or a file that ASE reads."""

    prototype: Text | None = None
    structure: Text | None = None
    #: Lengths [Å] and angles [°] of its conventional cell; those of the structure by default.
    cell: tuple[float, float, float, float, float, float] | None = None
    #: Where the cell comes from.
    source: Text

    @model_validator(mode="after")
    def _is_one(self) -> "Compound":
        if (self.prototype is None) == (self.structure is None):
            raise ValueError("compound: give either a prototype or a structure")
        return self


class Settings(Table):
    """Everything that a potential is held against."""

    host: Host
    hot: Run
    mobility: Mobility
    compound: Compound | None = None


class _Overrides(Table):
    host: Host | None = None
    hot: Run | None = None
    mobility: Mobility | None = None
    compound: Compound | None = None


def load_settings(folder: Path) -> Settings:
    """Return the defaults with the tables that ``validate.toml`` in ``folder`` has, if there is one.

    Raises ConfigError naming the file and the key.
    """
    text = files("dopantfit.validate").joinpath("defaults.toml").read_text(encoding="utf-8")
    settings = parse_strict(Settings, text, "defaults.toml")
    path = folder / SETTINGS_FILE
    if not path.exists():
        return settings
    written = parse_strict(_Overrides, read_text(path, "write settings there, or remove it"), str(path))
    given = {name: getattr(written, name) for name in _Overrides.model_fields if getattr(written, name) is not None}
    return settings.model_copy(update=given)


def pair_of(text: str) -> tuple[str, str]:
    """Read "Ti-O" as a pair of labels; ConfigError when it is none."""
    labels = text.split("-")
    if len(labels) != 2:
        raise ConfigError(f'{SETTINGS_FILE}: host.peaks."{text}" is no pair; write two labels as in "Ti-O"')
    return labels[0], labels[1]
