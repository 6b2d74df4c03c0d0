"""`dopantfit reference`: check, import, split, generate and run. Rooms are imported inside the verbs."""

import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dopantfit.terminal import JsonOption, at_a_time, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from dopantfit.reference.calculator import CalculatorSettings
    from dopantfit.reference.plan import Plan

reference_app = typer.Typer(help="Check, import, split, generate and compute DFT frames.", no_args_is_help=True)

SetArgument = Annotated[Path, typer.Argument(help="Folder of the set: frames.extxyz and manifest.toml.")]
PlanArgument = Annotated[Path, typer.Argument(help="Folder of the set; needs its plan.toml.")]
OnlyOption = Annotated[list[str] | None, typer.Option(help="Only this item of the plan; once for each.")]
WorkOption = Annotated[Path | None, typer.Option(help="Folder for inputs and outputs.", show_default="runs/<set>")]
StepsOption = Annotated[
    str | None,
    typer.Option(
        help="Ionic steps to take from an output: first, last, all, numbers from 0 (0,3,-1) or ::10.",
        show_default="last; all of a relaxation that --write-only wrote",
    ),
]
CalculatorOption = Annotated[
    str | None,
    typer.Option(help="ASE calculator that makes the labels instead of CP2K: module:Class, or ./file.py:function."),
]
OptionsOption = Annotated[
    str | None, typer.Option(help='Its arguments as an inline table: \'{model = "7net-l3i5", device = "cpu"}\'.')
]

#: More imported frames than this are named by the first and the last.
_NAMED = 12


class Code(StrEnum):
    """A code that input folders are written for."""

    castep = "castep"
    vasp = "vasp"
    espresso = "espresso"
    cp2k = "cp2k"


@reference_app.command("check")
def check(
    folder: SetArgument,
    potential: Annotated[
        str | None, typer.Option(help="Take formal charges from this potential (a file, or latp-mg-2022).")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say what speaks against a set; exit status 1 if there is an error. No frame is ever dropped."""
    from dopantfit.potential import Potential
    from dopantfit.reference.check import check_set, print_report

    report = check_set(folder, None if potential is None else Potential.load(potential))
    if json:
        print_json(report.to_dict())
    else:
        print_report(report, _console())
    if report.errors:
        raise typer.Exit(1)


@reference_app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="Outputs of CASTEP, VASP, Quantum ESPRESSO or CP2K, extended XYZ, or folders of them."),
    ],
    folder: Annotated[Path, typer.Option("--set", help="Folder of the set; needs its manifest.toml.")],
    family: Annotated[
        str | None, typer.Option(help="Family of these frames, never split between training and held-out.")
    ] = None,
    steps: StepsOption = None,
    converged_only: Annotated[
        bool, typer.Option("--converged-only", help="Leave out, and name, the steps that did not converge.")
    ] = False,
    completed_part: Annotated[
        bool, typer.Option("--completed-part", help="Take what a run had completed when it was cut.")
    ] = False,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="Temperature of the trajectory [K]; 0 for relaxations.")
    ] = None,
    energy_key: Annotated[str | None, typer.Option(help="Name of the energy in extended XYZ, as REF_energy.")] = None,
    forces_key: Annotated[str | None, typer.Option(help="Name of the forces in extended XYZ, as REF_forces.")] = None,
    stress_key: Annotated[
        str | None, typer.Option(help="Name of the stress or virial in extended XYZ; none leaves it out.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Append frames of other codes to a set: all of them, or none if one is not sound."""
    from dopantfit.reference.check import check_set
    from dopantfit.reference.extxyz_keys import ResultKeys
    from dopantfit.reference.importing import import_files
    from dopantfit.reference.ionic_steps import StepChoice

    choice = StepChoice(steps, converged_only, completed_part)
    done = import_files(files, folder, family, choice, temperature, ResultKeys(energy_key, forces_key, stress_key))
    report = check_set(folder)
    names = [str(frame.info["frame_id"]) for frame in done.frames]
    if json:
        counts = {"errors": len(report.errors), "warnings": len(report.warnings)}
        print_json({"imported": names, "remarks": list(done.remarks), "check": counts})
        return
    for remark in done.remarks:
        sys.stderr.write(f"{remark}\n")
    named = ", ".join(names) if len(names) <= _NAMED else f"{names[0]} to {names[-1]}"
    sys.stdout.write(f"{len(names)} frames imported into {folder}: {named}\n")
    found = f"{len(report.errors)} errors, {len(report.warnings)} warnings"
    sys.stdout.write(f"the set now has {found}; see `dopantfit reference check {folder}`\n")


@reference_app.command("split")
def split(
    folder: SetArgument,
    hold_out: Annotated[list[str], typer.Option(help="A family to hold out whole; once for each.")],
    reason: Annotated[str, typer.Option(help="Why these families.")],
    json: JsonOption = False,
) -> None:
    """Fix in the manifest which families are held out of the fit; refused if they leak."""
    from dopantfit.reference.frames import load_set
    from dopantfit.reference.split import fix_split, train_and_held_out

    fix_split(folder, hold_out, reason)
    train, held_out = train_and_held_out(load_set(folder))
    if json:
        print_json({"training": len(train), "held_out": len(held_out), "held_out_families": hold_out})
        return
    sys.stdout.write(f"{folder}: {len(train)} frames for training, {len(held_out)} held out\n")


@reference_app.command("generate")
def generate(folder: PlanArgument, only: OnlyOption = None, work: WorkOption = None, json: JsonOption = False) -> None:
    """Write the configurations of a plan that can be made now; `run` makes them by itself."""
    from dopantfit.reference.collect import finished_frames
    from dopantfit.reference.generate import configurations, near_duplicates, write_configurations
    from dopantfit.reference.plan import load_plan
    from dopantfit.reference.run import default_work
    from dopantfit.workflow.folders import make_folder
    from dopantfit.workflow.screen import watched

    plan = load_plan(folder)
    place = make_folder(work or default_work(plan))
    with watched() as observer:
        made = configurations(plan, folder, finished_frames(plan, folder, place), place, tuple(only or ()), observer)
    paths = write_configurations(made.configurations, place)
    near = near_duplicates([c.atoms for c in made.configurations], plan.min_distance)
    if json:
        pairs = [{"frames": [one, other], "distance_A": distance} for one, other, distance in near]
        print_json({"written": [str(path) for path in paths], "near_duplicates": pairs, "waiting": list(made.waiting)})
        return
    for one, other, distance in near:
        sys.stdout.write(f"near-duplicates: {one} and {other} are {distance:.3f} Å per ion apart\n")
    sys.stdout.writelines(f"{line}\n" for line in made.waiting)
    sys.stdout.write(f"{len(paths)} configurations in {place / 'configurations'}\n")


@reference_app.command("run")
def run(
    folder: PlanArgument,
    jobs: Annotated[int, typer.Option(min=1, callback=at_a_time, help="Frames to compute at a time.")] = 1,
    ranks: Annotated[int, typer.Option(min=1, callback=at_a_time, help="MPI ranks of each CP2K.")] = 1,
    write_only: Annotated[
        Code | None, typer.Option(help="Only write complete input folders, to run elsewhere and import.")
    ] = None,
    calculator: CalculatorOption = None,
    options: OptionsOption = None,
    only: OnlyOption = None,
    work: WorkOption = None,
    json: JsonOption = False,
) -> None:
    """Compute the plan of a set and collect the frames; started again, it goes on where it was."""
    from dopantfit.reference.plan import CationExchange, Relaxation, load_plan
    from dopantfit.reference.run import default_work, outlook, run_set, with_calculator
    from dopantfit.workflow.folders import make_folder
    from dopantfit.workflow.progress import duration_in_words
    from dopantfit.workflow.screen import watched

    settings = calculator_settings(calculator, options)
    plan = with_calculator(load_plan(folder), settings, folder)
    place, names = work or default_work(plan), tuple(only or ())
    if write_only is not None:
        _write_only(plan, folder, write_only.value, place, names)
        return
    make_folder(place)
    with watched() as observer:
        ahead = outlook(plan, folder, place, jobs, ranks, names, observer)
        left = ahead.planned - ahead.finished
        how_long = "" if math.isnan(ahead.seconds) else f", about {duration_in_words(ahead.seconds)}"
        at_most = (
            " at most"
            if left and any(isinstance(item, Relaxation | CationExchange) for item in plan.items(names))
            else ""
        )
        observer.say(f"{left} of {ahead.planned} frames to compute{at_most}{how_long}")
        summary = run_set(
            folder, work=place, jobs=jobs, ranks=ranks, only=names, observer=observer, calculator=settings
        )
    if json:
        print_json({"computed": list(summary.done), "failed": dict(summary.failed), "waiting": list(summary.waiting)})
        raise typer.Exit(1 if summary.failed else 0)
    sys.stdout.writelines(f"{line}\n" for line in summary.waiting)
    sys.stdout.write(f"{len(summary.done)} frames computed, {len(summary.failed)} failed; set in {folder}\n")
    if summary.failed:
        raise typer.Exit(1)


@reference_app.command("compare")
def compare(
    folder: SetArgument,
    dft: Annotated[Path, typer.Argument(help="Folder of a set of DFT, which the labels are held against.")],
    jobs: Annotated[int, typer.Option(min=1, help="Frames to compute at a time.")] = 1,
    around: Annotated[
        list[str] | None, typer.Option(help="A dopant whose first shell is told by itself; once for each.")
    ] = None,
    calculator: CalculatorOption = None,
    options: OptionsOption = None,
    work: WorkOption = None,
    json: JsonOption = False,
) -> None:
    """Hold the calculator that labelled a set against DFT, and write how far it is into the manifest."""
    from dopantfit.reference.label_check import compare_labels, lines_of
    from dopantfit.reference.manifest import load_manifest
    from dopantfit.workflow.screen import watched

    with watched() as observer:
        check = compare_labels(
            folder,
            dft,
            jobs=jobs,
            work=work,
            around=tuple(around or ()),
            calculator=calculator_settings(calculator, options),
            observer=observer,
        )
    if json:
        print_json(check.model_dump(mode="json"))
        return
    sys.stdout.writelines(f"{line}\n" for line in lines_of(str(folder), load_manifest(dft).name, check))


def calculator_settings(make: str | None, options: str | None) -> "CalculatorSettings | None":
    """Return the calculator of a command line; a file of it is relative to where the command is given."""
    from dopantfit.errors import ConfigError
    from dopantfit.reference.calculator import CalculatorSettings, parse_options
    from dopantfit.strict_toml import parse_strict

    if make is None:
        if options is not None:
            raise ConfigError("--options are of a calculator; name it with --calculator")
        return None
    where, _, attribute = make.rpartition(":")
    if where.endswith(".py"):
        make = f"{Path(where).resolve()}:{attribute}"
    written = {"make": make, "options": {} if options is None else parse_options(options)}
    return parse_strict(CalculatorSettings, written, "--calculator")


def _write_only(plan: "Plan", folder: Path, code: str, work: Path, only: tuple[str, ...]) -> None:
    from dopantfit.reference.collect import finished_frames
    from dopantfit.reference.write_inputs import write_inputs

    destination = work.with_name(f"{work.name}-{code}")
    folders = write_inputs(plan, folder, code, destination, finished_frames(plan, folder, work), work, only)
    if not folders:
        sys.stdout.write(f"no input folders to write: every frame that can be made now is in {folder}\n")
        return
    sys.stdout.write(f"{len(folders)} input folders in {destination}\n")


def _console() -> "Console":
    from rich.console import Console

    # A pipe has no width; the table needs this much.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 140)
