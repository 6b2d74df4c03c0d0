"""What every result of a study has in common: a table, the facts of its caption, and what is missing of it."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, JsonValue

from dopantfit.statistics import Estimate
from dopantfit.study.item import Cell, Item, tabulated, write_item
from dopantfit.study.item_schemas import interval_columns
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product


class Gathered(Model):
    """Facts of a result's caption, and names of the tasks that failed and would have contributed."""

    facts: dict[str, JsonValue]
    missing: tuple[str, ...]


def number(estimate: Estimate | None) -> tuple[Cell, Cell, Cell, Cell]:
    """Return the four columns of a number with its error; nothing where there is nothing."""
    if estimate is None:
        return None, None, None, None
    if estimate.is_upper_bound:
        return None, None, None, estimate.high
    return estimate.value, estimate.error, estimate.low, estimate.high


def number_columns(prefix: str, unit: str) -> dict[str, str]:
    """Return the names of those four columns, with their unit."""
    return dict.fromkeys(interval_columns(prefix), unit)


def finish(
    here: Here, title: str, columns: Mapping[str, str], rows: Sequence[Sequence[Cell]], facts: BaseModel, name: str = ""
) -> Product[Gathered]:
    """Write a result. name: in its record, that of its task by default."""
    name = name or here.folder.name
    write = write_item(here.folder, Item(name, title, columns, tabulated(columns, rows, name), facts, here.missing))
    return Product(Gathered(facts=facts.model_dump(mode="json"), missing=here.missing), write)
