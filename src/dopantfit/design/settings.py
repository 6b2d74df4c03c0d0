"""What people write to have compositions designed: ``design.toml``, beside study.toml; without one, a preset.

What is made and run is the study's: host, potential, dopant, engine, boundaries and glasses come from study.toml.
"""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dopantfit.presets import check_preset
from dopantfit.strict_toml import Count, Positive, Seed, Table, is_dir, is_file, parse_strict, parse_toml, read_text

DESIGN_FILE = "design.toml"

Percent = Annotated[float, Field(gt=0.0, le=30.0)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class GlassRuns(Table):
    """How glasses are run, where not as [amorphous] of the study says: [ps], [K]. production: of one segment."""

    equilibration: Positive
    equilibration_temperature: Positive
    heating: Positive
    production: Positive
    temperature: Positive


class DesignSettings(Table):
    """A design: which compositions, how many, and how long their glasses are run."""

    preset: Literal["quick", "night", "desk", "paper"]
    #: Of everything random; that of the study where it is left out.
    seed: Seed | None = None
    #: Compositions that are made, and how many of them at a time: what one batch shows decides on the next.
    trials: Annotated[int, Field(ge=1, le=10_000)]
    batch: Annotated[int, Field(ge=1, le=1_000)]
    #: Compositions that are spread over the whole space before any is chosen by what others showed.
    startup: Annotated[int, Field(ge=2, le=1_000)]
    #: Boundaries that glasses are cut from, the same ones for all compositions, which are compared one by one.
    quenches: Annotated[int, Field(ge=2, le=1_000)]
    #: Segments of production that a composition which may be on the front grows to.
    segments: Annotated[int, Field(ge=1, le=64)]
    #: Dopant in the glass [at%], from and to; share of the reducible ion among what it replaces.
    dose: tuple[Percent, Percent]
    share: tuple[Fraction, Fraction] = (0.0, 1.0)
    #: Places at which what was learned is asked for the next composition.
    candidates: Annotated[Count, Field(le=100_000)] = 512
    glass: GlassRuns | None = None

    @model_validator(mode="after")
    def _spans_are_spans(self) -> Self:
        for name, (low, high) in (("dose", self.dose), ("share", self.share)):
            if low > high or (name == "dose" and low == high):
                raise ValueError(f"{name} = [{low:g}, {high:g}] is no span; write the lower end first")
        return self


def load_design(folder: Path, preset: str | None = None) -> tuple[DesignSettings, Path]:
    """Return the design of a folder with study.toml, and the file that asks for it: design.toml, else study.toml.

    preset: instead of the one that design.toml names, quick where there is none. Raises ConfigError, one line, for
    anything wrong.
    """
    base = folder if is_dir(folder) else folder.parent
    file = base / DESIGN_FILE
    written = parse_toml(read_text(file), str(file)) if is_file(file) else {}
    chosen = preset or str(written.get("preset", "quick"))
    check_preset(chosen, f"{file}: preset" if preset is None else "--preset")
    laid = parse_toml(files("dopantfit.design").joinpath("presets", f"{chosen}.toml").read_text("utf-8"), chosen)
    return parse_strict(DesignSettings, {**laid, **written, "preset": chosen}, str(file)), file
