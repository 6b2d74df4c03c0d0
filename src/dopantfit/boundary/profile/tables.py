"""What the records of a boundary say, as tables for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from dopantfit.boundary.profile.domains import NAMES
from dopantfit.terminal import new_table


def tables(record: Mapping[str, Any]) -> list[RenderableType]:
    """Return the tables of what a record holds: stages, domains, realisations."""
    parts: list[RenderableType] = []
    if record.get("stages"):
        parts.append(_stages(record))
    if "domains" in record:
        parts.append(_domains(record["domains"]))
    if "realisations" in record:
        parts.append(_realisations(record["realisations"]))
    return parts


def _stages(record: Mapping[str, Any]) -> Table:
    columns = (
        "stage",
        "length (Å)",
        "g/cm³",
        "amorphous (Å³/ion)",
        "whole units (%)",
        "first shell",
        "p (bar)",
        "time (s)",
    )
    table = new_table(f"{record['name']}: {record['ions']} ions", *columns)
    for stage in record["stages"]:
        health, pressure = stage["health"], stage["pressure_bar"]
        table.add_row(
            stage["name"],
            f"{health['lengths'][2]:.2f}",
            f"{health['mass_density']:.3f}",
            f"{health['amorphous_volume_per_atom']:.2f}",
            f"{100 * health['four_coordinated']:.1f}",
            " ".join(f"{label} {number:.1f}" for label, number in health["coordination"].items()),
            "" if pressure is None else f"{pressure:.0f}",
            f"{stage['wall_seconds']:.0f}",
        )
    return table


def _domains(found: Mapping[str, Any]) -> Table:
    labels, near_of = list(found["grain"]["atomic_percent"]), found["nearest_of"]
    order = f"grain {found['order_grain']:.2f}, amorphous {found['order_amorphous']:.2f}"
    title = f"in-plane order of {'/'.join(found['framework'])}: {order}"
    percents = [f"{label} (at%)" for label in labels]
    table = new_table(title, "domain", "width (Å)", "ions", f"{near_of}-{near_of} (Å)", *percents)
    for name in NAMES:
        one = found[name]
        near = one["nearest_A"]
        distance = "" if near is None else f"{near['mean']:.2f} ± {near['error']:.2f}"
        percent = [f"{one['atomic_percent'][label]:.2f}" for label in labels]
        table.add_row(name, f"{one['width_A']:.1f}", str(one["ions"]), distance, *percent)
    return table


def _realisations(records: list[Mapping[str, Any]]) -> Table:
    columns = ("realisation", "asked (at%)", "mean (at%)", "replaced", "extra ions", "smallest void", "state")
    table = new_table("doped boundaries", *columns)
    for record in records:
        doping = record["doping"]
        replaced = ", ".join(f"{count} {host}" for host, count in doping["replaced"].items())
        room = doping["smallest_room"]
        table.add_row(
            f"GB_{doping['level']} r{doping['realisation']:02d}",
            f"{doping['asked']:g}",
            f"{doping['mean_percent']:.2f}",
            replaced,
            f"{doping['extra']:+d}",
            "" if room is None else f"{room:.2f}",
            record["error"] or "relaxed",
        )
    return table
