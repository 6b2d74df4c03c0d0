"""The manifest of a reference set: how its frames were computed, what they are for, each file's hash."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from dopantfit.errors import ReferenceDataError
from dopantfit.strict_toml import Positive, Table, parse_strict, read_text, require_file, toml_lines
from dopantfit.workflow.provenance import write_text_atomic

MANIFEST_FILE = "manifest.toml"

Text = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Mesh = tuple[
    Annotated[int, Field(ge=1)],
    Annotated[int, Field(ge=1)],
    Annotated[int, Field(ge=1)],
]


class Split(Table):
    """Which families are held out of the fit; every other family of the set is for training."""

    held_out_families: tuple[Text, ...] = ()
    #: Why these families, in a sentence.
    reason: str = ""


class KPointCheck(Table):
    """What a denser k-mesh changes, measured on frames of the set."""

    frame_ids: tuple[Text, ...]
    k_mesh: Mesh
    compared_with: Mesh
    #: RMS and largest difference of a force component [eV/Å].
    force_rms_difference: float
    force_max_difference: float
    #: Total energy at ``k_mesh`` minus that at ``compared_with``, per frame [eV].
    energy_differences: tuple[float, ...]
    note: str = ""


class CalculatorRecord(Table):
    """The ASE calculator that made the labels of a set, so that no other joins it."""

    #: ``module:Class``, or ``file.py:function``.
    make: Text
    #: Its arguments, as JSON.
    options: str = "{}"
    #: Packages that it comes from, with their versions.
    version: Text
    #: Its weights, and the user's own files: name → sha256.
    files: Mapping[str, Sha256] = Field(default_factory=dict)


class SpeciesError(Table):
    """RMS errors of force components [eV/Å] of some ions."""

    ions: Annotated[int, Field(ge=1)]
    error: float
    #: RMS of the reference's own force.
    force: float


class LabelCheck(Table):
    """How far the calculator of a set is from DFT, on the frames of a DFT set."""

    #: Of the DFT frames.
    frames_sha256: Sha256
    code: Text
    frames: Annotated[int, Field(ge=1)]
    #: RMS error of force components, and the RMS of DFT's own forces [eV/Å].
    force_error: float
    force: float
    #: RMS error of energies after one offset per composition [meV/atom]; none where each has one frame.
    energy_error: float | None = None
    #: RMS error of stress components [GPa]; none where the DFT frames have no stress.
    stress_error: float | None = None
    by_species: Mapping[str, SpeciesError]
    #: By family of the DFT set: crystals, glasses, boundaries.
    by_family: Mapping[str, SpeciesError]
    #: Each dopant with the ions of its first shell.
    first_shell: Mapping[str, SpeciesError] = Field(default_factory=dict)


#: What a set of a DFT code says beside its code.
_OF_DFT = ("functional", "basis_or_cutoff", "k_mesh", "scf_tolerance")


class Manifest(Table):
    """How a set was computed; strict: an unknown key is refused.

    A set of DFT says its functional, basis, mesh, tolerance and pseudopotentials; one whose labels an ASE calculator
    made has its `CalculatorRecord` instead.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
    #: What the set is for.
    purpose: Text
    licence: Text
    code: Text
    code_version: Text
    functional: Text | None = None
    #: Basis set, or plane-wave cutoff with its unit.
    basis_or_cutoff: Text | None = None
    #: Monkhorst–Pack mesh ([1, 1, 1] is Γ only), or a rule in words such as "spacing 0.07 1/Å".
    k_mesh: Mesh | Text | None = None
    #: Self-consistency tolerance in the code's own measure.
    scf_tolerance: Positive | None = None
    notes: tuple[Text, ...] = ()
    #: Element → pseudopotential. A frame with an element that is not named here is refused.
    pseudopotentials: Mapping[str, Text] = Field(default_factory=dict)
    #: File name → sha256, for every file of the set but the manifest itself.
    files: Mapping[str, Sha256] = Field(default_factory=dict)
    split: Split = Field(default_factory=Split)
    #: Families of which cells are meant to be charged, each with a uniform background.
    charged_families: tuple[Text, ...] = ()
    k_point_check: KPointCheck | None = None
    #: Element → energy [eV] to subtract per atom, where one was computed in the same settings.
    energy_reference: Mapping[str, float] | None = None
    calculator: CalculatorRecord | None = None
    #: DFT set → how far the calculator is from it; see ``dopantfit reference compare``.
    label_check: Mapping[str, LabelCheck] = Field(default_factory=dict)

    @property
    def labels_are_measured(self) -> bool:
        """Whether the labels are DFT's, or were held against DFT."""
        return self.calculator is None or bool(self.label_check)

    def unnamed(self, elements: Iterable[str]) -> list[str]:
        """Return the elements that have no pseudopotential here, and need one."""
        return [] if self.calculator is not None else sorted(set(elements) - set(self.pseudopotentials))

    @model_validator(mode="after")
    def _says_how_it_was_computed(self) -> "Manifest":
        missing = [key for key in _OF_DFT if getattr(self, key) is None]
        if self.calculator is None and missing:
            raise ValueError(f"{missing[0]} is missing; add it")
        if self.calculator is None and "pseudopotentials" not in self.model_fields_set:
            raise ValueError("pseudopotentials is missing; add it")
        return self

    @model_validator(mode="after")
    def _files_lie_in_the_set(self) -> "Manifest":
        for name in self.files:
            if Path(name).is_absolute() or ".." in Path(name).parts or name == MANIFEST_FILE:
                raise ValueError(f"files: {name!r} must be a path inside the set, and not the manifest")
        return self


def load_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """Return the manifest of the set in ``folder``; ReferenceDataError if it is missing or not valid."""
    path = Path(folder) / MANIFEST_FILE
    remedy = f"a reference set is a folder with {MANIFEST_FILE} and frames.extxyz"
    return parse_manifest(read_text(path, remedy, ReferenceDataError), source=str(path))


def parse_manifest(text: str, source: str = MANIFEST_FILE) -> Manifest:
    """Return the manifest written in ``text`` (TOML); ReferenceDataError naming ``source`` and the key."""
    return parse_strict(Manifest, text, source, ReferenceDataError)


def dump_manifest(manifest: Manifest) -> str:
    """Return the manifest as TOML that `parse_manifest` reads back to an equal one."""
    data = manifest.model_dump(mode="json", exclude_none=True)
    for key in ("label_check", "charged_families", *(("pseudopotentials",) if manifest.calculator else ())):
        if not data[key]:
            del data[key]
    tables = {key: data.pop(key) for key, value in [*data.items()] if isinstance(value, dict)}
    return toml_lines(data) + "".join(f"\n[{name}]\n{toml_lines(table)}" for name, table in tables.items())


def save_manifest(folder: str | os.PathLike[str], manifest: Manifest) -> None:
    """Write the manifest into ``folder`` by an atomic rename; ConfigError when it cannot be written."""
    write_text_atomic(Path(folder) / MANIFEST_FILE, dump_manifest(manifest))


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal; ReferenceDataError if it cannot be read."""
    try:
        require_file(path)
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as problem:
        raise ReferenceDataError(f"{path}: cannot be read ({problem.strerror})") from None
