"""What people may write to say what a potential is held against: ``validate.toml``, every table optional.

Units: Å, K. Unknown keys are refused. Paths are relative to the file.
"""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from dopantfit.errors import ConfigError
from dopantfit.reference.calculator import is_calculator_name
from dopantfit.strict_toml import Positive, Table, parse_strict, parse_toml, read_text
from dopantfit.structures.hosts import DEFAULT_HOST, Host, MobilityRun, Run, load_host, with_host

SETTINGS_FILE = "validate.toml"

Text = Annotated[str, Field(min_length=1)]


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
            raise ValueError("give either a prototype or a structure")
        return self


def _of_a_module(name: str) -> str:
    """A file that is named by its path is not: a gate that was judged with it would not see it change."""
    if not is_calculator_name(name) or name.partition(":")[0].endswith(".py"):
        raise ValueError("expected module:Class of a module that Python finds, as ase.calculators.emt:EMT")
    return name


class BarrierSettings(Table):
    """What the barrier of the mobile ion is held against, and drawn beside."""

    #: ``module:Class`` of an ASE calculator that is made without arguments.
    calculator: Annotated[str, AfterValidator(_of_a_module)] | None = None
    #: What ``transport arrhenius --json`` printed of the mobile ion, drawn beside; decides nothing.
    diffusion: Text | None = None


class JudgedSet(Table):
    """A reference set whose plan has items of kind ``exchange``."""

    path: Text
    #: Exchanges, items or families, by name, that are not looked at.
    left_out: tuple[Text, ...] = ()


class ExchangeSettings(Table):
    """What the energies of a dopant on other cations' places are held against."""

    sets: Annotated[tuple[JudgedSet, ...], Field(min_length=1)]
    #: Partners whose mean energies differ by no more in the reference have no order [eV].
    label_error: Positive = 0.05
    #: Sets of DFT; where they hold the ends of an exchange, its label is held against theirs.
    dft: tuple[Text, ...] = ()


class Settings(Table):
    """Everything that a potential is held against."""

    #: In files: a name of the library, or a TOML file beside this one.
    host: Host = Field(default_factory=load_host)
    #: The runs of the gates; the host's by default.
    hot: Run = Field(default_factory=lambda known: known["host"].hot)
    mobility: MobilityRun = Field(default_factory=lambda known: known["host"].mobility)
    compound: Compound | None = None
    barrier: BarrierSettings | None = None
    exchange: ExchangeSettings | None = None


def load_settings(folder: Path) -> Settings:
    """Return the host's settings with what ``validate.toml`` in ``folder`` has instead, if there is one.

    Raises ConfigError naming the file and the key.
    """
    path = folder / SETTINGS_FILE
    if not path.exists():
        return Settings()
    content = parse_toml(read_text(path, "write settings there, or remove it"), str(path))
    if isinstance(content.get("host"), dict):
        raise ConfigError(
            f'{path}: [host] is a file of its own now; write host = "my-host.toml", and there what structures/hosts/'
            f"{DEFAULT_HOST}.toml of the package holds"
        )
    return parse_strict(Settings, with_host(content, folder), str(path))
