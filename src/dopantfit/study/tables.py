"""What a person reads in the terminal when a study ends."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

_COLOURS = {"yes": "green", "no": "red", "undecided": "yellow"}


def verdict_tables(record: Mapping[str, Any]) -> list[Table | str]:
    """Return the verdict with the numbers behind it, and what failed."""
    shown: list[Table | str] = []
    verdict = record["verdict"]
    if verdict is None:
        shown.append("no verdict: the study did not get that far")
    else:
        shown += [_numbers(verdict), f"verdict: {_word(verdict['answer'])} ({verdict['rule']})"]
    shown += [f"failed   {name}: {reason}" for name, reason in record["failed"].items()]
    shown += [f"skipped  {name}, for want of {need}" for name, need in record["skipped"].items()]
    return shown


def _numbers(verdict: Mapping[str, Any]) -> Table:
    table = Table(title="Requirements, with the numbers behind them")
    for column in ("composition", "requirement", "quantity", "95 % interval", "rule", "answer"):
        table.add_column(column)
    for name, composition in verdict["compositions"].items():
        for requirement in composition["requirements"]:
            for check in requirement["checks"]:
                answer = _word(check["answer"]) + (f" ({check['reason']})" if check["reason"] else "")
                quantity = f"{check['quantity']} {check['unit']}".strip()
                table.add_row(name, requirement["name"], quantity, _range(check["interval"]), check["rule"], answer)
        table.add_section()
    return table


def _range(interval: Mapping[str, float | None]) -> str:
    low, high, value = interval["low"], interval["high"], interval["value"]
    if low is None and high is None:
        return "-"
    ends = f"{'-∞' if low is None else f'{low:.3g}'} … {'∞' if high is None else f'{high:.3g}'}"
    return ends if value is None else f"{value:.3g} ({ends})"


def _word(answer: str) -> str:
    return f"[{_COLOURS[answer]}]{answer}[/]"
