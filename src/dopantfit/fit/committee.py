"""Query by committee: frames on which the members of a fit's ensemble disagree most about the forces.

All members describe the frames of the fit alike; where their forces differ the data did not say, and a label tells most
(Seung, Opper & Sompolinsky 1992; for potentials Krogh & Vedelsby 1995, Smith et al. 2018).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.energy import ShellModel
from dopantfit.energy.arrays import Flags, Floats
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.fit.ensemble import MEMBERS
from dopantfit.potential import Potential
from dopantfit.potential.checks import element_of
from dopantfit.reference.label_check import first_shell
from dopantfit.reference.plausibility import distance_findings
from dopantfit.reference.similarity import rms_displacement
from dopantfit.workflow.pool import local_pool


@dataclass(frozen=True)
class Unlabelled:
    """A configuration that may be labelled. name: its own; source: what it was taken from."""

    name: str
    source: str
    atoms: Atoms


@dataclass(frozen=True)
class Disagreement:
    """How far the members of a committee are from each other about one frame [eV/Å], root mean square per component.

    ions: of every ion, ``shape=(n_ions,)``. near: which of them are the dopant and its first shell.
    """

    ions: Floats
    near: Flags

    @property
    def everywhere(self) -> float:
        """Over all ions."""
        return rms(self.ions)

    @property
    def surroundings(self) -> float | None:
        """Over the dopant and its first shell; None where there is no dopant."""
        return rms(self.ions[self.near]) if self.near.any() else None

    @property
    def largest(self) -> float:
        """The larger of both, by which frames are taken."""
        return max(self.everywhere, self.surroundings or 0.0)


def committee_files(folder: Path) -> list[Path]:
    """Files of the members of a fit's ensemble; ConfigError where there are fewer than two, which cannot disagree."""
    files = sorted(path for pattern in MEMBERS for path in folder.glob(pattern))
    if len(files) < 2:
        raise ConfigError(
            f"{folder}: its ensemble has {len(files)} potentials, and a committee needs two; run `dopantfit fit "
            f"{folder}` with draws in [ensemble], or with more starts in [local]"
        )
    return files


def spreads(
    candidates: Sequence[Unlabelled], members: Sequence[Potential], dopant: str | None, workers: int = 1
) -> list[Disagreement | None]:
    """Return the spread of every candidate; None where ions are too close, or shells collapse for a member."""
    tasks = [(one.atoms, tuple(members), dopant) for one in candidates]
    if workers == 1 or len(tasks) < 2:
        return [spread_of(*task) for task in tasks]
    with local_pool(workers) as pool:
        return [future.result() for future in [pool.submit(spread_of, *task) for task in tasks]]


def spread_of(atoms: Atoms, members: Sequence[Potential], dopant: str | None) -> Disagreement | None:
    """Return the spread of one frame; None where ions are too close, or shells collapse for a member."""
    if any(finding.severity == "error" for finding in distance_findings(atoms)[1]):
        return None
    try:
        forces = np.array([forces_of(atoms, member) for member in members])
    except (CollapseError, ConvergenceError):
        return None
    variance: Floats = forces.var(axis=0, ddof=1).mean(axis=1)
    near = first_shell(atoms, element_of(dopant)) if dopant else np.zeros(len(atoms), dtype=bool)
    return Disagreement(np.sqrt(variance), near)


def forces_of(atoms: Atoms, potential: Potential) -> Floats:
    """Forces of a potential on a configuration [eV/Å], ``shape=(n_ions, 3)``."""
    work = atoms.copy()
    work.calc = ShellModel(potential, background=True)
    forces: Floats = work.get_forces()
    return forces


def chosen(
    candidates: Sequence[Unlabelled], found: Sequence[Disagreement | None], count: int, broken: float, apart: float
) -> list[int]:
    """Return which candidates to label, the largest spread first.

    broken: frames with a larger spread are no configurations of the material [eV/Å]. apart: no two are nearer than
    this (`rms_displacement`) [Å]; and no source gives more than its part of `count`, rounded up.
    """
    sound = {k: one.largest for k, one in enumerate(found) if one is not None and one.largest <= broken}
    sources = {candidates[k].source for k in sound}
    share = -(-count // max(1, len(sources)))
    taken: list[int] = []
    for k in sorted(sound, key=lambda k: (-sound[k], k)):
        of_source = sum(candidates[i].source == candidates[k].source for i in taken)
        near = any(rms_displacement(candidates[i].atoms, candidates[k].atoms) < apart for i in taken)
        if of_source < share and not near and len(taken) < count:
            taken.append(k)
    return taken


def rank_correlation(spread: Sequence[float], error: Sequence[float]) -> float | None:
    """Spearman's correlation of spread and error; None where there are fewer than three, or all are alike."""
    from scipy.stats import spearmanr

    if len(spread) < 3 or len(set(spread)) < 2 or len(set(error)) < 2:
        return None
    return float(spearmanr(spread, error).statistic)


def errors_of(frame: Atoms, potential: Potential) -> Floats:
    """Force error of a potential on every ion of a labelled frame [eV/Å], rms of components, ``shape=(n_ions,)``."""
    off: Floats = np.sqrt(np.mean((forces_of(frame, potential) - frame.get_forces()) ** 2, axis=1))
    return off


def rms(values: Floats) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(values**2)))
