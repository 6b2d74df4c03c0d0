"""What the verbs of the room print and write: records for programs, tables for people, rows for CSV files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dopantfit.ceramic.measured import MeasuredSample
from dopantfit.ceramic.pellet import ArcIntervals, Pellet
from dopantfit.ceramic.study_pellet import StudyPellet
from dopantfit.statistics import Interval
from dopantfit.study.item import Cell
from dopantfit.terminal import new_table

if TYPE_CHECKING:
    from rich.table import Table

    from dopantfit.ceramic.entries import Entries
    from dopantfit.ceramic.window import Window

#: A table: its header and its rows.
Numbers = tuple[Sequence[str], Sequence[Sequence[Cell]]]


def pellet_record(pellet: Pellet, measured: Sequence[MeasuredSample]) -> dict[str, Any]:
    """Return conductivities and circuits at every temperature, the activation energy, and what was measured."""
    energy = pellet.activation_energy()
    points = []
    for temperature in pellet.settings.asked:
        found, arcs = pellet.at(temperature), pellet.arcs(temperature)
        points.append(
            {
                "temperature_K": temperature,
                "bulk_S_per_cm": found.bulk.as_dict(),
                "boundary_S_per_cm": found.boundary.as_dict(),
                "total_S_per_cm": found.total.as_dict(),
                "circuit": None if arcs is None else {"fast": _arc(arcs[0]), "slow": _arc(arcs[1])},
            }
        )
    return {
        "name": pellet.name,
        "boundary": "apparent" if pellet.settings.microstructure is None else "of the material",
        "conductivities": points,
        "activation_energy_eV": None if energy is None else energy.as_dict(),
        "measured": [one.model_dump(mode="json", exclude_none=True) for one in measured],
    }


def _arc(arc: ArcIntervals) -> dict[str, Any]:
    return {
        "resistance_Ohm_cm": arc.resistance.as_dict(),
        "capacitance_F_per_cm": arc.capacitance.as_dict(),
        "frequency_Hz": arc.frequency.as_dict(),
    }


def pellet_tables(pellet: Pellet, measured: Sequence[MeasuredSample]) -> "list[Table]":
    """Return the tables of a pellet for a terminal; the last is what was measured."""
    table = new_table(pellet.name, "K", "bulk S/cm", "boundary S/cm", "total S/cm", "arcs Hz")
    for temperature in pellet.settings.asked:
        found, circuit = pellet.at(temperature), pellet.circuit(temperature)
        arcs = "" if circuit is None else f"{circuit.fast.frequency:.3g}, {circuit.slow.frequency:.3g}"
        table.add_row(f"{temperature:g}", *(in_words(one) for one in (found.bulk, found.boundary, found.total)), arcs)
    energy = pellet.activation_energy()
    table.caption = None if energy is None else f"activation energy of the total {in_words(energy)} eV"
    return [table, *_measured_table(measured)]


def _measured_table(measured: Sequence[MeasuredSample]) -> "list[Table]":
    shown = [one for one in measured if one.total is not None]
    if not shown:
        return []
    table = new_table(
        "measured, no part of any result", "sample", "bulk S/cm", "apparent boundary", "total", "eV", "source"
    )
    table.columns[-1].justify = "left"
    for one in shown:
        numbers = (one.bulk, one.boundary, one.total, one.energy)
        table.add_row(one.name, *("" if number is None else f"{number:.3g}" for number in numbers), one.source)
    return [table]


def pellet_rows(pellet: Pellet) -> Numbers:
    """Every conductivity of a pellet with its interval."""
    columns = ("temperature_K", "what", "value_S_per_cm", "low_S_per_cm", "high_S_per_cm")
    rows: list[Sequence[Cell]] = []
    for temperature in pellet.settings.asked:
        found = pellet.at(temperature)
        for name in ("bulk", "boundary", "total"):
            one: Interval = getattr(found, name)
            rows.append((temperature, name, one.value, one.low, one.high))
    return columns, rows


def spectrum_rows(pellet: Pellet, temperature: float) -> Numbers | None:
    """Return the spectrum at a temperature; None where no permittivities are known."""
    circuit = pellet.circuit(temperature)
    if circuit is None:
        return None
    frequencies = circuit.frequencies()
    rows: list[Sequence[Cell]] = []
    for frequency, z in zip(frequencies.tolist(), circuit.impedance(frequencies).tolist(), strict=True):
        modulus = pellet.modulus(temperature, frequency)
        rows.append((temperature, frequency, z.real, z.imag, abs(z), modulus.low, modulus.high))
    columns = (
        "temperature_K",
        "frequency_Hz",
        "re_Ohm_cm",
        "im_Ohm_cm",
        "modulus_Ohm_cm",
        "modulus_low",
        "modulus_high",
    )
    return columns, rows


def study_record(found: StudyPellet, measured: Sequence[MeasuredSample]) -> dict[str, Any]:
    """Return the pellets of a study, size by size."""
    return {
        "temperature_K": found.temperature,
        "thickness_nm": found.thickness,
        "bulk_S_per_cm": found.bulk.as_dict(),
        "boundary_S_per_cm": {system: one.as_dict() for system, one in found.boundaries.items()},
        "reference": found.reference,
        "pellets": [
            {
                "system": row.system,
                "grain_size_um": row.grain_size,
                "total_S_per_cm": row.total.as_dict(),
                "over_reference": row.gain.as_dict(),
            }
            for row in found.rows
        ],
        "measured": [one.model_dump(mode="json", exclude_none=True) for one in measured],
    }


def study_tables(found: StudyPellet, measured: Sequence[MeasuredSample]) -> "list[Table]":
    """Return the table of a study's pellets at the ends and in the middle of the grain sizes."""
    title = f"pellets at {found.temperature:g} K, boundaries of {found.thickness:.3g} nm"
    table = new_table(title, "boundary", "grain µm", "total S/cm", f"over {found.reference}")
    sizes = sorted({row.grain_size for row in found.rows})
    shown = {sizes[0], sizes[len(sizes) // 2], sizes[-1]} if sizes else set()
    for row in found.rows:
        if row.grain_size in shown:
            table.add_row(row.system, f"{row.grain_size:.3g}", in_words(row.total), in_words(row.gain))
    return [table, *_measured_table(measured)]


def study_rows(found: StudyPellet) -> Numbers:
    """Every pellet of a study; an end at infinity is left empty."""
    names = tuple(f"{name}_{end}" for name in ("total_S_per_cm", "gain") for end in ("value", "low", "high"))
    rows = [
        (row.system, row.grain_size, found.thickness, found.temperature, *_ends(row.total), *_ends(row.gain))
        for row in found.rows
    ]
    return ("system", "grain_size_um", "thickness_nm", "temperature_K", *names), rows


def _ends(one: Interval) -> tuple[Cell, Cell, Cell]:
    content = one.as_dict()
    return content["value"], content["low"], content["high"]


def in_words(one: Interval) -> str:
    """Return ``1.2e-4 (1.0e-4 to 1.5e-4)``, a bound, or ``unknown``."""
    content = one.as_dict()
    low, high = content["low"], content["high"]
    if one.value is not None:
        exact = one.low == one.value == one.high
        return f"{one.value:.3g}" if exact else f"{one.value:.3g} ({one.low:.3g} to {one.high:.3g})"
    if high is None:
        return f"> {low:.2g}" if low else "unknown"
    return f"{low:.2g} to {high:.2g}" if low else f"< {high:.2g}"


def window_rows(found: Sequence["Window"]) -> Numbers:
    """Every stage of every composition."""
    columns = ("composition", "formula", "low_V", "high_V", "mobile_ions", "phases")
    rows = [
        (one.name, one.formula, stage.low, stage.high, stage.content, " + ".join(stage.phases))
        for one in found
        for stage in one.stages
    ]
    return columns, rows


def window_tables(found: Sequence["Window"], mobile: str, entries: "Entries") -> "list[Table]":
    """Return the table of windows for a terminal, with what its energies rest on below it."""
    from rich.markup import escape

    from dopantfit.ceramic.window import SAME

    title = f"windows, V against {mobile}"
    table = new_table(title, "composition", "reduced below", "oxidised above", "phases inside")
    for one in found:
        low = "stable against the metal" if one.reduced_below is None else f"{one.reduced_below:.3f}"
        high = "never" if one.oxidised_above is None else f"{one.oxidised_above:.3f}"
        inside = next((s for s in one.stages if abs(s.content - one.content) < SAME), None)
        table.add_row(escape(f"{one.name} ({one.formula})"), low, high, " + ".join(inside.phases) if inside else "none")
    table.caption = escape(f"energies: {entries.rests_on}")
    return [table]
