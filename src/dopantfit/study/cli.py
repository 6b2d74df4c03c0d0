"""``dopantfit study``: from a fitted potential to a verdict, in one run folder that can be taken up at any time."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dopantfit.study.config import StudyConfig
    from dopantfit.study.run import Study

FolderArgument = Annotated[Path, typer.Argument(help="Folder with study.toml, or such a file.")]
PresetOption = Annotated[str | None, typer.Option(help="quick, desk or paper, instead of the one the file names.")]
RunOption = Annotated[Path | None, typer.Option("--run", help="Run folder.", show_default="runs/study-<name>")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Tasks at a time.", show_default="cores")]
SiteOption = Annotated[Path | None, typer.Option(help="Site file (TOML): run through Slurm, PBS or Kubernetes.")]
KeepOption = Annotated[
    bool, typer.Option("--keep", help="Copy the summary to <folder>/study, to be kept with the fit and reported from.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]


def study(
    folder: FolderArgument,
    preset: PresetOption = None,
    run: RunOption = None,
    workers: WorkersOption = None,
    site: SiteOption = None,
    keep: KeepOption = False,
    json: JsonOption = False,
) -> None:
    """Study a dopant in the grain boundary: build, dope, exchange, run, analyse, answer. Goes on where it was ended."""
    from dopantfit.study.config import load_study
    from dopantfit.study.run import SUMMARY, plan_study
    from dopantfit.study.run import keep as keep_summary

    config, file = load_study(folder, preset)
    target = run or run_folder(config, file)
    record = _run(plan_study(config, file), target, workers or len(os.sched_getaffinity(0)), site)
    summary = keep_summary(target, file.parent) if keep else target / SUMMARY
    _print_json(record) if json else _print_verdict(record, summary)
    if record["failed"] or (record["verdict"] or {}).get("answer") == "no":
        raise typer.Exit(1)


def run_folder(config: "StudyConfig", file: Path) -> Path:
    """Where a study runs unless told otherwise."""
    from dopantfit.workflow.names import default_run

    return default_run("study", file.parent.resolve().name, config.preset)


def _run(study: "Study", folder: Path, workers: int, site: Path | None) -> dict[str, Any]:
    from dopantfit.study.run import run_study
    from dopantfit.workflow.overview import Overview
    from dopantfit.workflow.pool import local_pool, site_pool
    from dopantfit.workflow.site import load_site
    from dopantfit.workflow.work import Resources

    if site is None:
        pool, resources = local_pool(workers), Resources()
    else:
        described = load_site(site)
        described.check(str(site))
        pool, resources = site_pool(described, folder / "parsl"), described.resources
    with Overview(study.graph, folder) as overview:
        return run_study(study, folder, pool, resources, overview.observe, overview.tick)


def _print_verdict(record: dict[str, Any], summary: Path) -> None:
    from rich.console import Console

    from dopantfit.study.tables import verdict_lines

    lines = (*verdict_lines(record), f"tables and records: {summary}")
    Console(highlight=False).print(*lines, sep="\n", soft_wrap=True)


def _print_json(payload: object) -> None:
    import json

    sys.stdout.write(json.dumps(payload, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
