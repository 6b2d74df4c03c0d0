"""The reference sets of a new dopant as people would write them: plans, and manifests for codes that run elsewhere."""

from collections.abc import Iterable, Sequence

from dopantfit.project.compound import SimpleCompound
from dopantfit.project.request import Cell, DopantRequest
from dopantfit.reference.cp2k import pseudopotential
from dopantfit.reference.manifest import Manifest, dump_manifest
from dopantfit.reference.plan import PlaneWaves
from dopantfit.reference.write_inputs import potcar
from dopantfit.strict_toml import quoted

#: Codes that frames come from: name on the command line → as manifests have it. "cp2k" is run here as well.
CODES = {"cp2k": "CP2K", "castep": "CASTEP", "vasp": "VASP", "espresso": "Quantum ESPRESSO"}
#: File of the compound's crystal, in the folder of its set.
COMPOUND_FILE = "start.extxyz"
#: Lengths of an equation of state: a measured cell is met within a few per cent, an estimated one within ten.
_SCALES = {
    False: (0.97, 0.98, 0.99, 1.0, 1.01, 1.02, 1.03),
    True: (0.93, 0.95, 0.97, 0.98, 0.99, 1.0, 1.01, 1.03, 1.05),
}
#: Of the primitive cell and the compound; the conventional cell, held out, costs several times as much a frame.
_STEPS, _LARGE_STEPS = 8, 4


def host_plan(request: DopantRequest, name: str, potential: str, host: str) -> str:
    """``plan.toml`` of the doped cells. potential, host: as the plan must name them."""
    families = "\n".join(
        _cell_items(request, cell, potential, host, seed) for seed, cell in enumerate(request.cells, 1)
    )
    return f"""\
# Doped cells of {request.host.formula}: {request.dopant} alone, and beside {request.host.substitution.partner}.
# Every relaxation and what departs from it is one family: held out of the fit whole, or not at all.
set = {quoted(name)}
purpose = {quoted(f"Fit of the {request.dopant} terms: forces and energies of doped {request.host.name}")}
k_mesh = [1, 1, 1]  # Γ only: at least 8 Å of cell each way, meant for forces at force-field accuracy
{_CALCULATOR}
{families}"""


def _cell_items(request: DopantRequest, cell: Cell, potential: str, host: str, seed: int) -> str:
    """A relaxation, displacements around its end, and a snapshot at temperature: the same for every cell."""
    changes = "".join(
        f"    {{ replaced = {quoted(one.replaced)}, dopant = {quoted(one.dopant)}, "
        f"formal_charge = {one.formal_charge}, count = {one.count} }},\n"
        for one in cell.substitutions
    )
    primitive = str(cell.primitive).lower()
    start = f"{{ host = {quoted(host)}, primitive = {primitive}, substitutions = [\n{changes}] }}"
    hot = (
        f"""
# What the start potential does at temperature; the family is one of its own.
[[configurations]]
kind = "md"
name = "md600-{cell.name}"
start = {start}
potential = {quoted(potential)}
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


def compound_plan(request: DopantRequest, compound: SimpleCompound, name: str) -> str:
    """``plan.toml`` of the simple compound."""
    source = f"prototype = {quoted(compound.prototype)}" if compound.prototype else f"file = {quoted(COMPOUND_FILE)}"
    start = f"{{ {source}, repeat = {list(compound.repeats)} }}"
    scales = ", ".join(map(str, _SCALES[compound.is_scaled]))
    return f"""\
# {compound.formula}, {compound.source}.
# {compound.computed_ions} ions in a cell.
set = {quoted(name)}
purpose = {quoted(f"Pre-optimisation of the {request.dopant} terms on {compound.formula}")}
k_mesh = [1, 1, 1]
{_CALCULATOR}
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
scales = [{scales}]

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


#: Where CP2K's place can be taken; the words stand in every plan.
_CALCULATOR = """\
# CP2K makes the labels (`dopantfit reference run`). Any ASE calculator can, such as a universal model:
# [calculator]
# make = "sevenn.calculator:SevenNetCalculator"
# options = { model = "7net-l3i5" }
"""


def manifest_text(name: str, purpose: str, code: str, elements: Iterable[str]) -> str:
    """``manifest.toml`` of a set whose outputs are imported; ConfigError for an element without pseudopotential."""
    chosen = sorted(set(elements))
    tolerance = PlaneWaves().scf_tolerance
    return "# What `dopantfit reference import` adds to this set must have been computed so; mend what differs.\n" + (
        dump_manifest(
            Manifest(
                name=name,
                purpose=purpose,
                licence="CC-BY-4.0",
                code=CODES[code],
                code_version="the version that you run",
                functional="PBE",
                basis_or_cutoff=f"{PlaneWaves().cutoff:g} eV",
                k_mesh=(1, 1, 1),
                scf_tolerance=tolerance,
                pseudopotentials=pseudopotentials(code, chosen),
            )
        )
    )


def pseudopotentials(code: str, elements: Sequence[str]) -> dict[str, str]:
    """The pseudopotential of every element in a code; ConfigError, one line, for an element that has none."""
    if code == "cp2k":
        return {element: pseudopotential(element) for element in elements}
    if code == "vasp":
        return {element: f"PAW_PBE {potcar(element)}" for element in elements}
    return {element: "on the fly" if code == "castep" else f"{element}.UPF" for element in elements}
