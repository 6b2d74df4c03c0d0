"""Sets of relaxed exchanges that a known potential made."""

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit import Potential, ShellModel
from dopantfit.energy import make_frame, species_table
from dopantfit.energy.ion_relaxation import IonModel
from dopantfit.reference.environments import exchanged_pairs, with_exchange
from dopantfit.reference.frames import composition_of, write_set
from dopantfit.reference.manifest import parse_manifest
from dopantfit.reference.plan import CationExchange, load_plan
from dopantfit.reference.variants import start_ions

PLAN = """
set = "exchanged"
purpose = "tests"
"""
ITEM = """
[[configurations]]
kind = "exchange"
name = "{name}"
start = {{ prototype = "LiTi2P3O12", primitive = true, substitutions = [
    {{ replaced = "Ti", dopant = "Mg", formal_charge = 2, count = 1 }},
] }}
dopant = "Mg"
partners = {partners}
pairs = {pairs}
seed = {seed}
"""


def write_exchange_set(
    folder: Path, potential: Potential, items: dict[str, tuple[list[str], int]], noise: float = 0.0
) -> Path:
    """Items of one Mg in LiTi2(PO4)3 (38 ions) by name, with partners and pairs; relaxed and labelled by a potential.

    noise: of the energy of every exchanged end [eV].
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = PLAN
    for seed, (name, (partners, pairs)) in enumerate(items.items(), 7):
        text += ITEM.format(name=name, partners=str(partners).replace("'", '"'), pairs=pairs, seed=seed)
    (folder / "plan.toml").write_text(text, encoding="utf-8")
    rng, frames = np.random.default_rng(5), []
    for item in load_plan(folder).configurations:
        assert isinstance(item, CationExchange)
        start = start_ions(item, folder)
        cells = {"start": start}
        for partner in item.partners:
            for k, (i, j) in enumerate(exchanged_pairs(start, "Mg", partner, item.pairs, rng)):
                cells[f"{partner}{k}"] = with_exchange(start, i, j)
        for label, atoms in cells.items():
            end = relaxed(atoms, potential)
            shift = float(rng.normal(0.0, noise)) if label != "start" else 0.0
            frames.append(labelled(end, f"{item.name}-{label}-012", item.name, potential, shift))
    write_set(folder, frames, manifest())
    return folder


def relaxed(atoms: Atoms, potential: Potential) -> Atoms:
    """The ions at rest in their cell."""
    frame = make_frame(atoms, potential)
    found = IonModel(frame, species_table(frame.labels, potential)).relax(species_table(frame.labels, potential))
    end = atoms.copy()
    end.positions = found.problem.frame.positions
    return end


def labelled(atoms: Atoms, frame_id: str, family: str, potential: Potential, shift: float = 0.0) -> Atoms:
    """A frame of a set, with what the independent model says of it. shift: of its energy [eV]."""
    frame = atoms.copy()
    frame.calc = ShellModel(potential)
    forces, energy = frame.get_forces(), frame.get_potential_energy() + shift
    frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces)
    frame.info = {"frame_id": frame_id, "family": family, "composition": composition_of(frame)}
    frame.info |= {"temperature": 0.0, "strain": 0.0, "origin": f"the end of {frame_id}"}
    return frame


def manifest():
    return parse_manifest(
        'name = "exchanged"\npurpose = "tests"\nlicence = "CC0-1.0"\ncode = "dopantfit"\ncode_version = "0"\n'
        'functional = "none"\nbasis_or_cutoff = "none"\nk_mesh = [1, 1, 1]\nscf_tolerance = 1e-6\n'
        '[pseudopotentials]\nMg = "x"\nP = "x"\nO = "x"\nLi = "x"\nTi = "x"\nAl = "x"\n'
    )
