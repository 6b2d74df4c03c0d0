"""What an output says of the settings that it was made with, and what lies beside it and is its own says.

That is the input that a CP2K output names and the XML in the folder that pw.x says it writes to. What stands nowhere is
empty.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.cp2k_input import Section, beside, read_input
from dopantfit.reference.text_files import compressed_or_not, file_text
from dopantfit.units import HARTREE

_RYDBERG = HARTREE / 2
#: Functional → what codes call it.
FUNCTIONALS = MappingProxyType(
    {
        "PBE": ("PBE", "PE", "Perdew Burke Ernzerhof", "SLA PW PBX PBC", "SLA PW PBE PBE"),
        "PBEsol": ("PBESOL", "PBEsol", "PS", "PBE for solids (2008)", "SLA PW PSX PSC"),
        "RPBE": ("RPBE", "RP", "revised PBE (RPBE)"),
        "revPBE": ("REVPBE", "revPBE", "RE", "SLA PW RVX PBC"),
        "LDA": ("LDA", "CA", "Local Density Approximation", "PZ", "SLA PZ NOGX NOGC", "PADE"),
        "PBE0": ("PBE0",),
        "HSE06": ("HSE", "HSE06"),
        "B3LYP": ("B3LYP", "hybrid B3LYP"),
        "SCAN": ("SCAN",),
    }
)
#: What an output may say of a hybrid functional is only that it is one.
HYBRID = "a hybrid functional"
HYBRIDS = ("PBE0", "HSE06", "B3LYP")
_GAMMA = (1, 1, 1)


@dataclass(frozen=True)
class PrintedSettings:
    """Settings of an output.

    functional: a key of `FUNCTIONALS`, or in words what is none of them. cutoff: [eV]. mesh: of k points. is_gamma:
    whether it has the Γ point only, where nothing else is known of the mesh. pseudopotentials: titles or file names by
    element. basis: name by element (CP2K). method: GPW or GAPW (CP2K).
    """

    functional: str = ""
    cutoff: float | None = None
    mesh: tuple[int, ...] | None = None
    is_gamma: bool | None = None
    pseudopotentials: Mapping[str, str] = field(default_factory=dict)
    basis: Mapping[str, str] = field(default_factory=dict)
    method: str = ""


def printed_settings(head: str, code: str, path: Path) -> PrintedSettings:
    """Return what is recognised at the beginning of an output, and beside it. code: as manifests name it."""
    if code == "CASTEP":
        return _castep(head)
    if code == "Quantum ESPRESSO":
        return _espresso(head, path)
    if code == "VASP":
        return _vasp(head)
    if code == "CP2K":
        return _cp2k(head, path)
    return PrintedSettings()


def _castep(head: str) -> PrintedSettings:
    block = re.search(r"Files used for pseudopotentials:\s*\n((?:\s+[A-Z][a-z]?(?::\S+)?\s+\S+[^\S\n]*\n)+)", head)
    rows = [] if block is None else [line.split() for line in block[1].splitlines() if line.strip()]
    return PrintedSettings(
        _named(_first(r"using functional\s*:\s*(.+?)\s*$", head)),
        _number(r"plane wave basis set cut-off\s*:\s*([0-9.]+)\s*eV", head),
        _mesh(r"MP grid size for SCF calculation is\s+(\d+\s+\d+\s+\d+)", head),
        pseudopotentials={row[0].partition(":")[0]: row[1] for row in rows},
    )


def _espresso(head: str, path: Path) -> PrintedSettings:
    rydberg = _number(r"kinetic-energy cutoff\s*=\s*([0-9.]+)\s*Ry", head)
    files = re.findall(r"PseudoPot\. #\s*\d+ for\s+(\S+)\s+read from file:?\s+(\S+)", head)
    points = set(re.findall(r"^\s+k\(\s*\d+\) = \((.*?)\), wk", head, re.MULTILINE))
    mesh = _GAMMA if "gamma-point specific algorithms are used" in head else _mesh_of_xml(head, path)
    return PrintedSettings(
        _named(_first(r"Exchange-correlation\s*=\s*(.+?)\s*(?:\(.*)?$", head)),
        None if rydberg is None else rydberg * _RYDBERG,
        mesh,
        _is_gamma(points),
        {_element(label): Path(file).name for label, file in files},
    )


def _mesh_of_xml(head: str, path: Path) -> tuple[int, ...] | None:
    """The mesh in the XML of the folder that an output of pw.x names; None where there is none."""
    folder = _first(r"Writing (?:[\w-]+ )?(?:to )?output data (?:dir|file)\s+(\S+?)/?(?:\s|:|$)", head)
    file = compressed_or_not(path.parent / folder / "data-file-schema.xml")
    if not folder or not file.is_file():
        return None
    try:
        mesh = ElementTree.fromstring(file_text(file).encode()).find("input/k_points_IBZ/monkhorst_pack")
        return None if mesh is None else tuple(int(mesh.attrib[key]) for key in ("nk1", "nk2", "nk3"))
    except (ElementTree.ParseError, ReferenceDataError, KeyError, ValueError):
        return None


def _vasp(head: str) -> PrintedSettings:
    """Of an OUTCAR or a vasprun.xml."""
    titles = re.findall(r"(?:POTCAR:|<c>|TITEL\s*=)\s*\^?(PAW\w*\s+[A-Z][a-z]?\w*[^<\n]*)", head)
    mesh = _mesh(r'(?:name="divisions">|generate k-points for:)\s*(\d+\s+\d+\s+\d+)', head)
    block = re.search(r"k-points in reciprocal lattice and weights:.*\n((?:(?:\s+-?\d+\.\d+){4}\s*\n)+)", head)
    points = {" ".join(line.split()[:3]) for line in block[1].splitlines() if line.strip()} if block else set()
    if mesh is None and points:
        mesh = _mesh_of_comment(head, len(points))
    return PrintedSettings(
        _functional_of_vasp(head, titles),
        _number(r'(?:name="ENMAX">\s*([0-9.]+)|ENCUT\s*=\s*([0-9.]+)\s*eV)', head),
        mesh,
        _is_gamma(points),
        {re.split(r"[_\W]", title.split()[1])[0]: title.strip() for title in titles},
    )


def _mesh_of_comment(head: str, points: int) -> tuple[int, ...] | None:
    """The mesh in the first line of the KPOINTS that are written here, where the number of points may be its own."""
    mesh = _mesh(r"KPOINTS: (\d+ \d+ \d+) around Gamma", head)
    if mesh is None:
        return None
    most = mesh[0] * mesh[1] * mesh[2]
    return mesh if 1 < points <= most or points == most else None


def _functional_of_vasp(head: str, titles: list[str]) -> str:
    if re.search(r'LHFCALC(?:">|\s*=)\s*T\b', head):
        return HYBRID
    meta = _first(r'METAGGA(?:">|\s*=)\s*([A-Z0-9-]{3,})', head)
    if meta not in ("", "NONE"):
        return f"the meta-GGA {meta}" if meta not in FUNCTIONALS else meta
    tag = _first(r'(?:name="GGA">\s*|^\s*GGA\s+=\s+)([A-Z0-9]{2})\b', head)
    # "--": that of the POTCAR.
    of_potcar = _first(r"^\s+LEXCH\s*=\s*([A-Z]{2})\s*$", head) or (
        "PE" if " ".join(titles).startswith("PAW_PBE") else ""
    )
    return _named(tag or of_potcar)


def _cp2k(head: str, path: Path) -> PrintedSettings:
    """What the output prints, and where it prints nothing, as at PRINT_LEVEL LOW, what its input asks for."""
    name = _first(r"CP2K\| Input file name(?: is)?:?\s+(\S+)", head)
    try:
        asked = _cp2k_input(read_input(beside(path, name))) if name else PrintedSettings()
    except ReferenceDataError:
        asked = PrintedSettings()
    hartree = _number(r"QS\| Density cutoff \[a\.u\.\]:\s+([0-9.]+)", head)
    kinds = list(re.finditer(r"^\s+\d+\. Atomic kind: ([A-Za-z]+)\S*\s+Number of atoms", head, re.MULTILINE))
    edges = [*(kind.start() for kind in kinds), len(head)]
    texts = {_element(kind[1]): head[kind.end() : end] for kind, end in zip(kinds, edges[1:], strict=True)}
    said = {
        # It prints what is mixed with exact exchange by its own name.
        "functional": "" if asked.functional == HYBRID else _functional_of_cp2k(head),
        "cutoff": None if hartree is None else hartree * HARTREE,
        "mesh": _mesh(r"BRILLOUIN\| K-Point grid\s+(\d+\s+\d+\s+\d+)", head),
        "pseudopotentials": _each(r"Potential information for\s+(\S+)", texts),
        "basis": _each(r"Orbital Basis Set\s+(\S+)", texts),
        "method": _first(r"QS\| Method:\s+(\w+)", head),
    }
    return replace(asked, **{key: value for key, value in said.items() if value})  # type: ignore[arg-type]


def _cp2k_input(root: Section) -> PrintedSettings:
    dft, subsys = root.first("FORCE_EVAL", "DFT"), root.first("FORCE_EVAL", "SUBSYS")
    scheme = dft.first("KPOINTS").value("SCHEME")
    mesh = _GAMMA if not dft.all("KPOINTS") or scheme == ["GAMMA"] else None
    if scheme is not None and [word.isdigit() for word in scheme] == [False, True, True, True]:
        mesh = (int(scheme[1]), int(scheme[2]), int(scheme[3]))
    cutoff = dft.first("MGRID").value("CUTOFF") or []
    kinds = {_element((kind.value("ELEMENT") or [kind.parameter])[0]): kind for kind in subsys.all("KIND")}
    potentials = {element: kind.value("POTENTIAL", "POT") or [""] for element, kind in kinds.items()}
    bases = {element: _orbital_basis(kind) for element, kind in kinds.items()}
    return PrintedSettings(
        _functional_of_input(dft.first("XC")),
        float(cutoff[0]) * _RYDBERG if len(cutoff) == 1 and re.fullmatch(r"\d+\.?\d*", cutoff[0]) else None,
        mesh,
        None,
        {element: words[-1] for element, words in potentials.items()},
        bases,
        (dft.first("QS").value("METHOD") or ["GPW"])[0].upper(),
    )


def _orbital_basis(kind: Section) -> str:
    """The basis of the orbitals; others of a kind are named with what they are for."""
    rows = [line for line in kind.lines if line[0].upper() in ("BASIS_SET", "BASIS", "ORBITAL_BASIS_SET")]
    return next((row[-1] for row in rows if len(row) == 2 or row[1].upper() == "ORB"), "")


def _functional_of_input(xc: Section) -> str:
    functional = xc.first("XC_FUNCTIONAL")
    if xc.all("HF"):
        return HYBRID
    parts = [section.name for section in functional.sections] or [functional.parameter.upper()]
    parametrised = (functional.first("PBE").value("PARAMETRIZATION") or ["ORIG"])[0].upper()
    if parts == ["PBE"] and parametrised != "ORIG":
        parts = [parametrised]
    return _named(parts[0]) if len(parts) == 1 else ""


def _functional_of_cp2k(head: str) -> str:
    if re.search(r"^ HFX_(?:MEM_)?INFO\|", head, re.MULTILINE):
        return HYBRID
    names = re.findall(r"^ FUNCTIONAL\| (\w+):", head, re.MULTILINE)
    if names != ["PBE"]:
        return _named(names[0]) if len(names) == 1 else ""
    for name, words in (("PBEsol", "PBEsol"), ("revPBE", "revPBE"), ("PBE", "J.P.Perdew, K.Burke, M.Ernzerhof")):
        if re.search(rf"^ FUNCTIONAL\| .*{re.escape(words)}", head, re.MULTILINE):
            return name
    return ""


def _named(spelling: str) -> str:
    return next((name for name, spellings in FUNCTIONALS.items() if spelling in spellings), "")


def _element(label: str) -> str:
    """The element that a label such as MG1 begins with."""
    from ase.data import atomic_numbers

    letters = re.sub(r"[^A-Za-z].*", "", label)
    return next((name for name in (letters[:2].capitalize(), letters[:1].upper()) if name in atomic_numbers), letters)


def _each(pattern: str, texts: Mapping[str, str]) -> dict[str, str]:
    return {element: found for element, text in texts.items() if (found := _first(pattern, text))}


def _is_gamma(points: set[str]) -> bool | None:
    """Whether these k points are Γ alone; None where there are none."""
    return all(float(x) == 0.0 for point in points for x in point.split()) if points else None


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text, flags=re.MULTILINE)
    return "" if match is None else " ".join(match[1].split())


def _number(pattern: str, text: str) -> float | None:
    match = re.search(pattern, text)
    try:
        return None if match is None else float(next(group for group in match.groups() if group))
    except ValueError:
        return None


def _mesh(pattern: str, text: str) -> tuple[int, ...] | None:
    match = re.search(pattern, text)
    return None if match is None else tuple(int(word) for word in match[1].split())
