"""What people write to have a potential fitted: ``fit.toml``. Every choice that changes a number stands in it.

Units: Å, eV, e, u, GPa. Unknown keys are refused. Paths are relative to the file.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from ase import Atoms
from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from dopantfit.potential.checks import labels_in
from dopantfit.potential.turnover import DANGEROUS_RADIUS
from dopantfit.strict_toml import (
    Count,
    CountOrNone,
    FormalCharge,
    NonNegative,
    Positive,
    Table,
    file_in,
    parse_strict,
    read_text,
)
from dopantfit.structures.convert import read_crystal
from dopantfit.structures.prototypes import crystal
from dopantfit.workflow.names import folder_name

FIT_FILE = "fit.toml"

Text = Annotated[str, Field(min_length=1)]
Scale = Literal["linear", "log", "log1p"]


class Prior(Table):
    """What was known before: the parameter is ``value`` ± ``error`` (one standard deviation), in its own unit."""

    value: float
    error: Positive
    #: Where the number comes from.
    source: Text


class Quantity(Table):
    """One parameter: free between its bounds, or frozen at its start."""

    #: Where the fit starts; the host's value where it is left out.
    start: float | None = None
    #: Lowest and highest value; without bounds the parameter is frozen.
    bounds: tuple[float, float] | None = None
    #: Keep the bounds in the file, and the parameter out of the fit.
    frozen: bool = False
    #: How the box is measured: linear, log (positive bounds), or log1p (linear near zero, logarithmic far from it).
    scale: Scale | None = None
    prior: Prior | None = None
    #: Where the start and the bounds come from.
    source: str = ""

    @property
    def is_free(self) -> bool:
        """Whether the fit varies it."""
        return self.bounds is not None and not self.frozen


class PairQuantities(Table):
    """A exp(-r/ρ) - C/r⁶ of one pair: A [eV], ρ [Å], C [eV Å⁶]."""

    A: Quantity = Quantity()
    rho: Quantity = Quantity()
    C: Quantity = Quantity()


class SpeciesQuantities(Table):
    """Of a species with a shell: charge of the shell [e] at constant total charge, and spring [eV/Å²]."""

    shell_charge: Quantity = Quantity()
    spring: Quantity = Quantity()


class Dopant(Table):
    """The species that is added to the host."""

    label: Text
    #: Oxidation state [e]; its charge is the host's charge per formal charge times this.
    formal_charge: FormalCharge
    #: [u]
    mass: Positive


class ReferenceSet(Table):
    """A reference set, and which error of each kind counts as one."""

    path: Text
    #: Multiplies every squared residual of the set.
    weight: NonNegative = 1.0
    #: [eV/Å] per component; left out, forces are not fitted.
    force_error: Positive | None = None
    #: [eV/atom], within a composition; left out, energies are not fitted.
    energy_error: Positive | None = None
    #: [GPa] per component; left out, stresses are not fitted.
    stress_error: Positive | None = None
    #: Families that are kept out of the fit; those of the manifest where it is left out.
    held_out_families: tuple[Text, ...] | None = None
    #: Frames and families of the set, by name, that are neither fitted nor held out.
    left_out: tuple[Text, ...] = ()


class ExchangeSet(Table):
    """A reference set whose plan has items of kind ``exchange``: relaxed energy differences that the fit is held to."""

    path: Text
    #: Error of an exchange energy that counts as one [eV].
    energy_error: Positive
    #: Exchanges, items or families, by name, that are kept out of the fit and judged.
    held_out: tuple[Text, ...] = ()
    #: Exchanges, items or families, by name, that are neither fitted nor judged.
    left_out: tuple[Text, ...] = ()


class Guards(Table):
    """What keeps a potential away from collapse."""

    #: Turn-over radii of fitted pairs beyond this are penalised [Å].
    turn_over_radius: Positive = DANGEROUS_RADIUS
    #: An excess of this [Å] counts as one residual; leave it out to fit without this guard.
    turn_over_error: Positive | None = 0.05


class Swarm(Table):
    """The global search in the box of the bounds."""

    #: pso is inspyred's particle swarm; the others are samplers of Optuna.
    method: Literal["pso", "tpe", "cma-es"] = "pso"
    particles: Count = 40
    #: Generations after the first; 0 leaves the search out.
    generations: CountOrNone = 30
    inertia: NonNegative = 0.5
    cognitive_rate: NonNegative = 2.1
    social_rate: NonNegative = 2.1


class Local(Table):
    """L-BFGS-B with exact gradients from the best particles."""

    #: How many of the best particles (and of the given starts) are refined.
    starts: Count = 4
    max_iterations: Count = 200
    #: Largest projected gradient of the objective in the unit box.
    gradient_tolerance: Positive = 1e-6
    #: Gauss-Newton steps that finish each start; 0 leaves them out.
    gauss_newton_steps: CountOrNone = 30


class Cell(Table):
    """A measured or computed cell: lengths [Å], angles [°]."""

    a: Positive
    b: Positive
    c: Positive
    alpha: Positive = 90.0
    beta: Positive = 90.0
    gamma: Positive = 90.0
    #: Where the numbers come from.
    source: Text

    def holding(self, atoms: Atoms) -> Atoms:
        """A copy of a structure in this cell, fractional coordinates kept."""
        found = atoms.copy()
        found.set_cell([self.a, self.b, self.c, self.alpha, self.beta, self.gamma], scale_atoms=True)
        return found


class CrystalCell(Cell):
    """The cell of a crystal that ships with the package."""

    #: Name of the crystal, whose positions the relaxation starts from.
    prototype: Text

    def atoms(self) -> Atoms:
        """The prototype in this cell; ConfigError for an unknown crystal."""
        return self.holding(crystal(self.prototype).ions)


class MeasuredCrystal(Cell):
    """A crystal that is at rest in its measured cell, its ions wherever the potential wants them in it."""

    #: Name of a crystal that ships with the package, or path of a structure file beside the configuration.
    prototype: Text | None = None
    structure: Text | None = None
    #: [GPa] per component.
    stress_error: Positive

    @property
    def name(self) -> str:
        """What the crystal is called: its name in the library, or that of its file."""
        return self.prototype or Path(str(self.structure)).stem

    def atoms(self, folder: Path) -> Atoms:
        """The crystal in this cell, one of the library as its primitive cell; ConfigError where there is none."""
        if self.prototype is not None:
            found = crystal(self.prototype)
            return replace(found, sites=self.holding(found.sites)).primitive().ions
        return self.holding(read_crystal(folder / str(self.structure)))

    @model_validator(mode="after")
    def _one_structure(self) -> "MeasuredCrystal":
        if (self.prototype is None) == (self.structure is None):
            raise ValueError("give either a prototype or a structure")
        return self


def _kind_of_reference(value: object) -> str:
    return "frames" if isinstance(value, str) else "cell"


class Preoptimisation(Table):
    """Relaxed cell of a simple compound against the reference, before the swarm."""

    #: "frames": the minimum of the equation of state of ``family``; or a cell, where the frames' volume is not trusted.
    reference: Annotated[
        Annotated[Literal["frames"], Tag("frames")] | Annotated[CrystalCell, Tag("cell")],
        Discriminator(_kind_of_reference),
    ] = "frames"
    #: Reference set with the equation of state.
    path: Text | None = None
    #: Family of frames that differ by isotropic strain only: the equation of state.
    family: Text | None = None
    #: Names of free parameters, as in "rho Na-Cl".
    parameters: Annotated[tuple[Text, ...], Field(min_length=1)]
    #: Relative error of the volume and of each axis that counts as one.
    volume_error: Positive = 0.002
    axis_error: Positive = 0.005
    max_iterations: Count = 30

    @model_validator(mode="after")
    def _one_reference(self) -> "Preoptimisation":
        given = self.path is not None and self.family is not None
        if self.reference == "frames" and not given:
            raise ValueError('reference = "frames" needs path and family of an equation of state; give both')
        if self.reference != "frames" and (self.path or self.family):
            raise ValueError("reference is a cell, so path and family would not be read; remove them")
        return self


class EnsembleDraws(Table):
    """Potentials that the data cannot tell from the best one, to carry the uncertainty into what is computed."""

    #: Draws from the covariance, beside the minima that the local step found.
    draws: CountOrNone = 20


class Spread(Table):
    """How far from the host's values the error budget may take what it frees."""

    #: A is divided and multiplied by at most this.
    A_factor: Annotated[float, Field(gt=1.0)] = 10.0
    #: Relative.
    rho: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    #: [eV Å⁶], never below zero.
    C: Positive = 40.0
    #: Relative, of the charge per formal charge and of the shell's charge.
    charge: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    #: Relative.
    spring: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.6


class BudgetLevel(Table):
    """What a level of the error budget frees beside everything that the fit and the levels before it free."""

    name: Text
    #: Charges of all ions, in one proportion to the formal ones: every balanced cell stays neutral.
    charges: bool = False
    #: Pairs of the host, as in "Na-Cl", or all of them.
    pairs: tuple[Text, ...] | Literal["all"] = ()
    #: Charges and springs of all shells.
    shells: bool = False


class Budget(Table):
    """The error budget: the same data fitted with more and more parameters free, which shows where the error lives."""

    levels: Annotated[tuple[BudgetLevel, ...], Field(min_length=1)]
    spread: Spread = Spread()
    #: As in [local]; every level starts from the minimum of the one before.
    max_iterations: Count = 5
    gauss_newton_steps: CountOrNone = 30


class FitConfig(Table):
    """Everything a fit needs to know."""

    #: Also names the run folder and the potential.
    name: Annotated[str, AfterValidator(folder_name)]
    #: Host potential: a TOML file, or the name of a published set.
    host: Text
    #: Potential whose residuals stand beside the fitted one's: a TOML file, or the name of a published set.
    compare_with: str | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    #: Hold pairs that no training frame brings near (whose term is below 5 meV there at its start) at their starts.
    hold_unseen: bool = False
    #: Fit although all frames have one composition, so that nothing shows whether the result carries over.
    one_composition: bool = False
    dopant: Dopant | None = None
    sets: Annotated[tuple[ReferenceSet, ...], Field(min_length=1)]
    #: Measured cells that the potential is to have.
    crystals: tuple[MeasuredCrystal, ...] = ()
    #: Exchange energies; they enter from the local step on.
    exchanges: tuple[ExchangeSet, ...] = ()
    pairs: dict[str, PairQuantities] = Field(default_factory=dict)
    species: dict[str, SpeciesQuantities] = Field(default_factory=dict)
    #: Charge per formal charge of all ions [e]; cores follow, shells stay.
    charge_scale: Quantity = Quantity()
    #: Multiplies the force residuals of a species; 1 where a species is not named.
    force_weights: dict[str, NonNegative] = Field(default_factory=dict)
    guards: Guards = Guards()
    preoptimisation: Preoptimisation | None = None
    swarm: Swarm = Swarm()
    local: Local = Local()
    ensemble: EnsembleDraws = EnsembleDraws()
    budget: Budget | None = None

    @property
    def frees_host(self) -> bool:
        """Whether numbers of the host are fitted too, which frames without the dopant can tell."""
        dopant = self.dopant.label if self.dopant else None
        tables: list[PairQuantities | SpeciesQuantities] = [
            *(pair for name, pair in self.pairs.items() if dopant not in labels_in(name)),
            *self.species.values(),
        ]
        quantities = [getattr(table, name) for table in tables for name in type(table).model_fields]
        return any(one.is_free for one in (self.charge_scale, *quantities))

    @model_validator(mode="after")
    def _something_weighs(self) -> "FitConfig":
        for one in self.sets:
            if one.force_error is None and one.energy_error is None and one.stress_error is None:
                raise ValueError(
                    f"the set {one.path} has no force_error, energy_error or stress_error: nothing of it would be "
                    "fitted; give at least one, or remove the set"
                )
        if all(one.weight == 0.0 for one in self.sets):
            raise ValueError("every set has weight 0.0: there is nothing to fit; give one a positive weight")
        for paths in ([one.path for one in self.sets], [one.path for one in self.exchanges]):
            if len(set(paths)) < len(paths):
                raise ValueError("a path is named twice; each set counts once")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A fit without exchanges or crystals is written as it was before there were any: its hashes stay."""
        written: dict[str, Any] = write(self)
        for name in ("exchanges", "crystals"):
            if not getattr(self, name):
                written.pop(name, None)
        return written


def load_config(path: str | os.PathLike[str]) -> tuple[FitConfig, Path]:
    """Return the configuration in a TOML file, or in ``fit.toml`` of a folder, and the path of the file.

    Raises ConfigError naming the file and the key.
    """
    file = file_in(path, FIT_FILE)
    return parse_config(read_text(file, "write the fit there as TOML"), str(file)), file


def parse_config(text: str, source: str = FIT_FILE) -> FitConfig:
    """Return the configuration written in ``text`` (TOML); ConfigError naming ``source`` and the key."""
    return parse_strict(FitConfig, text, source)
