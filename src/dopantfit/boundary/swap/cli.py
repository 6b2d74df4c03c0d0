"""``dopantfit boundary swap`` and ``bleeding``: move a dopant by relaxed-swap Monte Carlo, and see where it went."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dopantfit.boundary.options import PotentialOption, UnvalidatedOption
from dopantfit.terminal import JsonOption, at_a_time, console, new_table, print_json


def swap(
    structure: Annotated[Path, typer.Argument(help="A doped boundary, any file that ASE reads; the normal is z.")],
    config: Annotated[Path, typer.Argument(help="swap.toml.")],
    output: Annotated[Path, typer.Option(help="Folder of the run; an unfinished one is resumed.")],
    potential: PotentialOption = "latp-mg-2022",
    workers: Annotated[int, typer.Option(min=1, callback=at_a_time, help="Walkers at a time, a process each.")] = 1,
    rounds: Annotated[int | None, typer.Option(min=1, help="Stop after so many rounds; all by default.")] = None,
    unvalidated: UnvalidatedOption = None,
    json: JsonOption = False,
) -> None:
    """Move a dopant across a grain boundary: swaps judged by relaxed energies, walkers at several temperatures."""
    from dopantfit.boundary.swap.config import load_swap
    from dopantfit.boundary.swap.run import run_swaps, summary
    from dopantfit.boundary.validation_status import keep_validation_status
    from dopantfit.lammps import Launcher
    from dopantfit.potential import Potential
    from dopantfit.workflow.pool import local_pool
    from dopantfit.workflow.progress import unwatched
    from dopantfit.workflow.screen import watched

    atoms, settings = _structure(structure), load_swap(config)
    keep_validation_status(potential, unvalidated, output)
    of = Potential.load(potential)
    with local_pool(workers) as pool, unwatched() if json else watched() as observer:
        ladder = run_swaps(atoms, settings, of, output, pool, Launcher(), observer, rounds)
    _show(summary(ladder), json)


def bleeding(
    folder: Annotated[Path, typer.Argument(help="Folder of a swap run.")],
    lowest: Annotated[int, typer.Option(min=1, help="Walkers of lowest energy that are averaged over.")] = 6,
    json: JsonOption = False,
) -> None:
    """Acceptance by pair, profiles after the swaps, penetration depth and occupied sites."""
    from dopantfit.boundary.swap.run import analyse
    from dopantfit.workflow.provenance import write_json_atomic

    found = analyse(folder, lowest)
    write_json_atomic(folder / "bleeding.json", found)
    _show(found, json)


def _structure(path: Path) -> Any:
    import ase.io

    from dopantfit.errors import ReferenceDataError
    from dopantfit.strict_toml import require_file

    try:
        require_file(path)
        return ase.io.read(path)
    except Exception as problem:
        raise ReferenceDataError(f"{path}: not a structure that ASE can read ({problem}); give a boundary") from None


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for title, name in (("All exchanges", "acceptance"), ("Across the interface", "acceptance_across")):
        table = new_table(title, "partner", "attempts", "accepted", "Metropolis share", "95 %")
        for partner, one in found[name].items():
            interval = f"{one['low']:.3f}-{one['high']:.3f}"
            table.add_row(partner, str(one["attempted"]), str(one["accepted"]), f"{one['share']:.3f}", interval)
        console().print(table)
    for walker in found.get("walkers", []):
        deepest, sites = walker["penetration"]["deepest"], walker["sites"]
        sys.stdout.write(f"replica {walker['replica']}: {walker['energy_eV']:.3f} eV, {deepest:.1f} Å deep, {sites}\n")
