"""The results that a study reports, each a table and the facts of its caption, in the order of the published figures.

Every function gathers results of other tasks; none computes new physics. The roles of the needs say what they are:
``GB_1`` or, where a composition has several structures, ``A_1#2`` for its second.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dopantfit.boundary.profile.profiles import profiles
from dopantfit.errors import ConvergenceError
from dopantfit.statistics import Estimate, Interval, estimate_from, interval_of, pooled
from dopantfit.study.files import ACROSS, ALL_SITES, STRUCTURE, Cell, Item, read_structure, write_item
from dopantfit.transport.arrhenius import ArrheniusFit, fit_arrhenius
from dopantfit.workflow.graph import action
from dopantfit.workflow.work import Finished, Outcome, Work

#: Columns of a number with its error: value, standard error, 95 % interval; for an upper bound the last alone.
_ERRORS = ("value", "error", "low", "high")
#: u/Å³ in g/cm³.
_GRAMS = 1.66053906660
#: Where a dopant of the grain sits that no cation site is near.
BETWEEN = "between"
#: Points that an Arrhenius line and its band are given at.
_LINE = 21
# Numbers of a species in the record of a run's transport.
_CONDUCTIVITY, _DIFFUSION = "tracer_conductivity_S_per_cm", "D_cm2_per_s"


def systems(needs: Mapping[str, Finished]) -> dict[str, list[Finished]]:
    """Group needs by the system in their role, in the order of the roles."""
    groups: dict[str, list[Finished]] = {}
    for role in sorted(needs, key=_natural):
        groups.setdefault(role.partition("#")[0], []).append(needs[role])
    return groups


def _natural(role: str) -> tuple[str, int, int]:
    """Order C_ref before C_1 before C_10, and #2 before #10."""
    system, _, number = role.partition("#")
    kind, _, index = system.partition("_")
    return kind, int(index) if index.isdigit() else 0, int(number or 0)


def number(estimate: Estimate | None) -> tuple[Cell, Cell, Cell, Cell]:
    """Return the four columns of a number with its error; nothing where there is nothing."""
    if estimate is None:
        return None, None, None, None
    if estimate.is_upper_bound:
        return None, None, None, estimate.high
    return estimate.value, estimate.error, estimate.low, estimate.high


def _columns(prefix: str, unit: str) -> dict[str, str]:
    return {f"{prefix}_{name}": unit for name in _ERRORS}


def _finish(
    work: Work, title: str, columns: Mapping[str, str], rows: Sequence[Sequence[Cell]], facts: Mapping[str, Any]
) -> Outcome:
    missing = sorted(set(work.task.needs.values()) - {need.record.task for need in work.needs.values()})
    item = Item(work.task.name.rpartition("/")[2], title, columns, rows, facts, missing)
    return Outcome({**facts, "missing": missing}, write_item(work.folder, item))


@action(version=1)
def dopant_profiles(work: Work) -> Outcome:
    """Item 1: profile of the dopant across the boundary before any exchange, and the composition of each GB_i."""
    rows: list[Sequence[Cell]] = []
    facts: dict[str, Any] = {"compositions": {}}
    for system, doped in systems(work.needs).items():
        rows += profile_rows(system, [read_structure(one.file(STRUCTURE)) for one in doped], work.settings["dopant"])
        facts["compositions"][system] = doped[0].result.get("amorphous_per_3PO4")
    columns = {"system": "", "z": "Å", "mean": "at%", "deviation": "at%", "structures": ""}
    return _finish(work, "Dopant across the boundary before exchange", columns, rows, facts)


@action(version=1)
def host_profile(work: Work) -> Outcome:
    """Item 3: profile of an ion of the undoped host across the boundary."""
    atoms = read_structure(work.needs["boundary"].file(STRUCTURE))
    rows = [row[1:4] for row in profile_rows("", [atoms], work.settings["label"])]
    facts = {"label": work.settings["label"], "domains": work.needs["boundary"].result["domains"]}
    columns = {"z": "Å", "mean": "at%", "deviation": "at%"}
    return _finish(work, f"{work.settings['label']} across the undoped boundary", columns, rows, facts)


def profile_rows(system: str, structures: Sequence[Any], label: str) -> list[Sequence[Cell]]:
    """Rows of a profile, mean and deviation over structures bin by bin; heights are those of the first."""
    found = [profiles(atoms) for atoms in structures]
    bins = min(len(one.height) for one in found)
    values = np.array([one.atomic_percent.get(label, np.zeros(len(one.height)))[:bins] for one in found])
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(bins, np.nan)
    return [
        (system, float(found[0].height[i]), float(values[:, i].mean()), _or_none(spread[i]), len(values))
        for i in range(bins)
    ]


@action(version=2)
def acceptance(work: Work) -> Outcome:
    """Item 2: acceptance of relaxed exchanges, and the profile of the dopant in the walkers of lowest energy."""
    rows: list[Sequence[Cell]] = []
    facts: dict[str, Any] = {}
    for system, (bleeding,) in systems(work.needs).items():
        for sites, name in ((ALL_SITES, "acceptance"), (ACROSS, "acceptance_across")):
            for label, pair in bleeding.result[name].items():
                share = estimate_from(pair["share"])
                rows.append((system, sites, label, pair["attempts"], pair["accepted"], *number(share)))
        facts[system] = {name: bleeding.result[name] for name in ("penetration_A", "grain_share", "walkers")}
    columns = {"system": "", "sites": "", "partner": "", "attempts": "", "accepted": "", **_columns("acceptance", "")}
    return _finish(work, "Acceptance of exchanges of the dopant by partner", columns, rows, facts)


@action(version=2)
def site_occupancy(work: Work) -> Outcome:
    """Item 4: which sites the dopant took in the grain, or that it sits between them, and how much the crystal grew.

    facts, by crystal: attempts_per_dopant, constant_pressure_ps (the shorter of its own and that of C_ref).
    """
    volumes = {name.removeprefix("volume:"): need for name, need in work.needs.items() if name.startswith("volume:")}
    reference = _volume(volumes.get("C_ref"))
    rows: list[Sequence[Cell]] = []
    facts: dict[str, Any] = {"attempts_per_dopant": {}, "constant_pressure_ps": {}}
    for role in sorted((name for name in work.needs if name.startswith("bleeding:")), key=lambda r: _natural(r[9:])):
        system, found = f"C_{role.removeprefix('bleeding:').partition('_')[2]}", work.needs[role].result
        counts = {**found["sites"], BETWEEN: found["between_sites"]}
        change, whole = _less_one(_volume(volumes.get(system)).over(reference)), sum(counts.values())
        for label, count in counts.items():
            share = count / whole if whole else None
            rows.append((system, label, count, share, change.value, change.low, change.high))
        pair = [volumes[name] for name in ("C_ref", system) if name in volumes]
        facts["attempts_per_dopant"][system] = found["attempts_per_dopant"]
        facts["constant_pressure_ps"][system] = _shortest(pair)
    columns = {"system": "", "site": "", "count": "", "share": ""}
    columns |= {"volume_change": "", "volume_change_low": "", "volume_change_high": ""}
    return _finish(work, "Sites of the dopant in the grain, and the volume of the crystal", columns, rows, facts)


def _shortest(volumes: Sequence[Finished]) -> float:
    """Shortest time at constant pressure that volumes come from [ps]; zero without any."""
    return min((float(one.result["duration_ps"]) for one in volumes), default=0.0)


def _settling(cells: Mapping[str, Sequence[Finished]]) -> dict[str, Any]:
    """How many volumes of a system there are, and how long the shortest had to settle [ps]."""
    return {
        system: {"structures": len(found), "constant_pressure_ps": _shortest(found)} for system, found in cells.items()
    }


def _volume(need: Finished | None) -> Interval:
    """Volume per cell; doped and reference cells have the same host sites, so that volumes compare directly."""
    return interval_of(None if need is None else estimate_from(need.result["volume_A3"]))


def _less_one(ratio: Interval) -> Interval:
    return Interval(ratio.low - 1.0, ratio.high - 1.0, None if ratio.value is None else ratio.value - 1.0)


@action(version=4)
def conductivities(work: Work) -> Outcome:
    """Items 6 and 10: conductivity and D* of every cation in every system, and Li against the reference system.

    settings: reference (its role), mobile. facts: ratios of the mobile ion, and how many runs each system has.
    """
    groups = systems(work.needs)
    pooled_by = {
        system: {name: conductivity(runs, name) for name in sorted({n for r in runs for n in r.result["species"]})}
        for system, runs in groups.items()
    }
    mobile = work.settings["mobile"]
    reference = interval_of(pooled_by.get(work.settings["reference"], {}).get(mobile))
    rows: list[Sequence[Cell]] = []
    ratios: dict[str, Any] = {}
    for system, found in pooled_by.items():
        for name, sigma in found.items():
            if sigma is None:  # the framework that the others move against
                continue
            diffusion = _pooled_over(groups[system], name, _DIFFUSION)
            rows.append((system, name, len(groups[system]), *number(sigma), *number(diffusion)))
        ratios[system] = interval_of(found.get(mobile)).over(reference).as_dict()
    columns = {"system": "", "species": "", "structures": "", **_columns("sigma", "S/cm"), **_columns("D", "cm²/s")}
    facts = {"ratios": ratios, "runs": {name: sum(int(one.result["runs"]) for one in groups[name]) for name in groups}}
    return _finish(work, f"Conductivities, {mobile} against {work.settings['reference']}", columns, rows, facts)


def conductivity(runs: Sequence[Finished], species: str) -> Estimate | None:
    """Tracer conductivity of a species, pooled over the structures of a system [S/cm]."""
    return _pooled_over(runs, species, _CONDUCTIVITY)


def _pooled_over(runs: Sequence[Finished], species: str, quantity: str) -> Estimate | None:
    found = [run.result["species"].get(species, {}).get(quantity) for run in runs]
    return pooled([estimate for one in found if (estimate := estimate_from(one)) is not None])


@action(version=3)
def arrhenius(work: Work) -> Outcome:
    """Item 10, second part: conductivities of one amorphous cell against temperature, with the line through them.

    facts: activation energies, and lines as rows of temperature [K] and conductivity, low, high [S/cm].
    """
    rows: list[Sequence[Cell]] = []
    points: dict[str, list[tuple[float, Estimate]]] = {}
    for role in sorted(work.needs):
        result = work.needs[role].result
        for name, entry in result["species"].items():
            sigma = estimate_from(entry.get(_CONDUCTIVITY))
            if sigma is not None:
                diffusion = estimate_from(entry.get(_DIFFUSION))
                rows.append((result["temperature_K"], name, *number(sigma), *number(diffusion)))
                points.setdefault(name, []).append((result["temperature_K"], sigma))
    facts: dict[str, Any] = {"system": work.settings["system"], "activation_energy_eV": {}, "lines": {}}
    for name, pairs in points.items():
        try:
            fit = fit_arrhenius([t for t, _ in pairs], [sigma for _, sigma in pairs], "conductivity")
            facts["activation_energy_eV"][name] = fit.activation_energy.as_dict()
            facts["lines"][name] = line_of(fit)
        except ConvergenceError as problem:
            facts["activation_energy_eV"][name] = {"reason": str(problem)}
    rows.sort(key=lambda row: (str(row[1]), row[0]))
    columns = {"temperature": "K", "species": "", **_columns("sigma", "S/cm"), **_columns("D", "cm²/s")}
    return _finish(work, f"Conductivities of {work.settings['system']} against temperature", columns, rows, facts)


def line_of(fit: ArrheniusFit) -> list[list[float]]:
    """Points of a line and its 95 % band between the temperatures it comes from: T [K], value, low, high."""
    inverse = np.linspace(1.0 / max(fit.used), 1.0 / min(fit.used), _LINE)
    found = [(float(1.0 / one), fit.predict(float(1.0 / one)).value) for one in inverse]
    return [[kelvin, one.value or 0.0, one.low, one.high] for kelvin, one in found]


@action(version=1)
def ternary(work: Work) -> Outcome:
    """Item 7: shares of the framework cations in the amorphous cells."""
    rows: list[Sequence[Cell]] = []
    labels = list(work.settings["labels"])
    for system, cells in systems(work.needs).items():
        for index, cell in enumerate(cells, 1):
            counts = cell.result["counts"]
            whole = sum(counts.get(label, 0) for label in labels)
            rows.append((system, index, *(counts.get(label, 0) / whole for label in labels), cell.result["atoms"]))
    columns = {"system": "", "structure": "", **{f"x_{label}": "" for label in labels}, "ions": ""}
    return _finish(work, f"Shares of {', '.join(labels)} in the amorphous cells", columns, rows, {"labels": labels})


@action(version=3)
def reducible_distance(work: Work) -> Outcome:
    """Item 8: distance of Ti to the next Ti, and its number density, in the amorphous cells.

    needs: ``glass:A_1#1`` and ``volume:A_1#1``. settings: label. facts: volumes, what each system's come from.
    """
    label = work.settings["label"]
    distances, volumes = (
        systems({role.removeprefix(kind): need for role, need in work.needs.items() if role.startswith(kind)})
        for kind in ("glass:", "volume:")
    )
    rows: list[Sequence[Cell]] = []
    for system in sorted({*distances, *volumes}, key=_natural):
        found = [one.result for one in distances.get(system, []) if one.result["nearest_A"] is not None]
        distance = pooled([Estimate.symmetric(one["nearest_A"], one["nearest_error_A"]) for one in found])
        rows.append((system, len(found), *number(distance), *number(number_density(volumes.get(system, []), label))))
    columns = {"system": "", "structures": "", **_columns("nearest", "Å"), **_columns("density", "1/Å³")}
    title = f"{label}-{label} distance and {label} density of the amorphous cells"
    facts = {"volumes": _settling({str(row[0]): volumes.get(str(row[0]), []) for row in rows})}
    return _finish(work, title, columns, rows, facts)


def number_density(cells: Sequence[Finished], label: str | None) -> Estimate | None:
    """Number density of a label (of all ions for None), pooled over cells [1/Å³]."""
    found = []
    for cell in cells:
        volume = estimate_from(cell.result["volume_A3"])
        count = cell.result["atoms"] if label is None else cell.result["counts"].get(label, 0)
        if volume is not None and volume.value and volume.error is not None:
            found.append(Estimate.symmetric(count / volume.value, count * volume.error / volume.value**2))
    return pooled(found)


@action(version=3)
def densities(work: Work) -> Outcome:
    """Item 9: mass and number density of the amorphous cells. facts: volumes, what each system's come from."""
    rows: list[Sequence[Cell]] = []
    groups = systems(work.needs)
    for system, cells in groups.items():
        masses = []
        for cell in cells:
            volume, mass = estimate_from(cell.result["volume_A3"]), cell.result["mass_u"] * _GRAMS
            if volume is not None and volume.value and volume.error is not None:
                masses.append(Estimate.symmetric(mass / volume.value, mass * volume.error / volume.value**2))
        rows.append((system, len(cells), *number(pooled(masses)), *number(number_density(cells, None))))
    columns = {
        "system": "",
        "structures": "",
        **_columns("mass_density", "g/cm³"),
        **_columns("number_density", "1/Å³"),
    }
    facts = {"volumes": _settling(groups)}
    return _finish(work, "Mass and number density of the amorphous cells", columns, rows, facts)


@action(version=1)
def walkers(work: Work) -> Outcome:
    """Item 11: energy of every walker, round by round, and its temperature, which exchanges change."""
    rows: list[Sequence[Cell]] = []
    facts: dict[str, Any] = {}
    for system, (swaps,) in systems(work.needs).items():
        rows += [(system, *row) for row in swaps.result["rounds"]]
        facts[system] = {"exchanges": swaps.result["exchanges"]}
    columns = {"system": "", "round": "", "walker": "", "temperature": "K", "energy": "eV"}
    return _finish(work, "Energies and exchanges of the walkers", columns, rows, facts)


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
