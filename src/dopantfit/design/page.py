"""The page of a design: one HTML file that needs no network, with its figures as files beside it."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from dopantfit.design.figures import draw_front, draw_map, draw_progress
from dopantfit.design.record import DESIGN_RECORD, DesignRecord
from dopantfit.design.tables import following_in_words, rows_of, trial_rows, units
from dopantfit.errors import ConfigError
from dopantfit.report import style
from dopantfit.structures import Host
from dopantfit.workflow.folders import in_place_of
from dopantfit.workflow.outputs import write_figure
from dopantfit.workflow.provenance import write_text_atomic

PAGE, FIGURES = "design.html", "figures"
#: Folder of the result in that of the run, and beside design.toml where it is kept.
RESULT, KEPT = "result", "design"


def write_result(record: DesignRecord, host: Host, target: Path) -> Path:
    """Write record, page and figures into `target`, in the place of an older result; return the page.

    Raises ConfigError as `check_target`, and when it cannot be written to.
    """
    check_target(target)
    with in_place_of(target) as new:
        (new / FIGURES).mkdir()
        write_text_atomic(new / PAGE, _rendered(record, _pictures(record, host, new / FIGURES)))
        record.write(new / DESIGN_RECORD)
    return target / PAGE


def check_target(target: Path) -> None:
    """Raise ConfigError where a folder holds something else than a result."""
    if target.exists() and not (target / DESIGN_RECORD).is_file():
        raise ConfigError(f"{target}: holds no {DESIGN_RECORD}, so it is no result of a design; move it away")


def _pictures(record: DesignRecord, host: Host, folder: Path) -> list[tuple[str, style.Picture]]:
    """Draw all figures: title and picture of each; PNG, PDF, SVG and CSV go to `folder`."""
    numbers = trial_rows(record)
    batches = ("batch", "hypervolume"), list(enumerate(record.hypervolumes, 1))
    drawn = (
        ("front", f"The front: σ({record.mobile}) against {record.reducible} per volume", draw_front(record), numbers),
        ("ternary", "Shares of the framework's cations and the dopant", draw_map(record, host), numbers),
        ("progress", "What the search has gained", draw_progress(record), batches),
    )
    found = []
    for name, title, figure, table in drawn:
        write_figure(figure, folder / f"{name}.png", 150, undated=True)
        found.append((title, style.save(figure, folder, name, title, *table)))
    return found


def _rendered(record: DesignRecord, pictures: list[tuple[str, style.Picture]]) -> str:
    environment = style.templates("dopantfit.design")
    look = files("dopantfit.report").joinpath("templates", "style.css").read_text(encoding="utf-8")
    content: dict[str, Any] = {
        "record": record,
        "dopants": " and ".join(dict.fromkeys(one.dopant for one in record.trials)),
        "header": units(record),
        "rows": rows_of(record),
        "next": following_in_words(record),
        "pictures": pictures,
        "failed": [one for one in record.trials if one.status == "failed"],
        "possible": [one.number for one in record.trials if one.status == "possible"],
    }
    return environment.get_template("design.html").render(content, look=look)
