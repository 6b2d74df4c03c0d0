"""``dopantfit boundary spectrum``: where the dopant goes at equilibrium, from the energies of its exchange."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dopantfit.boundary.options import PotentialOption, UnvalidatedOption
from dopantfit.terminal import JsonOption, at_a_time, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dopantfit.boundary.spectrum.check import ChainPoint
    from dopantfit.boundary.spectrum.config import Thermodynamics
    from dopantfit.boundary.spectrum.question import SpectrumQuestion
    from dopantfit.boundary.spectrum.record import SpectrumRecord


def spectrum(
    structure: Annotated[Path, typer.Argument(help="Folder of a build, or an extended XYZ file, doped or not.")],
    dopant: Annotated[str, typer.Option(help="Label of the dopant in the potential.")],
    potential: PotentialOption,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the run.", show_default="spectrum beside the structure")
    ] = None,
    sites: Annotated[int, typer.Option(min=1, help="Sites in all; more of them go on from what is there.")] = 200,
    arrangements: Annotated[int, typer.Option(min=1, help="Of the mobile ions, for each site.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of the sites, and of the dopant that moves.")] = 1,
    workers: Annotated[int, typer.Option(min=1, callback=at_a_time, help="Relaxations at a time, a process each.")] = 1,
    dopants: Annotated[
        float | None, typer.Option(help="How many there are; those of the structure by default.")
    ] = None,
    interaction: Annotated[float, typer.Option(help="Mean-field term of concentration [eV].")] = 0.0,
    exchange_error: Annotated[
        float, typer.Option(help="Error of the force field's exchange energies between domains, 1 s.d. [eV].")
    ] = 0.0,
    swaps: Annotated[
        Path | None, typer.Option(help="A swap run of the same structure: its relaxations are used, its end checks.")
    ] = None,
    bulk: Annotated[
        str | None, typer.Option(help="What a structure without boundary is: grain or amorphous.", metavar="DOMAIN")
    ] = None,
    host: Annotated[str, typer.Option(help="A TOML file, or the name of a host of the library.")] = "latp",
    unvalidated: UnvalidatedOption = None,
    json: JsonOption = False,
) -> None:
    """Relax exchanges of the dopant with sampled sites of every domain, and say where it goes from 300 to 2000 K."""
    from dopantfit.boundary.spectrum.check import agreement
    from dopantfit.boundary.spectrum.figures import draw_spectrum
    from dopantfit.boundary.spectrum.run import run_spectrum
    from dopantfit.boundary.validation_status import keep_validation_status
    from dopantfit.workflow.pool import local_pool
    from dopantfit.workflow.screen import watched

    asked = {"dopant": dopant, "sites": sites, "arrangements": arrangements, "seed": seed}
    terms = {"dopants": dopants, "interaction": interaction, "exchange_error": exchange_error}
    question, thermodynamics = _asked(structure, potential, host, bulk, asked, terms)
    chain, points = ([], []) if swaps is None else _swapped(swaps, question)
    folder = output or (structure if structure.is_dir() else structure.parent) / "spectrum"
    keep_validation_status(potential, unvalidated, folder)
    with local_pool(workers) as pool, watched() as observer:
        record = run_spectrum(question, thermodynamics, folder, pool, chain, observer)
    draw_spectrum(record, folder, points)
    agreed = agreement(record, points)
    print_json({**record.as_dict(), "chain": agreed}) if json else _show(record, agreed, folder)


def _asked(
    structure: Path, potential: str, host: str, bulk: str | None, asked: dict[str, Any], terms: dict[str, Any]
) -> "tuple[SpectrumQuestion, Thermodynamics]":
    """What is asked, and with what statistics. asked, terms: options by their names in `Sampling`, `Thermodynamics`.

    Raises ConfigError for what no exchange can be made of.
    """
    from dopantfit.boundary.build.sinter import read_boundary
    from dopantfit.boundary.profile.domains import find_domains, only_domain
    from dopantfit.boundary.spectrum.config import Sampling, Thermodynamics
    from dopantfit.boundary.spectrum.question import SpectrumQuestion
    from dopantfit.potential import Potential
    from dopantfit.strict_toml import parse_strict
    from dopantfit.structures import load_host

    of, atoms = load_host(host), read_boundary(structure)
    sampling = parse_strict(Sampling, {**asked, "partners": sorted(of.exchangeable)}, "options")
    thermodynamics = parse_strict(Thermodynamics, terms, "options")
    loaded = Potential.load(potential)
    ion = loaded.species.get(sampling.dopant)
    framework = of.framework if ion is None else of.framework_with(sampling.dopant, ion.formal_charge)
    domains = find_domains(atoms, of, framework=framework) if bulk is None else only_domain(atoms, bulk)
    question = SpectrumQuestion(atoms, domains, of, loaded, sampling)
    question.check()
    return question, thermodynamics


def _swapped(swaps: Path, question: "SpectrumQuestion") -> "tuple[list[Mapping[str, Any] | None], list[ChainPoint]]":
    """Records of the rounds of a swap run of the same structure, and where its chains ended."""
    from dopantfit.boundary.spectrum.check import chain_points
    from dopantfit.boundary.swap.kept import records_of
    from dopantfit.boundary.swap.temper import LADDER_FILE

    length = float(question.atoms.cell[2, 2])
    points = chain_points(swaps, question.domains, length)
    return list(records_of(swaps / LADDER_FILE)), points


def _show(record: "SpectrumRecord", agreed: list[dict[str, object]], folder: Path) -> None:
    from rich.console import Console

    from dopantfit.boundary.spectrum.tables import tables

    # Paths are no markup; tables take theirs as text.
    Console(highlight=False, markup=False).print(*tables(record, agreed), f"written: {folder}", sep="\n")
