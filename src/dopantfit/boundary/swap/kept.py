"""Fully relaxed exchanges that a chain made of the state that a round began with, for whoever asks of that state."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dopantfit.boundary.swap.model import RelaxedExchange
from dopantfit.boundary.swap.relaxed import Sample
from dopantfit.energy.cell_model import CellModel, CellState
from dopantfit.errors import ReferenceDataError
from dopantfit.workflow.provenance import hash_of, read_sealed


def calibrated(samples: Iterable[Sample]) -> list[RelaxedExchange]:
    """The exchanges from which estimates learnt what they leave out."""
    return [RelaxedExchange(one.first, one.second, one.full) for one in samples]


def state_id(cell: CellModel, state: CellState, potential: str) -> str:
    """Hash of a relaxed state, of its cell and of the text of the potential."""
    labels = [cell.labels[int(one)] for one in state.species]
    return hash_of([labels, cell.cell.tolist(), state.cores.tolist(), state.shells.tolist(), potential])


def kept_exchanges(records: Iterable[Mapping[str, Any] | None], state: str) -> dict[tuple[int, int], float]:
    """Energy changes [eV] by pair of sites, of the exchanges of a state in the records of rounds; the first counts."""
    found: dict[tuple[int, int], float] = {}
    for record in records:
        # Rounds of an earlier version kept none.
        if record is not None and record.get("start") == state:
            for one in record["relaxed"]:
                found.setdefault((one["first"], one["second"]), one["change"])
    return found


def records_of(ladder_file: Path) -> Iterator[Mapping[str, Any] | None]:
    """Records of all rounds in the checkpoint of a ladder; ReferenceDataError where there is none that holds."""
    content = read_sealed(ladder_file)
    if content is None:
        raise ReferenceDataError(f"{ladder_file}: not a checkpoint of swaps, or damaged; name the folder of a swap run")
    for played in content["ladder"]["history"]:
        yield from played["records"]
