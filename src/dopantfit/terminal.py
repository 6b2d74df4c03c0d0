"""What every verb prints with: JSON for programs, tables for people; errors and progress go to standard error."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOSPC
from io import TextIOWrapper
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from dopantfit.errors import ConfigError, shown

#: Memory of a process of ours, or of a rank of LAMMPS or CP2K, at least [bytes].
_PROCESS_MEMORY = 250e6

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Columns of a pipe or a file, which have no width of their own: more than any table needs, so that none is cut.
_PIPE = 240

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]


def counted(count: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def print_json(payload: object) -> None:
    """Print JSON-like content; ValueError for infinities and NaN, which JSON has no words for."""
    text = json.dumps(payload, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:  # standard output was replaced by something that holds text
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    binary.write(text.encode("utf-8"))  # JSON is UTF-8 in every locale
    binary.flush()


def print_error(message: str) -> None:
    """Print what is wrong as one line on standard error."""
    sys.stderr.write(f"dopantfit: error: {' '.join(message.split())}\n")


def at_a_time(option: typer.CallbackParam, count: int | None) -> int | None:
    """The value of an option that says how many processes work at a time.

    Raises ConfigError for more than this machine has cores and memory for.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    most = max(os.cpu_count() or 1, int(memory / _PROCESS_MEMORY))
    if count is not None and count > most:
        raise ConfigError(
            f"--{option.name} {count}: a process takes some {_PROCESS_MEMORY / 1e6:.0f} MB and this machine has "
            f"{memory / 1e9:.3g} GB; ask for {most} at most"
        )
    return count


def prepare_streams() -> None:
    """Let characters that the terminal's locale does not have be shown as others, instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


class _OnStandardError(logging.Handler):
    """Prints what is logged, a line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        typer.echo(record.getMessage(), err=True)


@contextmanager
def notices_shown() -> Iterator[None]:
    """While it lasts, the program's own notices (`logging` below "dopantfit") are printed on standard error."""
    logger, handler = logging.getLogger("dopantfit"), _OnStandardError()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def load_help() -> None:
    """Load what draws the help, without the reader of Markdown that comes along: a seventh of the time that help takes.

    None of our help is Markdown, and what wants that reader later loads the real one.
    """
    name = "rich.markdown"
    if name in sys.modules:
        return
    empty = ModuleType(name)
    empty.Markdown = type("Markdown", (), {})  # type: ignore[attr-defined]
    sys.modules[name] = empty
    try:
        import typer.rich_utils  # noqa: F401
    finally:
        del sys.modules[name]


def leave_standard_output() -> None:
    """Write what is left to standard output, or drop it where that is full or closed, so that nothing fails at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refusal(problem: OSError) -> str:
    """What the system refused, in one line with the remedy."""
    if problem.filename is None:
        what = "standard output" if problem.errno == ENOSPC else "the system"
        return f"{what}: {problem.strerror or problem}; mend it and run the same command again"
    return (
        f"{shown(problem.filename)}: {problem.strerror or problem}; "
        "check the path, its permissions and the space that is left, and run the same command again"
    )


def print_parts(*parts: object) -> None:
    """Print tables, and lines whose markup is meant, one below the other; tables are whole in a pipe."""
    console().print(*parts, sep="\n", soft_wrap=not any(_is_table(part) for part in parts))


def new_table(title: str, *columns: str, caption: str | None = None) -> "Table":
    """Return a table without rows: words in the first column, numbers in the others."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", caption=caption)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def console(markup: bool = True) -> "Console":
    """Return what prints on standard output; in a pipe as wide as any table."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE
    return Console(highlight=False, markup=markup, width=width)


def _is_table(part: object) -> bool:
    return not isinstance(part, str)
