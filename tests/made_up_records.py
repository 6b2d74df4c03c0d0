"""Records of a fit and of its gates with made-up numbers, written by their owners."""

from pathlib import Path
from typing import Any

from dopantfit.fit.record_schema import FitRecord
from dopantfit.potential import Potential
from dopantfit.structures import load_host
from dopantfit.validate import thresholds
from dopantfit.validate.dynamics import recipe_sha256
from dopantfit.validate.presets import GATE_PRESETS
from dopantfit.validate.record_schema import HostIdentity, ValidationRecord
from dopantfit.workflow.provenance import sha256_of
from dopantfit.workflow.schema import parse_content

RECORD: dict[str, Any] = {
    "inputs": {},
    "versions": {},
    "seed": 1,
    "configuration": {},
    "started": "2026-01-01T00:00:00.000+00:00",
    "wall_seconds": 9.0,
}
PARAMETER: dict[str, Any] = {
    "name": "rho Mg-O",
    "unit": "Å",
    "start": 0.179,
    "value": 0.1733655813527802,
    "standard_error": 0.006,
    "bounds": [0.13, 0.25],
    "scale": "linear",
    "at_bound": False,
    "identified": True,
    "correlated_with": "A Mg-O",
    "correlation": -0.9,
    "frames": 3,
    "closest": 1.9,
}
FLAT = PARAMETER | {"name": "C Mg-Al", "identified": False, "standard_error": None, "at_bound": True}
ERRORS: dict[str, Any] = {
    "forces": [{"kind": "all", "name": "all", "components": 9, "rms_error": 0.75, "rms_reference": 1.1}],
    "energies": [],
    "collapsed": [],
}


def write_fit_record(folder: Path, **changes: Any) -> FitRecord:
    """Write ``fit.json`` beside the ``potential.toml`` of a folder."""
    expansion = {"candidates": 0, "expanded": 0}
    content: dict[str, Any] = {
        "name": "Mg",
        "units": {},
        "parameters": [PARAMETER, FLAT],
        "correlation": [[1.0, 0.0], [0.0, 1.0]],
        "objective": {"start": 10.0, "cost": 5.0, "reduced_chi2": 1.0, "degrees_of_freedom": 90},
        "search": {"method": "pso", "evaluations": 0, "rejected": {}, "expansion": expansion, "generations": []},
        "local": [],
        "preoptimisation": None,
        "errors": {"fitted": {"held_out": ERRORS}, "published": {"held_out": ERRORS}},
        "compared": {"fitted": "Mg", "published": "latp-mg-2022"},
        "turn_over": {"Mg-P": {"radius": 1.74, "energy": 20.7}},
        "sensitivity": {"kinds": [], "norms": {}},
        "ensemble": [],
        "frames": {"train": ["a"], "held_out": ["b", "c"]},
        "seconds": {},
        "record": RECORD,
        "budget": [],
        "potential_sha256": sha256_of(folder / "potential.toml"),
    }
    record = parse_content(FitRecord, content | changes)
    record.write(folder / "fit.json")
    return record


CHECK: dict[str, Any] = {
    "name": "drift",
    "value": 0.5,
    "error": None,
    "unit": "meV",
    "low": None,
    "high": 1.0,
    "reason": "because",
    "passed": True,
    "decided": True,
}
GATE: dict[str, Any] = {
    "name": "parity",
    "finding": "same",
    "figures": [],
    "details": {},
    "problem": None,
    "final": True,
    "seconds": 1.0,
    "passed": True,
    "checks": [CHECK],
}


def write_validation_record(folder: Path, name: str = "validation.json", **changes: Any) -> ValidationRecord:
    """Write a validation of the ``potential.toml`` of a folder."""
    content: dict[str, Any] = {
        "name": "Mg",
        "level": "quick",
        "passed": True,
        "potential": {"name": "Mg", "sha256": sha256_of(folder / "potential.toml"), "source": "potential.toml"},
        "compared_with": None,
        "thresholds": "0" * 64,
        "gates": [GATE],
        "record": RECORD,
    }
    record = parse_content(ValidationRecord, content | changes)
    record.write(folder / name)
    return record


def up_to_date(preset: str = "quick") -> dict[str, Any]:
    """Return what a validation of the default host has to say, so that this version takes it for its own."""
    host = load_host()
    made_with = {"thresholds": thresholds.sha256(host), "recipe": recipe_sha256(GATE_PRESETS[preset])}
    return {"level": preset, "host": HostIdentity.of(host).model_dump(), **made_with}


def write_made_up_fit(folder: Path) -> Path:
    """Write a folder with a published potential, and made-up records of its fit and its gates."""
    folder.mkdir(parents=True)
    Potential.load("latp-mg-2022").save(folder / "potential.toml")
    write_fit_record(folder)
    write_validation_record(folder)
    return folder
