"""How far the calculator that labelled a set is from DFT: computed on the frames of a DFT set, told by ion and kind."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.reference.calculator import CalculatorSettings
from dopantfit.reference.chemistry import kind_of_pair
from dopantfit.reference.frames import FRAMES_FILE, FrameSet, calculated, composition_of, load_set
from dopantfit.reference.generate import Configuration
from dopantfit.reference.labels import CalculatorLabels
from dopantfit.reference.manifest import LabelCheck, SpeciesError, load_manifest, save_manifest
from dopantfit.reference.plan import PLAN_FILE, load_plan
from dopantfit.reference.result import read_result
from dopantfit.strict_toml import is_file
from dopantfit.units import EV_PER_A3_IN_GPA
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.progress import NOBODY, ProgressObserver, WorkProgress

Flags = npt.NDArray[np.bool_]

#: The first shell of an ion: anions closer than this many times the nearest. Bonds of one polyhedron differ by less.
FIRST_SHELL = 1.35
#: How far neighbours are looked for [Å].
REACH = 4.0


def compare_labels(
    folder: str | os.PathLike[str],
    dft: str | os.PathLike[str],
    *,
    jobs: int = 1,
    work: Path | None = None,
    around: Sequence[str] = (),
    calculator: CalculatorSettings | None = None,
    observer: ProgressObserver = NOBODY,
) -> LabelCheck:
    """Compute the calculator of a set on all frames of a DFT set; write how far it is into the set's manifest.

    work: where what is computed is kept, ``runs/<set>`` by default; a run that was ended goes on. around: dopants whose
    first shells are told by themselves. calculator: where neither plan nor manifest say how to make it again.
    Raises ConfigError where the set has no calculator, or it is not the one at hand any more, or the other set is not
    of DFT; ReferenceDataError and EngineError of the calculator on a frame.
    """
    folder, manifest, truth = Path(folder), load_manifest(folder), load_set(dft)
    if manifest.calculator is None:
        raise ConfigError(f"{folder}: its labels are of {manifest.code}; a set labelled by a calculator is compared")
    if truth.manifest.calculator is not None:
        raise ConfigError(f"{dft}: its labels are of {truth.manifest.code}, not of DFT; compare with a set of DFT")
    _refuse_unknown(around, truth, dft)
    settings = calculator or _settings(folder, manifest.calculator.make, manifest.calculator.options)
    place = make_folder((work or Path("runs") / manifest.name) / "compared" / truth.name)
    with CalculatorLabels(settings, folder, jobs) as labels:
        if labels.record != manifest.calculator:
            raise ConfigError(
                f"{folder}: its labels are of {manifest.calculator.make} ({manifest.calculator.version}, options "
                f"{manifest.calculator.options}), and what is here differs (version, options or weights); install that"
            )
        found = _computed(truth.frames, labels, place, observer)
    check = _measured(truth, found, around)
    known = {**manifest.label_check, truth.name: check}
    save_manifest(folder, load_manifest(folder).model_copy(update={"label_check": known}))
    return check


def _refuse_unknown(around: Sequence[str], truth: FrameSet, dft: str | os.PathLike[str]) -> None:
    elements = {symbol for frame in truth.frames for symbol in frame.symbols}
    for dopant in around:
        if dopant not in elements:
            raise ConfigError(f"{dft}: no frame holds {dopant}; it has {', '.join(sorted(elements))}")


def _settings(folder: Path, make: str, options: str) -> CalculatorSettings:
    """Return how the calculator of a set is made: as its plan says, else as its manifest does."""
    if is_file(folder / PLAN_FILE) and (planned := load_plan(folder).calculator) is not None:
        return planned
    return CalculatorSettings(make=make, options=json.loads(options))


def _computed(
    frames: Sequence[Atoms], labels: CalculatorLabels, place: Path, observer: ProgressObserver
) -> dict[str, Atoms]:
    found: dict[str, Atoms] = {}
    futures: dict[Future[Atoms], str] = {}
    for frame in frames:
        name, bare = str(frame.info["frame_id"]), frame.copy()
        kept = read_result(place / name)
        if kept is not None and kept.info.get("input_sha256") == labels.fingerprint(bare, (1, 1, 1)):
            found[name] = kept
        else:
            futures[labels.submit(Configuration(name, bare, (1, 1, 1), False), place)] = name
    for future in as_completed(futures):
        found[futures[future]] = labels.result(future)
        observer.show("frames", WorkProgress(len(found), text=f"{futures[future]}: done", of=len(frames)))
    return found


def _measured(truth: FrameSet, found: Mapping[str, Atoms], around: Sequence[str]) -> LabelCheck:
    """Return the errors. One energy offset per composition is taken off: codes count from different zeros."""
    groups: dict[tuple[str, str], list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]] = defaultdict(list)
    energies: dict[str, list[float]] = defaultdict(list)
    stresses = []
    for frame in truth.frames:
        own, there = calculated(found[str(frame.info["frame_id"])]), calculated(frame)
        forces = np.asarray(there["forces"], dtype=float)
        pair = (np.asarray(own["forces"], dtype=float) - forces, forces)
        symbols = np.array(frame.symbols)
        selections = {("all", "all"): symbols != "", ("family", str(frame.info["family"])): symbols != ""}
        selections |= {("species", str(element)): symbols == element for element in np.unique(symbols)}
        selections |= {("shell", dopant): first_shell(frame, dopant) for dopant in around}
        for key, chosen in selections.items():
            if chosen.any():
                groups[key].append((pair[0][chosen], pair[1][chosen]))
        energies[composition_of(frame)].append((own["energy"] - there["energy"]) / len(frame))
        if "stress" in there:
            stresses.append(np.asarray(own["stress"]) - np.asarray(there["stress"]))
    centred = [value - np.mean(values) for values in energies.values() if len(values) > 1 for value in values]
    degrees = len(centred) - sum(len(values) > 1 for values in energies.values())
    errors = {key: _error(parts) for key, parts in groups.items()}
    of_all = errors["all", "all"]
    return LabelCheck(
        frames_sha256=truth.manifest.files[FRAMES_FILE],
        code=f"{truth.manifest.code} {truth.manifest.code_version}",
        frames=len(truth.frames),
        force_error=of_all.error,
        force=of_all.force,
        energy_error=1000.0 * float(np.sqrt(np.sum(np.square(centred)) / degrees)) if degrees else None,
        stress_error=float(np.sqrt(np.mean(np.square(stresses)))) * EV_PER_A3_IN_GPA if stresses else None,
        by_species={name: error for (kind, name), error in errors.items() if kind == "species"},
        by_family={name: error for (kind, name), error in errors.items() if kind == "family"},
        first_shell={name: error for (kind, name), error in errors.items() if kind == "shell"},
    )


def _error(parts: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]) -> SpeciesError:
    differences, forces = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    rms = [float(np.sqrt(np.mean(np.square(array)))) for array in (differences, forces)]
    return SpeciesError(ions=len(forces), error=rms[0], force=rms[1])


def first_shell(atoms: Atoms, dopant: str) -> Flags:
    """The ions of an element and the anions next to them, ``shape=(n_ions,)``."""
    from ase.neighborlist import neighbor_list

    symbols = np.array(atoms.symbols)
    near: Flags = symbols == dopant
    centres, others, distances = neighbor_list("ijd", atoms, REACH)
    bonds = np.array(
        [kind_of_pair(symbols[i], symbols[j]) == "cation-anion" for i, j in zip(centres, others, strict=True)]
    )
    for centre in np.flatnonzero(near):
        rows = (centres == centre) & bonds
        near[others[rows & (distances < FIRST_SHELL * distances[rows].min(initial=np.inf))]] = True
    return near


def lines_of(name: str, dft: str, check: LabelCheck) -> list[str]:
    """Return a check as lines to print."""
    lines = [f"{name} against {dft} ({check.code}, {check.frames} frames)"]
    lines.append(f"{'forces [eV/Å rms]':28s} error  DFT's own   ions")
    kinds = (("", check.by_species), ("family ", check.by_family), ("first shell of ", check.first_shell))
    for prefix, errors in kinds:
        lines += [f"{prefix + key:28s} {one.error:.3f}  {one.force:.3f}  {one.ions:8d}" for key, one in errors.items()]
    lines.append(f"{'all ions':28s} {check.force_error:.3f}  {check.force:.3f}")
    if check.energy_error is not None:
        lines.append(f"energies within a composition: {check.energy_error:.2f} meV/atom rms")
    if check.stress_error is not None:
        lines.append(f"stress: {check.stress_error:.2f} GPa rms")
    return lines
