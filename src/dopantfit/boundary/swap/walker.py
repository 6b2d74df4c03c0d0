"""A walker's round: a burst of relaxed swaps on the open layers, then molecular dynamics, then a new minimum.

The dynamics runs at one temperature for all walkers (1000 K in the published protocol) whatever their Monte Carlo
temperature is, and minima are what walkers compare: between rounds the chain therefore samples the basins that dynamics
offers, and only within a burst the Boltzmann distribution over swaps.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from dopantfit.boundary.swap.acceptance import Statistics
from dopantfit.boundary.swap.chain import Chain, Sites
from dopantfit.boundary.swap.config import SwapConfig
from dopantfit.boundary.swap.kept import calibrated, state_id
from dopantfit.boundary.swap.layers import active_sites, depths, open_layers
from dopantfit.boundary.swap.model import Swap
from dopantfit.boundary.swap.relaxed import OuterResponse, RelaxedSwaps, Sample, measure_response
from dopantfit.boundary.swap.temper import RoundResult, RoundTask
from dopantfit.energy.arrays import Floats
from dopantfit.energy.cell_model import CellModel, CellState
from dopantfit.energy.threads import with_one_blas_thread
from dopantfit.errors import ConfigError
from dopantfit.lammps import Dynamics, Launcher, run_dynamics
from dopantfit.potential import Potential
from dopantfit.structures import labels_of, with_labels
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.provenance import read_sealed, write_sealed
from dopantfit.workflow.step import Step

#: LAMMPS's seeds end here.
_SEEDS = 2**31 - 1


@dataclass(frozen=True)
class ReplicaState:
    """A walker between rounds: ions, their shells (n, 3) [Å], and what its estimates take off for the outer region.

    energy: of the relaxed state [eV], None before the first round. start_length: of the cell along the normal when
    the interface was given [Å].
    """

    atoms: Atoms
    shells: Floats
    energy: float | None
    response: OuterResponse | None
    start_length: float

    @classmethod
    def of(cls, atoms: Atoms) -> "ReplicaState":
        """The start of a walker."""
        return cls(atoms, atoms.get_positions(), None, None, float(atoms.cell[2, 2]))

    def write(self, path: Path) -> None:
        """Writes all numbers in full precision, with a seal."""
        content = {
            "labels": labels_of(self.atoms),
            "cell": self.atoms.cell.array.tolist(),
            "cores": self.atoms.positions.tolist(),
            "shells": self.shells.tolist(),
            "energy": self.energy,
            "response": None if self.response is None else asdict(self.response),
            "start_length": self.start_length,
        }
        write_sealed(path, content)

    @classmethod
    def read(cls, path: Path) -> "ReplicaState":
        """The inverse of ``write``; ConfigError when the file is damaged or missing."""
        content = read_sealed(path)
        if content is None:
            raise ConfigError(f"{path}: not the state of a replica, or damaged; run its ladder again")
        cores = np.array(content["cores"], dtype=np.float64)
        atoms = Atoms(numbers=[1] * len(cores), positions=cores, cell=content["cell"], pbc=True)
        response = None if content["response"] is None else OuterResponse(**content["response"])
        shells = np.array(content["shells"], dtype=np.float64)
        labelled = with_labels(atoms, content["labels"])
        return cls(labelled, shells, content["energy"], response, content["start_length"])


@dataclass(frozen=True)
class Replicas:
    """Plays rounds of swaps on boundary structures; can be sent to another process.

    potential: its text. folder: where the walkers' configurations and runs go. launcher: of the molecular dynamics, one
    rank for each replica. keep_dynamics: whether the folders of the molecular dynamics stay.
    """

    config: SwapConfig
    potential: str
    folder: Path
    launcher: Launcher
    keep_dynamics: bool = False

    @with_one_blas_thread
    def __call__(self, task: RoundTask) -> RoundResult:
        """See the module; a round that was finished before and left whole files is read, not played again."""
        path = self.folder / f"replica-{task.replica:02d}" / f"round-{task.round_number:04d}.json"
        make_folder(path.parent)
        step = Step(path.with_suffix(".result.json"), {"task": asdict(task)})
        known = step.kept()
        if known is not None:
            return RoundResult(**known["result"])
        result = self._play(task, path)
        step.keep({"result": asdict(result)}, [path.name])
        return result

    def _play(self, task: RoundTask, path: Path) -> RoundResult:
        began = _processor_seconds()
        before = ReplicaState.read(Path(task.configuration))
        potential = Potential.loads(self.potential, source=str(path.parent))
        rng = task.generator()
        swaps = RelaxedSwaps(before.atoms, potential, self.config.burst, before.response)
        cell = swaps.cell
        state = cell.minimum(before.atoms, before.shells)
        sites = self.sites(cell, state, before, task.round_number)
        found: list[Sample] = []
        if before.response is None and self.config.burst.mode == "delayed":
            swaps.response, found = measure_response(swaps, state, self._samples(state, sites, rng))
        chain = Chain(swaps, state, sites, task.temperature, self.config.burst, cell.labels)
        for _ in range(self.config.attempts):
            chain.attempt(rng)
        summed = cell.summed(chain.state)
        after = self._dynamics(summed, swaps, potential, task, int(rng.integers(1, _SEEDS)))
        # The response stays what it was measured to be: a kernel that kept learning would not be reversible.
        ended = ReplicaState(after[0], after[1], after[2], swaps.response, before.start_length)
        ended.write(path)
        record = {
            "statistics": chain.statistics.as_dict(),
            "energy_before": state.energy,
            "energy_after_swaps": summed.energy,
            "drift": chain.state.energy - summed.energy,
            "energy": ended.energy,
            "open_layers": open_layers(self.config.layers, task.round_number),
            "response": asdict(swaps.response),
            "calibration": [asdict(one) for one in found],
            "start": state_id(cell, state, self.potential),
            "relaxed": [asdict(one) for one in (*calibrated(found), *chain.relaxed)],
            "processor_seconds": _processor_seconds() - began,
        }
        return RoundResult(after[2], str(path), record)

    def sites(self, cell: CellModel, state: CellState, before: ReplicaState, round_number: int) -> Sites:
        """The active sites of a round; ConfigError when there is nothing to exchange on them."""
        layers, length = self.config.layers, float(cell.cell[2, 2])
        depth = depths(layers, state.cores[:, 2], length, before.start_length)
        active = active_sites(layers, depth, round_number)
        names, dopant = cell.labels, self.config.dopant
        partners = tuple(names.index(one) for one in self.config.burst.partners if one in names)
        here = state.species[active]
        if dopant not in names or not np.any(here == names.index(dopant)) or not np.isin(here, partners).any():
            raise ConfigError(
                f"no {dopant} to exchange with {', '.join(self.config.burst.partners)} on the active layers: dope the "
                "boundary first, or set layers.interface, into_grain and reservoir so that they hold the dopant"
            )
        by_species = self.config.burst.draw == "species"
        return Sites(active, names.index(dopant), partners, by_species, depth >= 0.0)

    def _samples(self, state: CellState, sites: Sites, rng: np.random.Generator) -> list[Swap]:
        """Swaps of each pair for the calibration, drawn as attempts are."""
        samples = []
        for partner in sites.partners:
            of_pair = Sites(sites.active, sites.dopant, (partner,))
            drawn = [of_pair.draw(state.species, rng) for _ in range(self.config.burst.calibration)]
            samples += [swap for swap in drawn if swap is not None]
        return samples

    def _dynamics(
        self, state: CellState, swaps: RelaxedSwaps, potential: Potential, task: RoundTask, seed: int
    ) -> tuple[Atoms, Floats, float]:
        """Atoms, shells and energy of the minimum after the dynamics of a round; of ``state`` where there is none."""
        settings = self.config.dynamics
        atoms = swaps.cell.atoms(state)
        if settings.duration == 0.0:
            return atoms, state.shells, state.energy
        run = Dynamics(
            settings.temperature, settings.duration, seed, ensemble="npt", pressure=settings.pressure,
            cell=settings.cell, dump_every=100_000, restart_every=100_000,
        )  # fmt: skip
        folder = self.folder / f"replica-{task.replica:02d}" / f"dynamics-{task.round_number:04d}"
        ended = run_dynamics(atoms, potential, run, folder, launcher=replace(self.launcher, ranks=1))
        moved = RelaxedSwaps(ended.atoms, potential, self.config.burst, swaps.response).cell
        minimum = moved.minimum(ended.atoms, ended.shells)
        if not self.keep_dynamics:
            shutil.rmtree(folder)
        return moved.atoms(minimum), minimum.shells, minimum.energy


def _processor_seconds() -> float:
    """Processor time of this process and of the ones that it ran [s]."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def statistics_of(history: Sequence[Mapping[str, Any]]) -> Statistics:
    """Counts of all walkers and rounds together, from the history of a ladder."""
    total = Statistics()
    for played in history:
        for record in played["records"]:
            if record is not None:
                total.add(Statistics.from_dict(record["statistics"]))
    return total
