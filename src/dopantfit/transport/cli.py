"""`dopantfit transport`: what trajectories say, one verb for each question; `msd` where none is named."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dopantfit.terminal import JsonOption, console, print_json

if TYPE_CHECKING:
    from dopantfit.transport.trajectory import Trajectory


class _MsdByDefault(TyperGroup):
    """Takes ``dopantfit transport run.dcd`` for ``dopantfit transport msd run.dcd``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = not args or args[0] in self.commands or args[0] in ctx.help_option_names
        return super().parse_args(ctx, args if named else ["msd", *args])


transport_app = typer.Typer(
    cls=_MsdByDefault,
    help="Diffusion, conductivity, Arrhenius lines, pair distributions, densities and sites from any trajectory.",
    no_args_is_help=True,
)

_FORMATS = "DCD, LAMMPS text dump, XYZ, XDATCAR or ASE trajectory; text may be compressed"
TrajectoryArgument = Annotated[Path, typer.Argument(help=f"{_FORMATS}.")]
StructureOption = Annotated[
    Path | None,
    typer.Option(
        help="Structure with the same ions in the same order, or LAMMPS data file: species, and a cell where the "
        "trajectory has none."
    ),
]
TypesOption = Annotated[
    list[str] | None,
    typer.Option(help="Species of LAMMPS's types, as in 1=Li,2=O,3=shell; shells are left out."),
]
TimestepOption = Annotated[float | None, typer.Option(help="Time step of the molecular dynamics, in ps.")]
IntervalOption = Annotated[float | None, typer.Option(help="Time between frames in ps, where the file has none.")]
FigureOption = Annotated[Path | None, typer.Option(help="Draw into this image file: png, pdf or svg.")]


@transport_app.command("msd")
def msd(
    trajectories: Annotated[list[Path], typer.Argument(help=f"{_FORMATS}; several are independent replicas.")],
    temperature: Annotated[float, typer.Option(help="Temperature of the runs, in K.")],
    mobile: Annotated[
        list[str], typer.Option(help="A mobile species with its formal charge, such as Li=1; once for each.")
    ],
    structure: StructureOption = None,
    types: TypesOption = None,
    timestep: TimestepOption = None,
    interval: IntervalOption = None,
    join: Annotated[bool, typer.Option("--join", help="The files are parts of one run, in this order.")] = False,
    nearest_image: Annotated[
        bool,
        typer.Option(
            "--nearest-image",
            help="Unwrap by nearest image even where an ion moves by more than a third of the cell between frames.",
        ),
    ] = False,
    hop_length: Annotated[
        float | None, typer.Option(help="Distance between sites in Å; below its square D* is a bound. Default: 3.5.")
    ] = None,
    window: Annotated[
        str,
        typer.Option(help="Lags of the fit: from the onset of diffusion, published (0.10:0.70), or parts of the run."),
    ] = "onset",
    output: Annotated[Path | None, typer.Option(help="Write the MSD of every species into this CSV file.")] = None,
    figure: FigureOption = None,
    json: JsonOption = False,
) -> None:
    """Diffusion and conductivity with error bars; upper bounds where ions have not moved a hop."""
    from dopantfit.transport.diffusion import HOP_LENGTH
    from dopantfit.transport.figures import draw_msd
    from dopantfit.transport.summary import parse_charges, summarise, write_msd
    from dopantfit.transport.window import parse_window

    numbers = {"--temperature": temperature, "--hop-length": hop_length}
    _check({"--output": output, "--figure": figure}, [*trajectories, structure], numbers)
    charges, parts = parse_charges(mobile), parse_window(window)
    given = _Given(structure, types, timestep, interval)
    runs, told = _read([trajectories] if join else [[one] for one in trajectories], given, nearest_image)
    summary = summarise(runs, charges, temperature, parts, HOP_LENGTH if hop_length is None else hop_length)
    if output is not None:
        write_msd(output, summary)
    if figure is not None:
        draw_msd(summary, figure)
    _show(json, trajectories, told, summary.as_dict(), summary.as_table(), *summary.remarks())


@transport_app.command("rdf")
def rdf(
    trajectory: TrajectoryArgument,
    pair: Annotated[list[str], typer.Option(help="Species, such as Ti-O: O around Ti; once for each pair.")],
    cutoff: Annotated[float, typer.Option(help="Largest distance in Å; may exceed half the cell.")] = 8.0,
    width: Annotated[float, typer.Option(help="Width of a bin, in Å.")] = 0.05,
    radius: Annotated[
        float | None, typer.Option(help="Count neighbours within this, in Å.", show_default="first minimum of g")
    ] = None,
    structure: StructureOption = None,
    types: TypesOption = None,
    timestep: TimestepOption = None,
    interval: IntervalOption = None,
    output: Annotated[Path | None, typer.Option(help="Write g(r) of every pair into this CSV file.")] = None,
    figure: FigureOption = None,
    json: JsonOption = False,
) -> None:
    """Pair distributions: first peak, first minimum and coordination number of every pair."""
    from dopantfit.transport import tables
    from dopantfit.transport.figures import draw_pairs
    from dopantfit.transport.pairs import check_radii, pair_distribution

    _check({"--output": output, "--figure": figure}, [trajectory, structure])
    pairs = tables.parse_pairs(pair)
    check_radii(cutoff, width, radius)
    (run,), told = _read([[trajectory]], _Given(structure, types, timestep, interval, timed=False), nearest_image=True)
    found = [pair_distribution(run, one, cutoff, width) for one in pairs]
    record = tables.pairs_record(found, radius)
    if output is not None:
        tables.write_pairs(output, found)
    if figure is not None:
        draw_pairs(found, figure)
    _show(json, [trajectory], told, record, tables.pairs_table(record, run))


@transport_app.command("density")
def density(
    trajectory: TrajectoryArgument,
    species: Annotated[str, typer.Option(help="Whose number density.")],
    spacing: Annotated[float, typer.Option(help="Largest distance between voxels, in Å.")] = 0.3,
    smooth: Annotated[float, typer.Option(help="Standard deviation of a Gaussian to convolve with, in Å.")] = 0.0,
    minus: Annotated[
        Path | None, typer.Option(help="Take off the density in this trajectory, of the same crystal and supercell.")
    ] = None,
    minus_structure: Annotated[
        Path | None, typer.Option(help="Structure for --minus.", show_default="that of --structure")
    ] = None,
    level: Annotated[
        float | None, typer.Option(help="Measure the surface where the density, or difference, is this, in 1/Å³.")
    ] = None,
    structure: StructureOption = None,
    types: TypesOption = None,
    timestep: TimestepOption = None,
    interval: IntervalOption = None,
    output: Annotated[Path | None, typer.Option(help="Write density and error of every voxel into this CSV.")] = None,
    cube: Annotated[Path | None, typer.Option(help="Write a Gaussian cube file, for viewers such as VESTA.")] = None,
    mesh: Annotated[Path | None, typer.Option(help="Write the surface at --level as a Wavefront OBJ file.")] = None,
    figure: FigureOption = None,
    json: JsonOption = False,
) -> None:
    """Number density of one species over the cell, or the difference of two, and its isosurface."""
    from dopantfit.transport import tables
    from dopantfit.transport.density import density_difference, density_of, isosurface
    from dopantfit.transport.figures import draw_density

    outputs = {"--output": output, "--cube": cube, "--mesh": mesh, "--figure": figure}
    numbers = {"--spacing": spacing, "--smooth": smooth, "--level": level}
    _check(outputs, [trajectory, structure, minus, minus_structure], numbers)
    given = _Given(structure, types, timestep, interval, timed=False)
    (run,), told = _read([[trajectory]], given, nearest_image=True)
    found = density_of(run, species, spacing)
    if minus is not None:
        (other,), more = _read([[minus]], replace(given, structure=minus_structure or structure), nearest_image=True)
        told = told + more
        a, b, c = found.values.shape
        found = density_difference(found, density_of(other, species, shape=(a, b, c)))
    found = found.smoothed(smooth)
    surface = None if level is None else isosurface(found, level)
    record = tables.density_record(found, minus, surface)
    _write(found, (output, tables.write_density), (cube, tables.write_cube_file))
    _write(surface, (mesh, tables.write_mesh))
    if figure is not None:
        draw_density(found, figure, minus)
    sources = [path for path in (trajectory, minus) if path is not None]
    _show(json, sources, told, record, *tables.density_tables(record))


@transport_app.command("sites")
def sites(
    trajectory: TrajectoryArgument,
    species: Annotated[str, typer.Option(help="Whose visits to the sites.")],
    reference: Annotated[
        Path, typer.Option(help="Structure whose ions stand on the sites, in the cell of the trajectory.")
    ],
    site: Annotated[
        list[str] | None,
        typer.Option(help="A kind of sites: the label of their ions; once for each.", show_default="the species"),
    ] = None,
    radius: Annotated[
        float, typer.Option(help="Radius of a site in Å, less than half the distance between sites.")
    ] = 1.2,
    structure: StructureOption = None,
    types: TypesOption = None,
    timestep: TimestepOption = None,
    interval: IntervalOption = None,
    output: Annotated[Path | None, typer.Option(help="Write the occupancy of every site into this CSV file.")] = None,
    json: JsonOption = False,
) -> None:
    """Occupancy of the sites of a reference structure, kind by kind, and jumps between them."""
    from dopantfit.transport import tables
    from dopantfit.transport.occupancy import site_occupancy
    from dopantfit.transport.reading import sites_of

    _check({"--output": output}, [trajectory, structure, reference], {"--radius": radius})
    (run,), told = _read([[trajectory]], _Given(structure, types, timestep, interval), nearest_image=True)
    kinds, places = sites_of(reference, site or [species], run.mean_cell)
    found = site_occupancy(run, species, places, radius)
    record = tables.sites_record(found, species, kinds)
    if output is not None:
        tables.write_sites(output, found, kinds, places)
    _show(json, [trajectory, reference], told, record, tables.sites_table(record), *tables.jump_remarks(record))


@transport_app.command("arrhenius")
def arrhenius(
    results: Annotated[list[Path], typer.Argument(help="What `transport msd --json` printed, one for a temperature.")],
    species: Annotated[str, typer.Option(help="Whose diffusion or conductivity.")],
    quantity: Annotated[str, typer.Option(help="diffusion, conductivity (Nernst-Einstein) or collective.")] = (
        "conductivity"
    ),
    at: Annotated[
        list[float] | None, typer.Option(help="Also say what the line gives at this temperature, in K.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write points and line into this CSV file.")] = None,
    figure: FigureOption = None,
    json: JsonOption = False,
) -> None:
    """Activation energy with its error, and values at other temperatures, said to be extrapolated where they are."""
    from dopantfit.transport import tables
    from dopantfit.transport.figures import draw_arrhenius

    _check({"--output": output, "--figure": figure}, results, {f"--at {one}": one for one in at or ()})
    points = tables.read_points(results, species, quantity)
    if output is not None:
        tables.write_arrhenius(output, points)
    if figure is not None:
        draw_arrhenius(points, figure)
    record = tables.arrhenius_record(points, at or ())
    _show(json, results, _Told(), record, tables.arrhenius_table(points, at or ()))


@dataclass(frozen=True)
class _Given:
    """What was said of trajectories beside their files."""

    structure: Path | None
    types: Sequence[str] | None
    timestep: float | None
    interval: float | None
    timed: bool = True


@dataclass(frozen=True)
class _Told:
    """Paths of runs that are not finished, and words on what was assumed."""

    unfinished: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __add__(self, other: "_Told") -> "_Told":
        return _Told(self.unfinished + other.unfinished, self.notes + other.notes)


def _read(runs: Sequence[Sequence[Path]], given: _Given, nearest_image: bool) -> tuple[list["Trajectory"], _Told]:
    """Return the trajectories, one for the files of each run, and what standard error is told of them."""
    from dopantfit.transport.labels import parse_types, read_structure
    from dopantfit.transport.reading import as_trajectory, read_replicas, unfinished_run

    structure = None if given.structure is None else read_structure(given.structure)
    types = None if given.types is None else parse_types(given.types)
    # Asked before the files are read: what ends meanwhile may have been read in part.
    unfinished = {str(one): note for run in runs for one in run if (note := unfinished_run(one)) is not None}
    recordings, notes = read_replicas(runs)
    found = [
        as_trajectory(
            recording,
            structure,
            given.timestep,
            given.interval,
            types=types,
            nearest_image=nearest_image,
            timed=given.timed,
        )
        for recording in recordings
    ]
    notes += [note for one in found for note in one.notes]
    for word, texts in (("warning", unfinished.values()), ("note", notes)):
        for text in texts:
            sys.stderr.write(f"dopantfit: {word}: {text}\n")
    return found, _Told(list(unfinished), notes)


def _check(
    outputs: Mapping[str, Path | None], inputs: Sequence[Path | None], numbers: Mapping[str, float | None] | None = None
) -> None:
    """Refuse, before any work, outputs that are inputs or cannot be written, and options that are no finite numbers."""
    from math import isfinite

    from dopantfit.errors import ConfigError
    from dopantfit.workflow.outputs import check_outputs

    check_outputs(outputs, inputs)
    for name, value in (numbers or {}).items():
        if value is not None and not isfinite(value):
            raise ConfigError(f"{name} {value}: is no number; give one")


def _write(content: object, *writers: tuple[Path | None, Callable[[Path, Any], None]]) -> None:
    """Write the content into every file that was asked for."""
    for path, write in writers:
        if path is not None:
            write(path, content)


def _show(json: bool, sources: Sequence[Path], told: _Told, record: dict[str, Any], *table: object) -> None:
    """Print the record with the hashes of its inputs, unfinished runs and notes, or the tables."""
    if json:
        from dopantfit.workflow.provenance import installed_versions, sha256_of

        whole = {
            "inputs": {str(source): sha256_of(source) for source in sources},
            "unfinished": told.unfinished,
            "notes": told.notes,
            "versions": installed_versions(),
            **record,
        }
        print_json(whole)
        return

    console().print(*table, sep="\n")
