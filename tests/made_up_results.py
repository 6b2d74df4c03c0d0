"""Results of a study's tasks with made-up numbers, and the work of a task that needs them."""

from pathlib import Path

from dopantfit.boundary.swap.acceptance import Statistics
from dopantfit.boundary.swap.config import Layers
from dopantfit.statistics import Estimate
from dopantfit.study.bleeding_stage import Accepted, GrainPenetration, WalkerGrain
from dopantfit.study.conduction import NearestNeighbours, SpeciesTransport, Transported
from dopantfit.study.config import Rules
from dopantfit.study.dynamics import Equilibrated
from dopantfit.study.spectrum_stage import ExchangeSpectrum
from dopantfit.study.verdict import ExchangeAccuracy
from dopantfit.workflow.records import Record
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import TypedTask
from dopantfit.workflow.work import Finished, Outcome, Work


def rules(**changes):
    """Limits such as a small study has."""
    plain = {
        "grain_share": 0.2,
        "penetration": 50.0,
        "attempts_per_dopant": 20.0,
        "equilibration": 10.0,
        "bulk_conductivity": 0.9,
        "volume_change": 0.01,
        "boundary_conductivity": 1.0,
        "reducible_density": 1.0,
        "structures": 2,
    }
    return Rules(**plain | changes)


def number(value, error):
    return Estimate(value, error, value - 1.96 * error, value + 1.96 * error)


def bound(limit):
    return Estimate.upper_bound(limit)


def transported(sigma, runs=2, temperature=700.0, diffusion=None, mobile="Li"):
    """A mobile ion of this conductivity, and the O of the framework that it moves against."""
    plain = {"n_ions": 1, "D_xyz_cm2_per_s": None, "msd_reached_A2": 1.0, "msd_rattle_A2": 0.1}
    plain |= {
        "window_ps": (2.0, 4.0),
        "error_over_brownian": 1.0,
        "replica_scatter": None,
        "D_cm2_per_s": diffusion or bound(1e-9),
    }
    return Transported(
        temperature_K=temperature,
        volume_A3=1000.0,
        species={mobile: SpeciesTransport(**plain, tracer_conductivity_S_per_cm=sigma), "O": SpeciesTransport(**plain)},
        collective_conductivity_S_per_cm=bound(1.0),
        haven_ratio=None,
        runs=runs,
    )


def equilibrated(volume, error=1e-3, duration=20.0, **counts):
    return Equilibrated(
        volume_A3=number(volume, error),
        atoms=sum(counts.values()),
        counts=counts,
        mass_u=602.214076 * volume,
        temperature_K=700.0,
        duration_ps=duration,
    )


def neighbours(mean, error=0.01):
    return NearestNeighbours(ions=2, nearest_A=mean, nearest_error_A=None if mean is None else error)


def bled(**changes):
    """A little dopant in the grain, well explored."""
    plain = {
        "walkers": (0, 1),
        "acceptance": {},
        "acceptance_across": {},
        "statistics": Statistics(),
        "grain_fraction": 0.001,
        "grain_share": number(0.02, 0.005),
        "penetration_A": number(35.0, 2.0),
        "penetration_unknown": "",
        "explored_A": 52.5,
        "sites": {"Ti": 1, "Al": 1, "Li": 0},
        "between_sites": 0,
        "attempts_per_dopant": 100.0,
        "grains": (WalkerGrain(dopants=1, size=1000, elsewhere=0.05, depth=35.0),) * 2,
        "layers": Layers(interface=12.0, into_grain=1, reservoir=12.0, width=3.5, count=15, rounds_per_layer=1),
    }
    return GrainPenetration(**plain | changes)


#: Exchange energies of which nothing is known but where they place the dopant.
ACCURACY = ExchangeAccuracy(temperature_K=1000.0)


def spectrum(low, value, high, carriers=10.0):
    """A spectrum of 200 sites whose ratio has this interval."""
    return ExchangeSpectrum(
        temperature_K=1000.0,
        ratio=Estimate(value, (high - low) / 3.92, low, high),
        with_force_field=None,
        exchange_error_eV=0.0,
        shares={},
        carriers=carriers,
        sites=200,
        relaxations={"relaxed": 400},
        settled_eV=0.0,
        warnings=(),
    )


def accepted(attempts, taken, share):
    return Accepted(attempts=attempts, accepted=taken, share=share)


def outcome_of(job: TypedTask[Model], results: dict[str, Model], folder: Path) -> Outcome:
    """Do the work of a job in `folder` with the results, by name, of those of its needs that finished."""
    task = job.task()
    needs = {
        name: Finished(Path(name), Record(name, "", result.model_dump(mode="json"), {}))
        for name, result in results.items()
    }
    assert set(needs) <= set(task.needs)
    return job.action(Work(task, folder, needs))
