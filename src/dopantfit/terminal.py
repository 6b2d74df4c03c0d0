"""What every verb prints with: JSON for programs, tables for people; errors and progress go to standard error."""

import json
import sys
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]


def print_json(payload: object) -> None:
    """Print JSON-like content; ValueError for infinities and NaN, which JSON has no words for."""
    sys.stdout.write(json.dumps(payload, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_parts(*parts: object) -> None:
    """Print tables, and lines whose markup is meant, one below the other."""
    from rich.console import Console

    Console(highlight=False).print(*parts, sep="\n", soft_wrap=not any(_is_table(part) for part in parts))


def _is_table(part: object) -> bool:
    return not isinstance(part, str)
