"""What a person reads in the terminal, or in a log, when a study ends."""

from collections.abc import Iterator, Mapping
from typing import Any

_COLOURS = {"yes": "green", "no": "red", "undecided": "yellow"}


def verdict_lines(record: Mapping[str, Any]) -> list[str]:
    """Return the verdict with the numbers behind it, and what failed; answers in colour for `rich`."""
    verdict = record["verdict"]
    shown = ["no verdict: the study did not get that far"] if verdict is None else [*_numbers(verdict)]
    shown += [f"failed   {name}: {reason}" for name, reason in record["failed"].items()]
    shown += [f"skipped  {name}, for want of {need}" for name, need in record["skipped"].items()]
    return shown


def _numbers(verdict: Mapping[str, Any]) -> Iterator[str]:
    for name, composition in verdict["compositions"].items():
        yield f"{name}: {_word(composition['answer'])}"
        for requirement in composition["requirements"]:
            yield f"  {requirement['name']}: {_word(requirement['answer'])}"
            for check in requirement["checks"]:
                interval = _range(check["interval"], check["unit"])
                reason = f" ({check['reason']})" if check["reason"] else ""
                yield f"    {check['quantity']}: {interval}, asked {check['rule']}: {_word(check['answer'])}{reason}"
    yield f"verdict: {_word(verdict['answer'])} ({verdict['rule']})"


def _range(interval: Mapping[str, float | None], unit: str) -> str:
    low, high, value = interval["low"], interval["high"], interval["value"]
    if high is None and not low:
        return "not known"
    ends = f"{'-∞' if low is None else f'{low:.3g}'} … {'∞' if high is None else f'{high:.3g}'}"
    return f"{ends if value is None else f'{value:.3g} ({ends})'} {unit}".rstrip()


def _word(answer: str) -> str:
    return f"[{_COLOURS[answer]}]{answer}[/]"
