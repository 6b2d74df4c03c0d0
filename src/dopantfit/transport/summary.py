"""What `dopantfit transport` prints: diffusion and conductivity of every species of one system, replicas together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dopantfit.errors import ConfigError
from dopantfit.statistics import Estimate
from dopantfit.terminal import new_table
from dopantfit.transport.conductivity import Conductivity, collective_conductivity, haven_ratio, tracer_conductivity
from dopantfit.transport.diffusion import CM2_PER_S, HOP_LENGTH, Diffusion, collective_diffusion, tracer_diffusion
from dopantfit.transport.msd import MeanSquareDisplacement, collective_displacement, mean_square_displacement
from dopantfit.transport.trajectory import Trajectory
from dopantfit.workflow.outputs import write_csv

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Summary:
    """Transport of one system at one temperature.

    temperature: [K]. volume: of the mean cell [Å³], averaged over the runs.
    diffusion: by species, framework species included.
    tracer: Nernst-Einstein conductivity by mobile species [S/cm].
    collective: of all mobile species together [S/cm]. haven: Haven ratio; None with more than one mobile species,
        or where a conductivity is a bound.
    msd: of every run, by species [Å²].
    """

    sources: tuple[str, ...]
    temperature: float
    volume: float
    diffusion: Mapping[str, Diffusion]
    tracer: Mapping[str, Conductivity]
    collective: Conductivity
    haven: Estimate | None
    msd: Mapping[str, tuple[MeanSquareDisplacement, ...]] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the MSD as plain numbers, units in the names."""
        return {
            "temperature_K": self.temperature,
            "volume_A3": self.volume,
            "species": {name: self._species(name) for name in self.diffusion},
            "collective_conductivity_S_per_cm": self.collective.value.as_dict(),
            "haven_ratio": None if self.haven is None else self.haven.as_dict(),
        }

    def _species(self, name: str) -> dict[str, Any]:
        result = self.diffusion[name]
        row = {
            "n_ions": result.n_ions,
            "D_cm2_per_s": result.cm2_per_s.as_dict(),
            "D_xyz_cm2_per_s": None
            if result.coefficient.is_upper_bound
            else [float(value) for value in result.directional * CM2_PER_S],
            "msd_reached_A2": result.reached,
            "msd_rattle_A2": result.rattle,
            "window_ps": list(result.window),
            "error_over_brownian": None if result.scatter is None else result.scatter.scale,
            "replica_scatter": result.replica_scatter,
        }
        if name in self.tracer:
            row["tracer_conductivity_S_per_cm"] = self.tracer[name].value.as_dict()
        return row

    def as_table(self) -> "Table":
        """Return the table for a terminal."""
        title = f"{len(self.sources)} run(s) at {self.temperature:g} K, {self.volume:.1f} Å³"
        table = new_table(title, "species", "ions", "MSD reached Å²", "D* cm²/s", "σ tracer S/cm")
        for name, result in self.diffusion.items():
            sigma = str(self.tracer[name].value) if name in self.tracer else ""
            table.add_row(name, str(result.n_ions), f"{result.reached:.3g}", str(result.cm2_per_s), sigma)
        return table

    def remarks(self) -> list[str]:
        """Return what the table does not hold."""
        lines = [f"collective conductivity {self.collective.value} S/cm ({self.collective.species})"]
        if self.haven is not None:
            lines.append(f"Haven ratio {self.haven}")
        if any(result.coefficient.is_upper_bound for result in self.diffusion.values()):
            lines.append("< is a 95 % upper bound: the ions have not moved a hop, or no further than their error")
        if len(self.sources) == 1:
            lines.append("errors are of this one run; only replicas show the spread between runs")
        return lines


def parse_charges(words: Sequence[str]) -> dict[str, float]:
    """Read formal charges out of words such as ``Li=1``; ConfigError for anything else."""
    charges: dict[str, float] = {}
    for word in words:
        name, _, charge = word.partition("=")
        try:
            charges[name] = float(int(charge))
        except ValueError:
            raise ConfigError(
                f"--mobile {word}: is no species with a formal charge; write it as Li=1 or Mg=2"
            ) from None
    return charges


def summarise(
    runs: Sequence[Trajectory],
    charges: Mapping[str, float],
    temperature: float,
    window: tuple[float, float] | None = None,
    hop_length: float = HOP_LENGTH,
) -> Summary:
    """Transport of independent runs of one system.

    charges: formal charges of the mobile species [e]; all others are framework. temperature: [K]. window, hop_length:
    as of `tracer_diffusion`. Charge moves diffusively when the ions that carry it do.
    Raises ConfigError when the runs hold different ions, ConvergenceError when a run is too short to fit.
    """
    if not runs:
        raise ConfigError("transport: no trajectory was given; give at least one")
    for run in runs:
        if sorted(run.species) != sorted(runs[0].species):
            raise ConfigError(
                f"{run.source}: holds other ions than {runs[0].source}; replicas have the same composition, "
                "give other systems by themselves"
            )
    names = [*charges, *sorted(set(runs[0].species) - set(charges))]
    msd = {name: tuple(mean_square_displacement(run, name, mobile=tuple(charges)) for run in runs) for name in names}
    diffusion = {name: tracer_diffusion(msd[name], window, hop_length) for name in names}
    volume = sum(run.volume for run in runs) / len(runs)
    tracer = {
        name: tracer_conductivity(diffusion[name], charge, volume, temperature) for name, charge in charges.items()
    }
    carriers = [diffusion[name] for name in charges if not diffusion[name].coefficient.is_upper_bound]
    onset = max((one.window[0] for one in carriers), default=None)
    moments = [collective_displacement(run, charges) for run in runs]
    collective = collective_conductivity(collective_diffusion(moments, window, onset), volume, temperature)
    return Summary(
        sources=tuple(run.source for run in runs),
        temperature=temperature,
        volume=volume,
        diffusion=diffusion,
        tracer=tracer,
        collective=collective,
        haven=_haven(tracer, collective),
        msd=msd,
    )


def write_msd(path: Path, summary: Summary) -> None:
    """Write time [ps] and MSD [Å²] of every species and run as CSV, full precision.

    Raises ConfigError when the file cannot be written.
    """
    header = ("species", "run", "time_ps", "msd_x_A2", "msd_y_A2", "msd_z_A2")
    numbered = ((name, number, run) for name, runs in summary.msd.items() for number, run in enumerate(runs, 1))
    rows = (
        (name, number, time, *row)
        for name, number, run in numbered
        for time, row in zip(run.times.tolist(), run.directional.tolist(), strict=True)
    )
    write_csv(path, header, rows)


def _haven(tracer: Mapping[str, Conductivity], collective: Conductivity) -> Estimate | None:
    if len(tracer) != 1:
        return None
    (only,) = tracer.values()
    if only.value.is_upper_bound or collective.value.is_upper_bound:
        return None
    return haven_ratio(only, collective)
