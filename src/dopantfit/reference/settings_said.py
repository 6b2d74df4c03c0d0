"""What an output says of the settings that it was made with, held against the manifest of the set that it is to join.

Frames of two settings have different zeros of energy. Compared is what both sides say in numbers or names that can be
recognised; a manifest in words of its own is left alone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dopantfit.reference.manifest import Manifest
from dopantfit.units import HARTREE

#: Settings stand in front of the first ionic step.
HEAD = 400_000
#: Functional → what codes call it.
_FUNCTIONALS = {
    "PBE": ("PBE", "PE", "Perdew Burke Ernzerhof", "SLA PW PBX PBC"),
    "PBEsol": ("PBESOL", "PBEsol", "PS", "PBE for solids (2008)", "SLA PW PSX PSC"),
    "RPBE": ("RPBE", "RP", "revised PBE (RPBE)"),
    "LDA": ("LDA", "CA", "Local Density Approximation", "SLA PZ NOGX NOGC"),
}
#: Relative; cutoffs in eV are converted from Ry with other constants.
_SAME_CUTOFF = 1e-3


@dataclass(frozen=True)
class PrintedSettings:
    """Settings of an output. cutoff: [eV]. pseudopotentials: titles or file names by element. mesh: of k points."""

    functional: str = ""
    cutoff: float | None = None
    mesh: tuple[int, ...] | None = None
    pseudopotentials: Mapping[str, str] = field(default_factory=dict)


def contradictions(head: str, code: str, manifest: Manifest) -> Iterator[str]:
    """Yield what the beginning of an output says otherwise than the manifest. code: as manifests name it."""
    said = settings_said(head, code)
    known = {name: spellings for name, spellings in _FUNCTIONALS.items() if said.functional in spellings}
    wanted = str(manifest.functional or "").strip()
    if known and wanted in _FUNCTIONALS and wanted not in known:
        yield f"was made with {next(iter(known))}, the manifest says functional = {wanted!r}"
    match = re.search(r"([0-9.]+)\s*(eV|Ry)\b", str(manifest.basis_or_cutoff or ""))
    if said.cutoff is not None and match is not None and match[1].count(".") <= 1:
        cutoff = float(match[1]) * (1.0 if match[2] == "eV" else HARTREE / 2)
        if abs(cutoff - said.cutoff) > _SAME_CUTOFF * cutoff:
            wanted = str(manifest.basis_or_cutoff)
            yield f"has the cutoff {said.cutoff:.1f} eV, the manifest says basis_or_cutoff = {wanted!r}"
    mesh = manifest.k_mesh
    if said.mesh is not None and isinstance(mesh, tuple) and said.mesh != mesh:
        yield f"has the k mesh {list(said.mesh)}, the manifest says k_mesh = {list(mesh)}"
    for element, title in said.pseudopotentials.items():
        named = manifest.pseudopotentials.get(element, "")
        if named.startswith("PAW") and title.split()[: len(named.split())] != named.split():
            yield f"has the POTCAR {title!r} of {element}, the manifest says {named!r}"


def settings_said(head: str, code: str) -> PrintedSettings:
    """Return what is recognised at the beginning of an output."""
    if code == "CASTEP":
        return PrintedSettings(
            _first(r"using functional\s*:\s*(.+?)\s*$", head),
            _number(r"plane wave basis set cut-off\s*:\s*([0-9.]+)\s*eV", head),
            _mesh(r"MP grid size for SCF calculation is\s+(\d+\s+\d+\s+\d+)", head),
        )
    if code == "Quantum ESPRESSO":
        rydberg = _number(r"kinetic-energy cutoff\s*=\s*([0-9.]+)\s*Ry", head)
        cutoff = None if rydberg is None else rydberg * HARTREE / 2
        return PrintedSettings(_first(r"Exchange-correlation\s*=\s*(.+?)\s*(?:\(.*)?$", head), cutoff)
    if code == "VASP":
        titles = re.findall(r"(?:POTCAR:|<c>)\s+(PAW\w*\s+[A-Z][a-z]?\w*[^<\n]*)", head)
        return PrintedSettings(
            _first(r'name="GGA">\s*(\w+)\s*<', head),
            _number(r'(?:name="ENMAX">|ENCUT\s*=)\s*([0-9.]+)', head),
            _mesh(r'name="divisions">\s*(\d+\s+\d+\s+\d+)', head),
            {re.split(r"[_\W]", title.split()[1])[0]: title.strip() for title in titles},
        )
    return PrintedSettings()


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text, flags=re.MULTILINE)
    return "" if match is None else " ".join(match[1].split())


def _number(pattern: str, text: str) -> float | None:
    match = re.search(pattern, text)
    try:
        return None if match is None else float(match[1])
    except ValueError:
        return None


def _mesh(pattern: str, text: str) -> tuple[int, ...] | None:
    match = re.search(pattern, text)
    return None if match is None else tuple(int(word) for word in match[1].split())
