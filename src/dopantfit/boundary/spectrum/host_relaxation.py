"""The host at rest: exchanges made and undone until they lead to nothing lower.

A glass that was quenched in picoseconds is far from its next lower minimum, and any disturbance finds it: an exchange
and its undoing ended up to 2.4 eV below where they began (700 ions). That energy belongs to no site.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.boundary.spectrum.config import Sampling
from dopantfit.boundary.spectrum.relaxations import state_of, swap_model
from dopantfit.boundary.swap.kept import state_id
from dopantfit.boundary.swap.model import Swap
from dopantfit.boundary.swap.relaxed import RelaxedSwaps
from dopantfit.boundary.swap.walker import ReplicaState
from dopantfit.energy.cell_model import CellState
from dopantfit.energy.threads import with_one_blas_thread
from dopantfit.workflow.progress import WorkProgress, write_progress
from dopantfit.workflow.provenance import read_sealed, write_sealed

#: What an exchange and its undoing must gain to count [eV].
GAIN = 0.02
#: Journeys in all, for each that must in turn gain nothing.
_MOST = 8
JOURNEYS = "host-relaxation.json"


@with_one_blas_thread
def relax_host(
    start: ReplicaState,
    potential: str,
    sampling: Sampling,
    reference: int,
    sites: Sequence[int],
    folder: Path,
) -> tuple[ReplicaState, str, float]:
    """The host relaxed by exchanges and their undoing; its identity; and what that gained [eV].

    Goes on where it was left in the folder, where it also says how far it is. reference: the dopant that changes
    places. sites: with whom, in turn.
    """
    swaps = swap_model(start.atoms, potential, sampling)
    known = read_sealed(folder / JOURNEYS)
    if known is None:
        state = swaps.cell.minimum(start.atoms, start.shells)
        known = {"journeys": 0, "in_vain": 0, "first_eV": state.energy}
        known = _keep(swaps, state, known, start, folder)
    state = state_of(swaps, ReplicaState.read(folder / known["state"]))
    while known["in_vain"] < sampling.settling and known["journeys"] < _MOST * sampling.settling:
        gain = known["first_eV"] - state.energy
        words = f"{gain:.2f} eV lower after {known['journeys']} exchanges"
        write_progress(folder, WorkProgress(float(known["journeys"]), text=words))
        swap = Swap(reference, sites[known["journeys"] % len(sites)])
        lower = _there_and_back(swaps, state, swap)
        gained = lower.energy < state.energy - GAIN
        state = lower if gained else state
        known = {**known, "journeys": known["journeys"] + 1, "in_vain": 0 if gained else known["in_vain"] + 1}
        known = _keep(swaps, state, known, start, folder)
    end = _replica(swaps, state, start)
    return end, state_id(swaps.cell, state, potential), known["first_eV"] - state.energy


def _there_and_back(swaps: RelaxedSwaps, state: CellState, swap: Swap) -> CellState:
    """Where an exchange and its undoing lead; the state itself where one of them has no minimum."""
    there = swaps.exchange(state, swap, {}).state
    back = None if there is None else swaps.exchange(there, swap, {}).state
    return state if back is None else back


def _keep(
    swaps: RelaxedSwaps, state: CellState, known: Mapping[str, Any], start: ReplicaState, folder: Path
) -> dict[str, Any]:
    """Write and return how far the relaxation is; the state comes first, under a name with the number of journeys."""
    name = f"host-relaxation-{known['journeys']:03d}.json"
    _replica(swaps, state, start).write(folder / name)
    content = {**known, "state": name}
    write_sealed(folder / JOURNEYS, content)
    for older in sorted(folder.glob("host-relaxation-*.json")):
        if older.name != name:
            older.unlink()
    return content


def _replica(swaps: RelaxedSwaps, state: CellState, start: ReplicaState) -> ReplicaState:
    return replace(start, atoms=swaps.cell.atoms(state), shells=np.array(state.shells), energy=state.energy)
