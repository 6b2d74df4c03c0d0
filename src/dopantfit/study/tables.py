"""What a person reads in the terminal, or in a log: what a study will cost, and what it says when it ends."""

from collections.abc import Iterator, Mapping
from math import isinf

from rich.markup import escape
from rich.table import Table

from dopantfit.statistics import Interval
from dopantfit.study.config import StudyConfig
from dopantfit.study.cost import Cost
from dopantfit.study.outlook import Prospect
from dopantfit.study.record import StudyRecord
from dopantfit.study.round_record import Rounds
from dopantfit.study.verdict import Answer, Verdict
from dopantfit.terminal import new_table

_COLOURS = {"yes": "green", "no": "red", "undecided": "yellow"}


def verdict_lines(record: StudyRecord) -> list[str]:
    """Return the verdict with the numbers behind it, and what failed; answers in colour for `rich`."""
    verdict = record.verdict
    shown = (
        ["no verdict: the study did not get that far"]
        if verdict is None
        else [*_numbers(verdict, record.prospects), _temperatures(record.config), _whole(verdict)]
    )
    shown += [*_rounds(record.rounds)] if record.rounds else []
    shown += [escape(record.conclusion)] if record.conclusion else []
    shown += [escape(f"failed   {name}: {reason}") for name, reason in record.failed.items()]
    shown += [escape(f"skipped  {name}, for want of {need}") for name, need in record.skipped.items()]
    return shown


def _rounds(rounds: Rounds) -> Iterator[str]:
    for one in rounds.rounds:
        added = f"; then {', '.join(one.added)}" if one.added else ""
        yield escape(f"look {one.number} of {rounds.looks}, {one.core_hours:.3g} core-hours: {one.answer}{added}")
    if rounds.last.ended == "answered":
        yield "the study has its answer: nothing is left to run"


def _numbers(verdict: Verdict, prospects: Mapping[str, Mapping[str, Prospect]]) -> Iterator[str]:
    for name, composition in verdict.compositions.items():
        yield f"{name}: {_word(composition.answer)}"
        for requirement in composition.requirements:
            yield f"  {requirement.name}: {_word(requirement.answer)}"
            for check in requirement.checks:
                prospect = prospects.get(name, {}).get(check.quantity)
                remarks = [check.reason, prospect.words if prospect else ""]
                reason = escape(f" ({'; '.join(filter(None, remarks))})") if any(remarks) else ""
                told = f"{check.quantity}: {_range(check.interval, check.unit)}, asked {check.rule}"
                yield f"    {escape(told)}: {_word(check.answer)}{reason}"


def _temperatures(config: StudyConfig) -> str:
    """Where ions were watched: a conductivity is one at a temperature."""
    return f"σ: of crystals at {config.crystals.temperature:g} K, of glasses at {config.amorphous.temperature:g} K"


def _whole(verdict: Verdict) -> str:
    return f"verdict: {_word(verdict.answer)} ({verdict.rule})"


def _range(interval: Interval, unit: str) -> str:
    low, high, value = interval.low, interval.high, interval.value
    if isinf(high) and (isinf(low) or not low):
        return "not known"
    ends = f"{'-∞' if isinf(low) else f'{low:.3g}'} … {'∞' if isinf(high) else f'{high:.3g}'}"
    return f"{ends if value is None else f'{value:.3g} ({ends})'} {unit}".rstrip()


def _word(answer: Answer) -> str:
    return f"[{_COLOURS[answer]}]{answer}[/]"


def cost_table(cost: Cost) -> Table:
    """Return what a study will cost, stage by stage."""
    title, caption = f"Cost on {cost.cores} cores", f"rates from {escape(cost.rates.source)}"
    table = new_table(title, "stage", "tasks", "core-hours", "disk GB", "wall hours", caption=caption)
    for one in cost.stages:
        numbers = (f"{one.core_hours:.3g}", f"{one.disk_gigabytes:.3g}", f"{one.wall_hours:.3g}")
        table.add_row(one.stage, str(one.tasks), *numbers)
    table.add_section()
    table.add_row("all", "", f"{cost.core_hours:.3g}", f"{cost.disk_gigabytes:.3g}", f"{cost.wall_hours:.3g}")
    return table


def expected_table(cost: Cost) -> Table:
    """Return how wide the intervals of the verdict will be."""
    rough = any(one.rough for one in cost.expected)
    caption = (
        "from a rough D* of the host: what structures differ by comes on top, and only runs show it"
        if rough
        else "structures scatter as in the runs that exist"
    )
    table = Table(title="Half widths of 95 % intervals", caption=caption)
    for heading in ("composition", "check"):
        table.add_column(heading)
    for heading in ("structures", "half width"):
        table.add_column(heading, justify="right")
    for one in cost.expected:
        shown = "not known" if one.half_width is None else f"{one.half_width:.2g} {'Å' if one.unit == 'Å' else 'of ln'}"
        if one.rough:
            shown = "a bound only" if one.half_width is None else f"≥ {shown}"
        table.add_row(one.composition, escape(one.quantity), str(one.structures), shown)
    return table
