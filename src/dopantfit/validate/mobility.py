"""Gate h: ion dynamics in the doped crystal (Fig. S3): the mobile ion diffuses, the framework does not."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np

from dopantfit.lammps import Dynamics
from dopantfit.transport import Trajectory
from dopantfit.transport.summary import Summary, summarise
from dopantfit.transport.window import LONGEST
from dopantfit.validate import thresholds
from dopantfit.validate.dynamics import Share, run, seed_of, trajectory_of
from dopantfit.validate.figures import COLOURS, label, new_figure, save_figure
from dopantfit.validate.gate import Check, Gate, GateWork
from dopantfit.validate.structures import START_FORCE, at_rest
from dopantfit.validate.subject import Subject

#: Run at constant pressure that sets the cell [ps], then held.
_EQUILIBRATION_PS = 2.0
#: Parts of a run at its ends over which positions are averaged, so that vibrations do not count as hops.
_ENDS = 0.1


def mobility(subject: Subject, work: GateWork) -> Gate:
    """Run independent replicas, count ions that changed site, and fit diffusion coefficients."""
    of = subject.settings.mobility
    runs = [_run(subject, work, number) for number in range(subject.preset.replicas)]
    charges = {subject.mobile: float(subject.potential.species[subject.mobile].formal_charge)}
    summary = summarise(runs, charges, of.temperature, hop_length=of.hop_length)
    labels = dict.fromkeys(runs[0].species)
    moved = {name: sum(hops(one, name, of.hop_length, subject.movable) for one in runs) for name in labels}
    mobile = summary.diffusion[subject.mobile]
    finding = (
        f"{of.temperature:.0f} K: {moved[subject.mobile]} of {mobile.n_ions * len(runs)} {subject.mobile} "
        f"changed site, D* {mobile.cm2_per_s} cm²/s; "
        f"framework MSD ≤ {max(o.reached for n, o in summary.diffusion.items() if n not in subject.movable):.2f} Å²"
    )
    return Gate(
        name="mobility",
        finding=finding,
        checks=tuple(_checks(subject, summary, moved)),
        figures=(_draw(summary, work, finding),),
        details={"runs": len(runs), "duration_ps": runs[0].duration, **summary.as_dict()},
    )


def _run(subject: Subject, work: GateWork, number: int) -> Trajectory:
    """One replica: another arrangement of the ions, another seed."""
    rng, preset, of = subject.rng(f"mobility-{number}"), subject.preset, subject.settings.mobility
    part = 1.0 / preset.replicas
    begin, equilibration = number * part, part * _EQUILIBRATION_PS / (_EQUILIBRATION_PS + preset.mobility_ps)
    work.report(f"replica {number + 1}: relaxation", begin)
    crystal = subject.crystal(of.x, of.y, preset.mobility_repeats, rng)
    ions = at_rest(crystal, subject.potential, False, START_FORCE)
    equilibrate = Dynamics(of.temperature, _EQUILIBRATION_PS, seed_of(rng), ensemble="npt", cell="aniso")
    produce = Dynamics(of.temperature, preset.mobility_ps, equilibrate.seed, ensemble="nvt")
    first = f"mobility-{number + 1}-settling"
    run(ions, subject.potential, equilibrate, work, Share(first, begin, equilibration))
    share = Share(f"mobility-{number + 1}", begin + equilibration, part - equilibration)
    return trajectory_of(run(ions, subject.potential, produce, work, share, start=first), skip=0.0)


def hops(trajectory: Trajectory, species: str, hop_length: float, mobile: Sequence[str]) -> int:
    """Number of ions whose mean position moved by more than half a hop between the two ends of a run.

    Relative to all ions but the mobile ones; positions are averaged over a tenth of the run at each end.
    """
    ions = trajectory.ions_of([species])
    size = max(1, int(_ENDS * trajectory.n_frames))
    series = trajectory.at_rest(slice(None), ions) - trajectory.framework_drift(mobile)[:, None, :]
    moved = series[-size:].mean(axis=0) - series[:size].mean(axis=0)
    return int(np.count_nonzero(np.linalg.norm(moved, axis=1) > 0.5 * hop_length))


def _checks(subject: Subject, summary: Summary, moved: Mapping[str, int]) -> list[Check]:
    mobile = summary.diffusion[subject.mobile]
    hopped = moved[subject.mobile]
    checks = [thresholds.MOBILE_HOPS.check(f"{subject.mobile} that changed site", hopped, sqrt(hopped))]
    coefficient = mobile.cm2_per_s
    if coefficient.value is not None:
        checks.append(subject.limit("mobile_d").check(f"D* of {subject.mobile}", coefficient.value, coefficient.error))
    elif coefficient.high < subject.limit("mobile_d").low:  # any other bound says that the run is too short
        checks.append(subject.limit("mobile_d").check(f"upper bound of D* of {subject.mobile}", coefficient.high))
    for name, one in summary.diffusion.items():
        if name not in subject.movable:
            checks.append(thresholds.FRAMEWORK_MSD.check(f"MSD of {name} at 70 % of the run", one.reached))
            checks.append(subject.limit("framework_hops").check(f"{name} that left their site", moved[name]))
    return checks


def _draw(summary: Summary, work: GateWork, title: str) -> str:
    figure, (left, right) = new_figure(2)
    rows: list[tuple[Any, ...]] = []
    for colour, (name, runs) in zip(COLOURS, summary.msd.items(), strict=False):
        for number, one in enumerate(runs, 1):
            part = slice(0, int(LONGEST * one.n_frames))
            for panel in (left, right):
                text = name if number == 1 else None
                panel.plot(one.times[part], one.total[part], color=colour, linewidth=1.2, label=text)
            rows += [(name, number, t, m) for t, m in zip(one.times[part], one.total[part], strict=True)]
    right.set_ylim(0.0, 2.0 * thresholds.FRAMEWORK_MSD.high)
    right.axhline(thresholds.FRAMEWORK_MSD.high, color="0.3", linestyle="--", linewidth=0.8)
    left.legend(fontsize=8)
    label(left, "time (ps)", "MSD (Å²)", "all ions")
    label(right, "time (ps)", "MSD (Å²)", "the framework, and its limit")
    return save_figure(figure, work.figures, "mobility", title, ("species", "run", "time_ps", "msd_A2"), rows)
