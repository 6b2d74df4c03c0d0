"""Outputs that a command line names: checked against its inputs before any work, figures and tables written whole."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dopantfit.errors import ConfigError
from dopantfit.workflow.provenance import check_target, write_bytes_atomic, write_text_atomic

Named = str | os.PathLike[str] | None

#: Formats of figures; the first four look the same everywhere.
_FIGURES = ("png", "pdf", "svg", "jpg", "jpeg", "eps", "ps", "tif", "tiff", "webp")
#: Options that name figures.
_FIGURE_OPTIONS = ("--figure", "--plot")
#: What formats would say of the day and of the version of Matplotlib; None leaves it out.
_DATED: Mapping[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}


def check_outputs(outputs: Mapping[str, Named], inputs: Iterable[Named]) -> None:
    """Refuse files that cannot be written, are named twice, or are an input of the same command.

    outputs: path by option; None where the option was not given. inputs: paths, None likewise.
    Raises ConfigError, with option and path.
    """
    read = [Path(path) for path in inputs if path is not None]
    written: list[tuple[str, Path]] = []
    for option, path in outputs.items():
        if path is None:
            continue
        target = Path(path)
        if any(_same(target, one) for one in read):
            raise ConfigError(f"{option} {target}: is an input of this command; name another file")
        check_target(target)
        if option in _FIGURE_OPTIONS:
            figure_format(target)
        for other, taken in written:
            if _same(target, taken):
                raise ConfigError(f"{option} {target}: is the file that {other} names; name another file")
        written.append((option, target))


def figure_format(path: Path) -> str:
    """Format that the suffix of a figure names; ConfigError for another."""
    name = path.suffix.lower().removeprefix(".")
    if name not in _FIGURES:
        raise ConfigError(
            f"{path}: cannot be drawn (its suffix names no format; {', '.join(_FIGURES[:4])} do); "
            "name a file as in figure.png"
        )
    return name


def write_figure(figure: Any, path: Path, dpi: float, undated: bool = False) -> None:
    """Write a figure of Matplotlib by an atomic rename; the suffix sets its format. ConfigError when it cannot be.

    undated: PNG and PDF without day and version of Matplotlib, so that the same numbers give the same bytes.
    """
    image, name = io.BytesIO(), figure_format(path)
    try:
        figure.savefig(image, dpi=dpi, format=name, metadata=_DATED.get(name) if undated else None)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: cannot be drawn ({reason}); name a file as in figure.png") from None
    write_bytes_atomic(path, image.getvalue())


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file by an atomic rename; see `csv_of`."""
    write_text_atomic(path, csv_of(header, rows))


def csv_of(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return the text of a CSV file: floats by ``repr``, numpy's too; nothing for None."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([value.item() if hasattr(value, "item") else value for value in row] for row in rows)
    return text.getvalue()


def _same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, by whatever spelling or link."""
    try:
        return os.path.samefile(one, other)
    except OSError:  # one of them is not there yet
        return os.path.realpath(one) == os.path.realpath(other)
