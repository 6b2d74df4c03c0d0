"""The command line: one verb per step. Rooms are imported inside the verbs, so that help comes at once."""

import sys
from errno import ENOSPC
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from dopantfit.boundary.cli import boundary_app
from dopantfit.ceramic.cli import ceramic, window
from dopantfit.design.cli import design
from dopantfit.errors import DopantFitError
from dopantfit.fit.cli import fit
from dopantfit.pipeline.cli import learn, run, trace
from dopantfit.project.cli import check, new
from dopantfit.reference.cli import reference_app
from dopantfit.report.cli import compare, report
from dopantfit.study.cli import plan, study
from dopantfit.terminal import (
    JsonOption,
    leave_standard_output,
    load_help,
    notices_shown,
    prepare_streams,
    print_error,
    print_json,
    print_parts,
    refusal,
)
from dopantfit.transport.cli import transport_app
from dopantfit.validate.cli import validate

#: Exit status after Ctrl-C.
_INTERRUPTED = 130

app = typer.Typer(
    name="dopantfit",
    help="From DFT frames of a dopant to a verdict on doping a solid electrolyte's grain boundary with it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
potential_app = typer.Typer(help="Show or export a potential.", no_args_is_help=True)

# Sub-commands, in the order of the science.
app.command("new")(new)
app.command("check")(check)
app.add_typer(potential_app, name="potential")
app.add_typer(reference_app, name="reference")
app.command("fit")(fit)
app.command("learn")(learn)
app.command("study")(study)
app.command("plan")(plan)
app.command("run")(run)
app.command("trace")(trace)
app.command("ceramic")(ceramic)
app.command("window")(window)
app.command("design")(design)
app.command("report")(report)
app.command("compare")(compare)
app.add_typer(transport_app, name="transport")
app.command("validate")(validate)
app.add_typer(boundary_app, name="boundary")

PotentialArgument = Annotated[
    str, typer.Argument(help="A TOML file, or the name of a published set (latp-2021, latp-mg-2022).")
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"dopantfit {version('dopantfit')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@potential_app.command("show")
def show_potential(
    potential: PotentialArgument,
    plot: Annotated[Path | None, typer.Option(help="Draw the pair energies into this image file.")] = None,
    json: JsonOption = False,
) -> None:
    """Print species, pairs and turn-over radii of a potential."""
    from dopantfit.potential import Potential, summary
    from dopantfit.potential.figure import plot_pairs
    from dopantfit.workflow.outputs import check_outputs

    check_outputs({"--plot": plot}, [potential])
    loaded = Potential.load(potential)
    if plot is not None:
        plot_pairs(loaded, plot)
    if json:
        print_json(summary.as_json(loaded))
    else:
        print_parts(*summary.as_tables(loaded))


@potential_app.command("export")
def export_potential(
    potential: PotentialArgument,
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None,
) -> None:
    """Write a potential as a LAMMPS include file."""
    from dopantfit.lammps.include import potential_include
    from dopantfit.potential import Potential
    from dopantfit.workflow.outputs import check_outputs
    from dopantfit.workflow.provenance import write_text_atomic

    check_outputs({"--output": output}, [potential])
    text = potential_include(Potential.load(potential))
    if output is None:
        sys.stdout.write(text)
    else:
        write_text_atomic(output, text)


def main() -> None:
    """Run the command line; bad input or usage ends it with one line on standard error and exit status 2.

    What the system refuses (a path, a permission, a full disk, memory) is bad input too, and ends likewise. Standard
    output that is full ends it with status 1, one that was closed with status 1 and no word.
    """
    prepare_streams()
    if "--help" in sys.argv or len(sys.argv) == 1:
        load_help()
    try:
        # Not standalone: usage errors come here too, instead of being drawn as a box.
        with notices_shown():
            status = app(standalone_mode=False)
        sys.stdout.flush()
    except DopantFitError as error:
        _end(str(error), 2)
    except BrokenPipeError:
        leave_standard_output()
        sys.exit(1)
    except OSError as error:
        _end(refusal(error), 1 if error.filename is None and error.errno == ENOSPC else 2)
    except MemoryError:
        _end("there is not enough memory for this; ask for less at once", 2)
    except TyperException as error:
        message, context = error.format_message().rstrip("."), getattr(error, "ctx", None)
        if not message:  # The help was all that there is to say, and has been printed.
            sys.exit(error.exit_code)
        _end(f"{message}; see {context.command_path} --help" if context else message, error.exit_code)
    if status == _INTERRUPTED:
        sys.stderr.write("dopantfit: interrupted\n")
    sys.exit(status)


def _end(message: str, status: int) -> NoReturn:
    leave_standard_output()
    print_error(message)
    sys.exit(status)


if __name__ == "__main__":
    main()
