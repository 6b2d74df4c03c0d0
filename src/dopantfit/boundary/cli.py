"""``dopantfit boundary``: build and sinter a grain boundary, divide it into domains, dope it, move its dopant."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dopantfit.boundary.options import PotentialOption, RanksOption, UnvalidatedOption
from dopantfit.boundary.spectrum.cli import spectrum
from dopantfit.boundary.swap.cli import bleeding, swap
from dopantfit.terminal import JsonOption, console, print_json

if TYPE_CHECKING:
    from dopantfit.workflow.progress import ProgressObserver

boundary_app = typer.Typer(help="Build, divide and dope a grain boundary.", no_args_is_help=True)
boundary_app.command("swap")(swap)
boundary_app.command("bleeding")(bleeding)
boundary_app.command("spectrum")(spectrum)


@boundary_app.command("build")
def build(
    config: Annotated[
        str, typer.Argument(help="boundary.toml, its folder, or a preset (tiny, quick, night, desk, paper).")
    ],
    output: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/boundary-<name>")] = None,
    potential: PotentialOption = "latp-2021",
    ranks: RanksOption = None,
    only_start: Annotated[
        bool, typer.Option("--only-start", help="Place the ions, and stop before sintering.")
    ] = False,
    unvalidated: UnvalidatedOption = None,
    json: JsonOption = False,
) -> None:
    """Place grains and the amorphous phase between them, and sinter; resumes what was begun."""
    from dopantfit.boundary.build.config import BUILD_FILE, BUILD_PRESETS, load_build, preset_text
    from dopantfit.boundary.build.sinter import build_boundary, copy_config
    from dopantfit.boundary.validation_status import keep_validation_status
    from dopantfit.lammps import Launcher
    from dopantfit.potential import Potential
    from dopantfit.workflow.names import default_run
    from dopantfit.workflow.provenance import write_text_atomic

    settings = load_build(config)
    folder = output or default_run("boundary", settings.name)
    keep_validation_status(potential, unvalidated, folder)
    if only_start:
        settings = settings.model_copy(update={"stages": ()})
    with _watch(json) as observer:
        built = build_boundary(settings, Potential.load(potential), folder, Launcher(ranks=ranks), observer=observer)
    if config in BUILD_PRESETS:
        write_text_atomic(folder / BUILD_FILE, preset_text(config))
    else:
        copy_config(Path(config) / BUILD_FILE if Path(config).is_dir() else Path(config), folder, BUILD_FILE)
    _show(built.record.as_dict(), json, folder)


@boundary_app.command("domains")
def domains(
    structure: Annotated[Path, typer.Argument(help="Folder of a build, or an extended XYZ file; the normal is z.")],
    framework: Annotated[
        list[str] | None, typer.Option(help="Label on the framework's sites; once for each; the host's by default.")
    ] = None,
    host: Annotated[str, typer.Option(help="A TOML file, or the name of a host of the library.")] = "latp",
    output: Annotated[Path | None, typer.Option(help="Draw figures and profiles into this folder.")] = None,
    json: JsonOption = False,
) -> None:
    """Tell grain, complexion and amorphous domain apart; widths, compositions, distances of reducible ions."""
    from dopantfit.boundary.build.sinter import read_boundary
    from dopantfit.boundary.profile.description import describe
    from dopantfit.boundary.profile.domains import find_domains
    from dopantfit.boundary.profile.figures import draw_boundary
    from dopantfit.structures import load_host

    atoms = read_boundary(structure)
    of = load_host(host)
    found = find_domains(atoms, of, framework=tuple(framework or ()))
    if output is not None:
        draw_boundary(atoms, found, of, output)
    _show({"domains": describe(atoms, found, of).model_dump(mode="json")}, json, output)


@boundary_app.command("dope")
def dope(
    structure: Annotated[Path, typer.Argument(help="Folder of a build, or an extended XYZ file.")],
    config: Annotated[Path, typer.Option(help="dope.toml, or its folder.")],
    potential: PotentialOption,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the run.", show_default="dope beside the build")
    ] = None,
    level: Annotated[list[int] | None, typer.Option(help="1 for GB_1; once for each; all by default.")] = None,
    realisations: Annotated[int | None, typer.Option(min=1, help="Of each concentration.")] = None,
    ranks: RanksOption = None,
    unvalidated: UnvalidatedOption = None,
    json: JsonOption = False,
) -> None:
    """Dope the amorphous domain at every concentration and relax every realisation; resumes what was begun."""
    from dopantfit.boundary.build.sinter import copy_config, read_boundary
    from dopantfit.boundary.dope.config import DOPE_FILE, load_dope
    from dopantfit.boundary.dope.run import dope_boundary
    from dopantfit.boundary.validation_status import keep_validation_status
    from dopantfit.lammps import Launcher
    from dopantfit.potential import Potential

    settings = load_dope(config)
    folder = output or (structure if structure.is_dir() else structure.parent) / "dope"
    keep_validation_status(potential, unvalidated, folder)
    with _watch(json) as observer:
        records = dope_boundary(
            read_boundary(structure),
            Potential.load(potential),
            settings,
            folder,
            Launcher(ranks=ranks),
            levels=level,
            realisations=realisations,
            observer=observer,
        )
    copy_config(config / DOPE_FILE if config.is_dir() else config, folder, DOPE_FILE)
    _show({"realisations": [record.as_dict() for record in records]}, json, folder)
    if any(record.error for record in records):
        raise typer.Exit(1)


def _watch(quiet: bool) -> "AbstractContextManager[ProgressObserver]":
    from dopantfit.workflow.progress import unwatched
    from dopantfit.workflow.screen import watched

    return unwatched() if quiet else watched()


def _show(record: dict[str, Any], json: bool, folder: Path | None) -> None:
    if json:
        print_json(record)
        return

    from dopantfit.boundary.profile.tables import tables

    # Names of stages, paths and what LAMMPS said are no markup; tables take theirs as text.
    console(markup=False).print(*tables(record), *([f"written: {folder}"] if folder else []), sep="\n")
