"""A study with known answers, in the files that a real one leaves: made-up numbers, the study's own writers."""

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from dopantfit.study.config import parse_study
from dopantfit.study.files import LOWEST_WALKER, PROFILE, STRUCTURE, write_structure
from dopantfit.study.item import Item, tabulated, write_item
from dopantfit.study.item_schemas import ACROSS, ALL_SITES, SCHEMAS
from dopantfit.study.record import StudyRecord
from dopantfit.workflow.outputs import write_csv
from dopantfit.workflow.provenance import sha256_of
from dopantfit.workflow.schema import parse_content

NUMBER = ("value", "error", "low", "high")


def known(value: float, half: float) -> tuple[float, float, float, float]:
    return value, half / 2, value - half, value + half


def bound(high: float) -> tuple[None, None, None, float]:
    return None, None, None, high


def columns(*plain: str, number: str = "", unit: str = "") -> dict[str, str]:
    return dict.fromkeys(plain, "") | ({f"{number}_{end}": unit for end in NUMBER} if number else {})


def interval(value: float | None, low: float | None, high: float | None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def made(name: str, title: str, columns: dict[str, str], rows: list[Any], facts: dict[str, Any]) -> Item[Any]:
    schema = SCHEMAS["05-mobile-density" if name == "mobile-density" else name]
    return Item(name, title, columns, tabulated(columns, rows, name), parse_content(schema.facts, facts))


def boundary_items() -> list[Item[Any]]:
    z = [1.75 + 3.5 * i for i in range(8)]
    dose = [0, 0, 0, 4.0, 7.0, 4.0, 0, 0]
    profile = [("GB_1", at, float(x), 0.5, 2) for at, x in zip(z, dose, strict=True)]
    cations = {"GB_1": {"Li": 2.2, "Al": 0.3, "Ti": 1.2, "Mg": 0.5, "P": 3.0, "O": 12.0}}
    domains = {
        "grain": [[-0.2, 0.2]],
        "complexion": [[0.2, 0.3], [0.7, 0.8]],
        "amorphous": [[0.3, 0.7]],
        "order_grain": 1.0,
        "order_amorphous": 0.0,
    }
    swaps = [
        ("GB_1", ACROSS, "Al", 1000, 80, *known(0.08, 0.017)),
        ("GB_1", ACROSS, "Ti", 1000, 5, *known(0.005, 0.004)),
        ("GB_1", ALL_SITES, "Ti", 3000, 900, *known(0.3, 0.01)),
    ]
    depth = {"value": 31.0, "error": 2.0, "interval_95": [27.0, 35.0]}
    rounds = [("GB_1", r, w, 1000.0 + 500 * w, -3704.0 - r - w) for r in range(3) for w in range(2)]
    return [
        made(
            "01-dopant-profiles",
            "Dopant",
            {"system": "", "z": "Å", "mean": "at%", "deviation": "at%", "structures": ""},
            profile,
            {"compositions": cations},
        ),
        made(
            "02-acceptance",
            "Accepted",
            columns("system", "sites", "partner", "attempts", "accepted", number="acceptance"),
            swaps,
            {"GB_1": {"penetration_A": depth, "grain_share": None, "walkers": [0, 1]}},
        ),
        made(
            "03-host-profile",
            "Al",
            {"z": "Å", "mean": "at%", "deviation": "at%"},
            [(at, 1.5 + 0.1 * i, None) for i, at in enumerate(z)],
            {"label": "Al", "domains": domains},
        ),
        made(
            "11-walkers",
            "Walkers",
            {"system": "", "round": "", "walker": "", "temperature": "K", "energy": "eV"},
            rounds,
            {"GB_1": {"exchanges": {"attempted": [4], "accepted": [3], "round_trips": [0, 0]}}},
        ),
    ]


def crystal_items() -> list[Item[Any]]:
    counts = (("Ti", 3), ("Al", 1), ("Li", 0), ("between", 1))
    sites = [("C_1", site, n, n / 5, 0.004, 0.001, 0.007) for site, n in counts]
    times = {"attempts_per_dopant": {"C_1": 30.0}, "constant_pressure_ps": {"C_1": 50.0}}
    shells = [("Ti", 0, low, low + 2.5, value, 1e-4) for low, value in ((0.0, 1e-5), (2.5, 4e-4), (5.0, -1e-5))]
    sigma = [
        ("C_ref", "Li", 2, *known(0.10, 0.001)),
        ("C_ref", "O", 2, None, None, None, None),
        ("C_1", "Li", 2, *known(0.07, 0.001)),
        ("C_1", "Mg on Ti", 2, *bound(1e-5)),
    ]
    ratios = {"C_ref": interval(1.0, 0.98, 1.02), "C_1": interval(0.7, 0.68, 0.72)}
    volume = {"volume_change": "", "volume_change_low": "", "volume_change_high": ""}
    return [
        made("04-site-occupancy", "Sites", columns("system", "site", "count", "share") | volume, sites, times),
        made(
            "mobile-density",
            "Li density",
            {"site": "", "ion": "", "from": "Å", "to": "Å", "difference": "1/Å³", "error": "1/Å³"},
            shells,
            {
                "system": "C_1",
                "dopants": {"Ti": 1},
                "smoothing_A": 0.6,
                "runs_ps": {"doped": 100.0, "reference": 100.0},
                "runs": {"doped": 2, "reference": 2},
            },
        ),
        made(
            "06-crystal-conductivities",
            "Conductivities",
            columns("system", "species", "structures", number="sigma", unit="S/cm"),
            sigma,
            {"ratios": ratios, "runs": {"C_ref": 2, "C_1": 2}},
        ),
    ]


def amorphous_items() -> list[Item[Any]]:
    number = {f"density_{end}": "1/Å³" for end in NUMBER}
    mass = {f"number_density_{end}": "1/Å³" for end in NUMBER}
    volumes = {"volumes": {key: {"structures": 2, "constant_pressure_ps": 50.0} for key in ("A_ref", "A_1")}}
    sigma = [
        ("A_ref", "Li", 2, *known(0.02, 0.004)),
        ("A_1", "Li", 2, *known(0.024, 0.005)),
        ("A_1", "Mg", 2, *bound(2e-4)),
        ("T_0", "Li", 2, *known(2e-4, 1e-4)),
    ]
    ratios = {
        "A_ref": interval(1.0, 0.8, 1.2),
        "A_1": interval(1.2, 0.9, 1.6),
        "T_0": interval(0.01, 0.004, 0.02),
    }
    return [
        made(
            "07-ternary",
            "Shares",
            columns("system", "structure", "x_Ti", "x_Al", "x_Mg", "ions"),
            [("A_ref", 1, 0.8, 0.2, 0.0, 500), ("A_1", 1, 0.6, 0.15, 0.25, 520), ("T_0", 1, 0.0, 0.4, 0.6, 530)],
            {"labels": ["Ti", "Al", "Mg"]},
        ),
        made(
            "08-reducible-distance",
            "Ti",
            columns("system", "structures", number="nearest", unit="Å") | number,
            [
                ("A_ref", 2, *known(4.95, 0.05), *known(0.0080, 0.0002)),
                ("A_1", 2, *known(5.20, 0.05), *known(0.0060, 0.0002)),
            ],
            volumes,
        ),
        made(
            "09-densities",
            "Densities",
            columns("system", "structures", number="mass_density", unit="g/cm³") | mass,
            [
                ("A_ref", 2, *known(2.7, 0.1), *known(0.077, 0.001)),
                ("A_1", 2, *known(2.65, 0.1), *known(0.078, 0.001)),
            ],
            volumes,
        ),
        made(
            "10-amorphous-conductivities",
            "Conductivities",
            columns("system", "species", "structures", number="sigma", unit="S/cm"),
            sigma,
            {
                "ratios": ratios,
                "runs": dict.fromkeys(ratios, 2),
                "second_temperature_K": 1000.0,
                "second_ratios": {"A_ref": interval(1.0, 0.9, 1.1), "A_1": interval(1.25, 1.1, 1.4)},
            },
        ),
        made(
            "10-arrhenius",
            "Arrhenius",
            {"temperature": "K"} | columns("species", number="sigma", unit="S/cm"),
            [(700.0, "Li", *known(0.024, 0.005)), (1000.0, "Li", *known(0.1, 0.01))],
            {
                "system": "A_1",
                "activation_energy_eV": {"Li": {"value": 0.31, "error": 0.02, "interval_95": [0.27, 0.35]}},
                "lines": {"Li": [[1000.0, 0.1, 0.09, 0.11], [850.0, 0.053, 0.047, 0.06], [700.0, 0.024, 0.02, 0.029]]},
            },
        ),
    ]


def verdict() -> dict[str, Any]:
    check = {
        "quantity": "σ(Li) of the grain over C_ref",
        "unit": "",
        "interval": interval(0.7, 0.68, 0.72),
        "rule": "≥ 0.9",
        "answer": "no",
        "reason": "",
    }
    names = ("the dopant stays out of the grains", "the grains keep their conductivity", "the boundary conducts better")
    return {
        "limits": configuration()["rules"],
        "answer": "no",
        "rule": "yes where some composition meets all three requirements, no where none can",
        "requirements": dict(zip(names, ("yes", "no", "undecided"), strict=True)),
        "compositions": {
            "GB_1": {"answer": "no", "requirements": [{"name": names[1], "answer": "no", "checks": [check]}]}
        },
    }


CONFIGURATION = """
preset = "quick"
seed = 7
dopant = "Mg"
potential = "latp-mg-2022"
validation = "validation.json"
[doping]
concentrations = [3.9]
realisations = 2
[swaps]
lowest_walkers = 2
attempts_per_round = 10
rounds_per_layer = 5
layers = 4
relaxation = 2.0
[boundary]
quenches = 1
[crystals]
arrangements = 1
replicas = 2
production = 100.0
[amorphous]
reducible_free = true
cells = 2
production = 100.0
"""


def configuration() -> dict[str, Any]:
    return parse_study(CONFIGURATION).model_dump(mode="json")


def ions(count: int, seed: int = 1) -> Atoms:
    rng = np.random.default_rng(seed)
    symbols = (["Li", "Mg", "Al", "Ti", "P", "O"] * (count // 6 + 1))[:count]
    return Atoms(symbols, scaled_positions=rng.random((count, 3)), cell=[12.0, 12.0, 28.0], pbc=True)


def ensemble_item() -> Item[Any]:
    """Two systems with the study's own potential and another one of the fit."""
    rows = [
        ("C_ref", "study", "σ(Li)", "S/cm", *known(0.10, 0.001), 0.02),
        ("C_ref", "draw-01", "σ(Li)", "S/cm", *known(0.1234567890123, 0.001), 0.02),
        ("C_1", "draw-01", "σ(Mg on Ti)", "S/cm", *bound(1e-5), None),
    ]
    names = columns("system", "potential", "quantity", "unit", number="estimate") | {"spread": ""}
    return made(
        "ensemble", "The same systems with other potentials of the fit", names, rows, {"potentials": [], "spread": {}}
    )


def write_study(
    run: Path, leave_out: tuple[str, ...] = (), n_ions: int = 120, more: tuple[Item[Any], ...] = ()
) -> Path:
    """Write a run folder. leave_out: names of results that are skipped because the exchange failed; more: others."""
    tasks: dict[str, Any] = {}

    def done(task: str, folder: Path, names: tuple[str, ...]) -> None:
        files = {name: sha256_of(folder / name) for name in names}
        measured = {"wall_seconds": 36.0, "ions": float(n_ions)}
        stage = task.split("/")[0]
        tasks[task] = {"stage": stage, "key": "1" * 64, "digest": "0" * 64, "files": files, "measured": measured}

    for item in [*boundary_items(), *crystal_items(), *amorphous_items(), *more]:
        name = "05-mobile-density" if item.name == "mobile-density" else item.name
        if name in leave_out:
            continue
        place = run / "summary" / "items" / name
        place.mkdir(parents=True)
        names = write_item(place, item)
        if name == "05-mobile-density":
            grid = np.random.default_rng(2).random((12, 12, 12))
            np.savez_compressed(
                place / "densities.npz", doped=grid, reference=grid, difference=grid**4 - 0.2, cell=12.0 * np.eye(3)
            )
            names = (*names, "densities.npz")
        done(f"items/{name}", place, names)
    for task, seed in (("boundary", 1), ("doping/GB_1/1", 2), ("crystals/C_1/equilibrate", 3)):
        place = run / "summary" / task
        place.mkdir(parents=True)
        write_structure(place / STRUCTURE, ions(n_ions, seed))
        done(task, place, (STRUCTURE,))
    place = run / "summary" / "bleeding" / "GB_1"
    place.mkdir(parents=True)
    write_structure(place / LOWEST_WALKER, ions(n_ions, 4))
    write_csv(place / PROFILE, ("z_A", "mean_percent", "deviation_percent"), [(1.75, 0.5, 0.1), (5.25, 3.0, 0.2)])
    done("bleeding/GB_1", place, (LOWEST_WALKER, PROFILE))
    record = {
        "inputs": {"study": "1" * 64, "potential": "2" * 64},
        "versions": {"python": "3", "lammps": "2025"},
        "seed": 7,
        "configuration": configuration(),
        "started": "2026-01-01T00:00:00.000+00:00",
        "wall_seconds": 100.0,
    }
    lost = {f"items/{name}": "items" for name in leave_out}
    content = {
        "verdict": verdict(),
        "gates": {"potential_sha256": "2" * 64, "level": "quick", "passed": True, "problem": None, "waiver": None},
        "tasks": tasks,
        "failed": {"swaps/GB_1": "the engine stopped"} if leave_out else {},
        "skipped": dict.fromkeys(lost, "bleeding/GB_1") | ({"bleeding/GB_1": "swaps/GB_1"} if leave_out else {}),
        "stages": lost | ({"swaps/GB_1": "swaps", "bleeding/GB_1": "bleeding"} if leave_out else {}),
        "done_now": [],
        "record": record,
    }
    for place in (run, run / "summary"):
        parse_content(StudyRecord, content).write(place / "study.json")
    return run
