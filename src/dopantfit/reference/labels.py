"""What makes the labels of a set: CP2K, or any ASE calculator. Both are handed configurations and give frames."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from ase import Atoms

from dopantfit.errors import ConfigError, EngineError
from dopantfit.reference import calculator, cp2k_process
from dopantfit.reference.calculator import CalculatorSettings
from dopantfit.reference.calculator_checks import check_units
from dopantfit.reference.cp2k import BASIS_SET, VALENCE, Cp2kSettings, Mesh, pseudopotential
from dopantfit.reference.cp2k_process import Processes, compute_frame
from dopantfit.reference.generate import Configuration
from dopantfit.reference.manifest import CalculatorRecord, Manifest
from dopantfit.reference.plan import Plan
from dopantfit.reference.result import keep_result
from dopantfit.workflow.pool import local_pool

_T = TypeVar("_T")


class Labels(Protocol):
    """What makes labels; a context manager that ends its processes.

    waiting: how many configurations it may be handed at a time.
    """

    waiting: int

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process."""

    def begin(self) -> None:
        """Find what computes, before anything is asked of it; EngineError or ConfigError where it is not there."""

    def fingerprint(self, atoms: Atoms, k_mesh: Mesh) -> str:
        """Return a hash that is the same for the same physics."""

    def check(self, atoms: Atoms) -> None:
        """Raise where labels of this kind of configuration cannot be believed."""

    def submit(self, configuration: Configuration, work: Path) -> "Future[Atoms]":
        """Compute a configuration in ``work/<frame_id>``."""

    def manifest(self, plan: Plan, elements: set[str], versions: set[str]) -> Manifest:
        """Return the manifest of a new set. versions: of the code, in its frames."""

    def check_manifest(self, plan: Plan, manifest: Manifest, folder: Path) -> None:
        """Raise ConfigError where the frames of a set were made otherwise."""


def labels_of(plan: Plan, folder: Path, jobs: int = 1, ranks: int = 1) -> Labels:
    """Return what makes the labels of a plan. jobs: frames at a time. ranks: MPI ranks of each CP2K."""
    if jobs < 1 or ranks < 1:
        raise ConfigError(f"jobs = {jobs}, ranks = {ranks}: both must be at least 1")
    if plan.calculator is None:
        return Cp2kLabels(plan, jobs, ranks)
    if ranks > 1:
        raise ConfigError("ranks are of CP2K; a calculator computes a frame in one process, ask for more jobs")
    return CalculatorLabels(plan.calculator, folder, jobs)


class Cp2kLabels:
    """Energies, forces and stresses of CP2K."""

    def __init__(self, plan: Plan, jobs: int = 1, ranks: int = 1) -> None:
        self.settings, self.waiting, self._ranks = plan.cp2k, jobs, ranks
        self._stack = ExitStack()
        self._processes: Processes | None = None

    def __enter__(self) -> Self:
        return self

    def begin(self) -> None:
        """Find CP2K."""
        self._processes = self._stack.enter_context(Processes.found(self._ranks))
        self._pool = self._stack.enter_context(ThreadPoolExecutor(self.waiting))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._processes is not None:
            self._processes.end_all()  # threads cannot be interrupted; what they wait for can
        self._stack.close()

    def fingerprint(self, atoms: Atoms, k_mesh: Mesh) -> str:
        """Return the hash of the input."""
        return cp2k_process.fingerprint(atoms, self.settings, k_mesh)

    def check(self, atoms: Atoms) -> None:
        """Nothing: CP2K's units are known."""

    def submit(self, configuration: Configuration, work: Path) -> "Future[Atoms]":
        """Run CP2K."""
        if self._processes is None:
            raise EngineError("CP2K was not looked for before it was asked for a frame")
        return self._pool.submit(compute_frame, configuration, self.settings, work, self._processes)

    def manifest(self, plan: Plan, elements: set[str], versions: set[str]) -> Manifest:
        """Return what CP2K was asked for."""
        version = " and ".join(sorted(version.removeprefix("CP2K ") for version in versions))
        return cp2k_manifest(plan, elements & VALENCE.keys(), version)

    def check_manifest(self, plan: Plan, manifest: Manifest, folder: Path) -> None:
        """Compare basis, cutoffs, tolerance and mesh."""
        for what, is_there, wanted in (
            ("calculator", manifest.calculator and manifest.calculator.make, None),
            ("basis_or_cutoff", manifest.basis_or_cutoff, _basis_or_cutoff(self.settings)),
            ("scf_tolerance", manifest.scf_tolerance, plan.cp2k.eps_scf),
            ("k_mesh", manifest.k_mesh, plan.k_mesh),
        ):
            if is_there != wanted:
                raise _two_settings(folder, what, is_there, wanted)


def cp2k_manifest(plan: Plan, elements: Iterable[str], version: str) -> Manifest:
    """Return the manifest of a set that CP2K labels; ConfigError for an element without a pseudopotential."""
    return Manifest(
        name=plan.set,
        purpose=plan.purpose,
        licence=plan.licence,
        code="CP2K",
        code_version=version,
        functional="PBE",
        basis_or_cutoff=_basis_or_cutoff(plan.cp2k),
        k_mesh=plan.k_mesh,
        scf_tolerance=plan.cp2k.eps_scf,
        notes=plan.notes,
        pseudopotentials={element: pseudopotential(element) for element in sorted(elements)},
    )


def _basis_or_cutoff(cp2k: Cp2kSettings) -> str:
    return (
        f"{BASIS_SET}, {cp2k.method}, CUTOFF {cp2k.cutoff:g} Ry, REL_CUTOFF {cp2k.rel_cutoff:g} Ry, "
        f"EPS_DEFAULT {cp2k.eps_default:g}"
    )


class CalculatorLabels:
    """Energies, forces and stresses of an ASE calculator, in processes of one thread each.

    Its worker processes start when the first of them is needed.
    """

    def __init__(self, settings: CalculatorSettings, folder: Path, jobs: int = 1) -> None:
        # A few frames wait at each worker, so that none is idle while the set is written.
        self.settings, self.waiting = settings, 4 * jobs
        self._arguments = (settings.model_dump_json(), folder.resolve())
        self._pool = local_pool(jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, error, trace)

    def begin(self) -> None:
        """Make the calculator once."""
        _ = self.record

    @cached_property
    def record(self) -> CalculatorRecord:
        """What the calculator is. Raises ConfigError where it cannot be made."""
        return self._now(_record, *self._arguments)

    def fingerprint(self, atoms: Atoms, k_mesh: Mesh) -> str:
        """Return the hash of the configuration and of the calculator."""
        return calculator.fingerprint(atoms, self.record)

    def check(self, atoms: Atoms) -> None:
        """Raise ReferenceDataError where energies, forces and stress are of different units."""
        self._now(_check, *self._arguments, atoms)

    def submit(self, configuration: Configuration, work: Path) -> "Future[Atoms]":
        """Ask a worker."""
        return self._pool.submit(_computed, *self._arguments, self.record, configuration, work)

    def manifest(self, plan: Plan, elements: set[str], versions: set[str]) -> Manifest:
        """Return which calculator it was, with the hashes of its weights."""
        record = self.record
        return Manifest(
            name=plan.set,
            purpose=plan.purpose,
            licence=plan.licence,
            code=record.make,
            code_version=record.version,
            notes=plan.notes,
            calculator=record,
        )

    def check_manifest(self, plan: Plan, manifest: Manifest, folder: Path) -> None:
        """Compare the calculator, its options, its version and its weights."""
        there = manifest.calculator
        if there is None:
            raise _two_settings(folder, "code", manifest.code, self.record.make)
        for what in ("make", "options", "version", "files"):
            if getattr(there, what) != getattr(self.record, what):
                raise _two_settings(folder, f"calculator.{what}", getattr(there, what), getattr(self.record, what))

    def _now(self, function: Callable[..., _T], *arguments: object) -> _T:
        return self.result(self._pool.submit(function, *arguments))

    def result(self, future: "Future[_T]") -> _T:
        """Return what a worker answered; EngineError where its process died."""
        try:
            return future.result()
        except BrokenExecutor:
            raise EngineError(
                f"calculator {self.settings.make}: its process died (out of memory, or a crash of its own); "
                "try it in Python by itself"
            ) from None


def _two_settings(folder: Path, what: str, is_there: object, wanted: object) -> ConfigError:
    return ConfigError(
        f"{folder}: the frames of the set have {what} = {is_there!r}, the plan says {wanted!r}; "
        f"labels of two settings do not mix, give the plan another set"
    )


def _record(settings: str, folder: Path) -> CalculatorRecord:
    return calculator.made(settings, folder).record


def _check(settings: str, folder: Path, atoms: Atoms) -> None:
    made = calculator.made(settings, folder)
    check_units(atoms, lambda moved: made.labelled(moved, str(atoms.info["frame_id"])), made.name)


def _computed(settings: str, folder: Path, record: CalculatorRecord, configuration: Configuration, work: Path) -> Atoms:
    made = calculator.made(settings, folder)
    started = time.monotonic()
    frame = made.labelled(configuration.atoms, configuration.frame_id)
    frame.info |= {
        "input_sha256": calculator.fingerprint(configuration.atoms, record),
        "computed_with": f"calculator {made.record.version}",
        "wall_seconds": time.monotonic() - started,
    }
    keep_result(work / configuration.frame_id, frame)
    return frame
