"""What an output says of the settings that it was made with, held against the manifest of the set that it is to join.

Frames of two settings have different zeros of energy. Compared is what both sides say in numbers or names that can be
recognised; a manifest in words of its own is left alone.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from dopantfit.reference.manifest import Manifest
from dopantfit.reference.printed_settings import FUNCTIONALS, HYBRID, HYBRIDS, PrintedSettings, printed_settings
from dopantfit.reference.pseudopotentials import ON_THE_FLY
from dopantfit.units import HARTREE

#: Settings stand in front of the first ionic step.
HEAD = 400_000
#: Relative; cutoffs in eV are converted from Ry with other constants.
_SAME_CUTOFF = 1e-3


def contradictions(head: str, code: str, manifest: Manifest, path: Path) -> Iterator[str]:
    """Yield what an output says otherwise than the manifest.

    head: its beginning. code: as manifests name it. path: of the output, whose input or XML may lie beside it.
    """
    said = printed_settings(head, code, path)
    wanted = str(manifest.functional or "").strip()
    is_the_same = said.functional == wanted or (said.functional == HYBRID and wanted in HYBRIDS)
    if said.functional and wanted in FUNCTIONALS and not is_the_same:
        yield f"was made with {said.functional}, the manifest says functional = {wanted!r}"
    yield from _other_cutoff_or_basis(said, str(manifest.basis_or_cutoff or ""))
    mesh = manifest.k_mesh
    if isinstance(mesh, tuple) and said.mesh is not None and said.mesh != mesh:
        yield f"has the k mesh {list(said.mesh)}, the manifest says k_mesh = {list(mesh)}"
    elif said.mesh is None and said.is_gamma is not None and isinstance(mesh, tuple):
        if said.is_gamma != (mesh == (1, 1, 1)):
            points = "the Γ point alone" if said.is_gamma else "more k points than Γ"
            yield f"has {points}, the manifest says k_mesh = {list(mesh)}"
    for element, title in said.pseudopotentials.items():
        named = manifest.pseudopotentials.get(element, "")
        if _are_two(named, title, code):
            what = "POTCAR" if code == "VASP" else "pseudopotential"
            yield f"has the {what} {title!r} of {element}, the manifest says {named!r}"


def _other_cutoff_or_basis(said: PrintedSettings, wanted: str) -> Iterator[str]:
    match = re.search(r"([0-9.]+)\s*(eV|Ry)\b", wanted)
    if said.cutoff is not None and match is not None and match[1].count(".") <= 1:
        unit = 1.0 if match[2] == "eV" else HARTREE / 2
        if abs(float(match[1]) * unit - said.cutoff) > _SAME_CUTOFF * said.cutoff:
            yield f"has the cutoff {said.cutoff / unit:.1f} {match[2]}, the manifest says basis_or_cutoff = {wanted!r}"
    methods = re.findall(r"\b(?:GAPW|GPW)\b", wanted)
    if said.method in ("GAPW", "GPW") and methods and said.method not in methods:
        yield f"was made with {said.method}, the manifest says basis_or_cutoff = {wanted!r}"
    bases = [_without_valence(word) for word in re.findall(r"[\w-]+-GTH[\w-]*", wanted)]
    for element, basis in said.basis.items():
        if bases and basis and _without_valence(basis) not in bases:
            yield f"has the basis {basis} of {element}, the manifest says basis_or_cutoff = {wanted!r}"


def _are_two(named: str, said: str, code: str) -> bool:
    """Whether a manifest and an output name two pseudopotentials; not where either is in words of its own."""
    if code == "VASP":
        return named.startswith("PAW") and said.split()[: len(named.split())] != named.split()
    if code == "Quantum ESPRESSO":
        return named.lower().endswith(".upf") and named != said
    if code == "CP2K":
        if not (named.startswith("GTH-") and said.startswith("GTH-")):
            return False
        one_is_short = _without_valence(named) == named or _without_valence(said) == said
        return _without_valence(named) != _without_valence(said) if one_is_short else named != said
    # CASTEP keeps what it has made on the fly in files that say OTF, and prints these when it reads them again.
    made_here = "|" in said or "OTF" in said
    if named == ON_THE_FLY:
        return not made_here and "." in said
    return (("|" in named and "|" in said) or re.search(r"\.\w+$", named) is not None) and named != said


def _without_valence(name: str) -> str:
    """The name of a GTH pseudopotential or basis without its number of electrons, which may be left out."""
    return re.sub(r"-q\d+$", "", name)
