"""``dopantfit new`` and ``check``: the files of a new dopant, and a look at all of them before any work."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dopantfit.reference.cli import CalculatorOption, Code, OptionsOption, calculator_settings
from dopantfit.terminal import JsonOption, counted, print_error, print_json, print_parts


def new(
    dopant: Annotated[str, typer.Argument(help="Element of the dopant, such as Ga.")],
    charge: Annotated[int, typer.Option(help="Its formal charge, such as 3.")],
    like: Annotated[str, typer.Option(help="The cation of the host that it is most like: where its pairs start.")],
    host: Annotated[str, typer.Option(help="A host of the library, or its TOML file.")] = "latp",
    potential: Annotated[
        str | None, typer.Option(help="The host's force field.", show_default="that of the library")
    ] = None,
    structure: Annotated[
        Path | None,
        typer.Option(help="The dopant's simple compound, a CIF.", show_default="from the library"),
    ] = None,
    code: Annotated[Code, typer.Option(help="What computes the frames; all but cp2k run elsewhere.")] = Code.cp2k,
    calculator: CalculatorOption = None,
    options: OptionsOption = None,
    pseudopotential: Annotated[
        list[str] | None,
        typer.Option(
            help='A pseudopotential of vasp, castep or espresso, "Po=PAW_PBE Po"; once for each.',
            show_default="those known here",
        ),
    ] = None,
    into: Annotated[Path, typer.Option(help="Folder that gets reference_dft/ and fits/.")] = Path(),
    json: JsonOption = False,
) -> None:
    """Write everything that a new dopant needs: reference sets to be computed, fit.toml, validate.toml, study.toml."""
    from rich.table import Table

    from dopantfit.project.new_dopant import new as do

    made = do(
        dopant,
        charge=charge,
        like=like,
        host=host,
        potential=potential,
        structure=structure,
        code=code.value,
        calculator=calculator_settings(calculator, options),
        pseudopotentials=named_pseudopotentials(pseudopotential or []),
        root=into,
    )
    if json:
        print_json(made.as_dict())
        return
    sys.stdout.writelines(f"{file}\n" for file in made.files)
    sys.stdout.write(f"simple compound: {made.compound}\n")
    table = Table("command", "cost", title="what comes next")
    for one in made.commands:
        table.add_row(one.text, one.cost)
    print_parts(table)


def named_pseudopotentials(words: Sequence[str]) -> dict[str, str]:
    """Return the pseudopotentials of a command line by element; ConfigError for what is not ``Element=name``."""
    from dopantfit.errors import ConfigError

    named: dict[str, str] = {}
    for word in words:
        element, _, name = (part.strip() for part in word.partition("="))
        if not element or not name:
            raise ConfigError(f'--pseudopotential {word!r}: expected Element=name, such as "Po=PAW_PBE Po"')
        named[element] = name
    return named


def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a fit, with fit.toml.")],
    json: JsonOption = False,
) -> None:
    """Look at a fit, its sets, gates and study together, before any work; exit status 2 if there is an error."""
    from rich.markup import escape
    from rich.table import Table

    from dopantfit.project.check_project import check as look

    findings = look(folder)
    errors = [one for one in findings if one.severity == "error"]
    others = [one for one in findings if one.severity != "error"]
    if json:
        print_json({"errors": len(errors), "findings": [one.as_dict() for one in findings]})
    else:
        for one in errors:
            print_error(f"{one.where}: {one.what}")
        if others:
            table = Table("", "where", "what")
            table.columns[2].overflow = "fold"
            for one in others:
                table.add_row(one.severity, escape(one.where), escape(one.what))
            print_parts(table)
        steps = [one for one in others if one.severity == "to do"]
        sys.stdout.write(f"{folder}: {counted(len(errors), 'error')}, {counted(len(steps), 'step')} to do\n")
    if errors:
        raise typer.Exit(2)
