"""Plans of doped crystals as people would write them, and manifests for codes that run elsewhere."""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dopantfit.project.compound import SimpleCompound
from dopantfit.project.request import DopantRequest, DopedCell
from dopantfit.reference.calculator import CalculatorSettings
from dopantfit.reference.manifest import Manifest, dump_manifest
from dopantfit.reference.plan import PlaneWaves
from dopantfit.reference.pseudopotentials import CODES, pseudopotentials
from dopantfit.strict_toml import toml_value

#: What a manifest says of the version of a code before the first frame is there.
NOT_RUN_YET = "the version that you run"
#: File of the compound's crystal, in the folder of its set.
COMPOUND_FILE = "start.extxyz"
#: Lengths of an equation of state: a measured cell is met within a few per cent, an estimated one within ten.
_SCALES = {
    False: (0.97, 0.98, 0.99, 1.0, 1.01, 1.02, 1.03),
    True: (0.93, 0.95, 0.97, 0.98, 0.99, 1.0, 1.01, 1.03, 1.05),
}
#: Of the primitive cell and the compound; the conventional cell, held out, costs several times as much a frame.
_STEPS, _LARGE_STEPS = 8, 4


@dataclass(frozen=True)
class PlanNames:
    """How the plans of a dopant name what lies elsewhere, and what makes their labels.

    labels: as lines of TOML. needs_repeats: whether small cells are repeated, as for the Γ point only.
    """

    potential: str
    host: str
    labels: str
    needs_repeats: bool


def plan_head(name: str, purpose: str, labels: str) -> str:
    """What a plan begins with, its comments excepted."""
    return f"""\
set = {toml_value(name)}
purpose = {toml_value(purpose)}
k_mesh = [1, 1, 1]  # Γ only: at least 8 Å of cell each way, meant for forces at force-field accuracy
{labels}"""


def host_plan(request: DopantRequest, name: str, names: PlanNames) -> str:
    """``plan.toml`` of the doped cells."""
    families = "\n".join(_cell_items(cell, names, seed) for seed, cell in enumerate(request.cells, 1))
    purpose = f"Fit of the {request.dopant} terms: forces and energies of doped {request.host.name}"
    return f"""\
# Doped cells of {request.host.formula}: {request.dopant} alone, and beside {request.host.substitution.partner}.
# Every relaxation and what departs from it is one family: held out of the fit whole, or not at all.
{plan_head(name, purpose, names.labels)}
{families}"""


def crystal_start(cell: DopedCell, host: str, strain: float = 0.0) -> str:
    """A start in a doped cell, as an inline table. host: as the plan must name it."""
    changes = "".join(f"    {toml_value(asdict(one))},\n" for one in cell.substitutions)
    made_of = f"host = {toml_value(host)}, primitive = {toml_value(cell.primitive)}"
    strained = f", strain = {strain!r}" if strain else ""
    return f"{{ {made_of}{strained}, substitutions = [\n{changes}] }}"


def _cell_items(cell: DopedCell, names: PlanNames, seed: int) -> str:
    """A relaxation, displacements around its end, and a snapshot at temperature: the same for every cell."""
    start = crystal_start(cell, names.host)
    hot = (
        f"""
# What the start potential does at temperature; the family is one of its own.
[[configurations]]
kind = "md"
name = "md600-{cell.name}"
start = {start}
potential = {toml_value(names.potential)}
temperature = 600.0  # K
duration = 1.0       # ps
snapshots = 1
seed = {seed}
"""
        if cell.primitive
        else ""
    )
    return f"""\
# {cell.ions} ions.
[[configurations]]
kind = "relaxation"
name = "relax-{cell.name}"
start = {start}
steps = {_STEPS if cell.primitive else _LARGE_STEPS}
seed = {seed}

[[configurations]]
kind = "rattle"
name = "rattle-{cell.name}"
start = {{ end_of = "relax-{cell.name}" }}
sigmas = [0.02, 0.04, 0.06]
strains = [0.01, -0.01, 0.0]
seed = {seed}
{hot}"""


def compound_plan(request: DopantRequest, compound: SimpleCompound, name: str, names: PlanNames) -> str:
    """``plan.toml`` of the simple compound."""
    source = {"prototype": compound.prototype} if compound.prototype else {"file": COMPOUND_FILE}
    repeats = compound.repeats if names.needs_repeats else (1, 1, 1)
    start = toml_value({**source, "repeat": repeats})
    return f"""\
# {compound.formula}, {compound.source}.
# {len(compound.atoms) * math.prod(repeats)} ions in a cell.
{plan_head(name, f"Pre-optimisation of the {request.dopant} terms on {compound.formula}", names.labels)}
[[configurations]]
kind = "relaxation"
name = "relax"
start = {start}
steps = {_STEPS}

# The equation of state: ions where the relaxation left them, all lengths scaled.
[[configurations]]
kind = "volumes"
name = "volumes"
family = "volumes"
start = {{ end_of = "relax" }}
scales = {toml_value(_SCALES[compound.is_scaled])}

[[configurations]]
kind = "strain"
name = "strains"
family = "strains"
start = {{ end_of = "relax" }}
strains = [
    [0.02, -0.01, -0.01, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.02, 0.0, 0.02],
]

[[configurations]]
kind = "rattle"
name = "rattle"
start = {{ end_of = "relax" }}
sigmas = [0.03, 0.05, 0.07]
seed = 1
"""


#: Of plans that a code labels, and where its place can be taken.
CODE_LABELS = """\
# CP2K makes the labels (`dopantfit reference run`). Any ASE calculator can, such as a universal model:
# [calculator]
# make = "sevenn.calculator:SevenNetCalculator"
# options = { model = "7net-l3i5", device = "cpu" }
"""


def labels_text(calculator: CalculatorSettings | None, folder: Path) -> str:
    """What makes the labels of the plan in a folder; a file of a calculator is named from there."""
    if calculator is None:
        return CODE_LABELS
    where, _, attribute = calculator.make.rpartition(":")
    make = f"{os.path.relpath(where, folder)}:{attribute}" if where.endswith(".py") else calculator.make
    options = ", ".join(f"{toml_value(key)} = {toml_value(value)}" for key, value in calculator.options.items())
    return f"""\
notes = ["Labels of a calculator, not of DFT; see label_check."]

[calculator]
make = {toml_value(make)}
options = {{ {options} }}
"""


def manifest_text(
    name: str, purpose: str, code: str, elements: Iterable[str], named: Mapping[str, str] | None = None
) -> str:
    """``manifest.toml`` of a set of a code that runs elsewhere; ConfigError for an element without pseudopotential.

    named: pseudopotentials by element that take the place of those known here.
    """
    tolerance = PlaneWaves().scf_tolerance
    return "# What `dopantfit reference import` adds to this set must have been computed so; mend what differs.\n" + (
        dump_manifest(
            Manifest(
                name=name,
                purpose=purpose,
                licence="CC-BY-4.0",
                code=CODES[code],
                code_version=NOT_RUN_YET,
                functional="PBE",
                basis_or_cutoff=f"{PlaneWaves().cutoff:g} eV",
                k_mesh=(1, 1, 1),
                scf_tolerance=tolerance,
                pseudopotentials=pseudopotentials(code, sorted(set(elements)), named),
            )
        )
    )
