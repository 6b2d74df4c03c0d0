"""``dopantfit check`` as a Python function: everything that the steps to come will read, looked at together.

Nothing is computed. What a step would refuse after minutes of work stands in one list, with the file that is wrong.
"""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

from dopantfit.energy import Frame
from dopantfit.errors import DopantFitError
from dopantfit.fit.budget import check_budget
from dopantfit.fit.config import FIT_FILE, FitConfig, load_config
from dopantfit.fit.data import load_targets
from dopantfit.fit.exchanges import load_exchanges
from dopantfit.fit.preoptimise import check_parameters, reference_cell
from dopantfit.fit.record import POTENTIAL_FILE
from dopantfit.fit.run import check_compared, informed_by, load_potential, untold
from dopantfit.fit.variables import Space, make_space
from dopantfit.pipeline.learn_config import LEARN_FILE
from dopantfit.pipeline.learn_plan import learning_of
from dopantfit.potential import Potential
from dopantfit.project.check_sets import folder_of, is_labelled, set_findings
from dopantfit.project.check_study import study_findings
from dopantfit.project.finding import ProjectFinding, Severity
from dopantfit.reference.exchange_ends import unfinished_ends
from dopantfit.strict_toml import file_in
from dopantfit.study.config import STUDY_FILE
from dopantfit.validate.compound import compound_of
from dopantfit.validate.settings import SETTINGS_FILE, Settings, load_settings

Value = TypeVar("Value")
#: Frames of one set that a finding names.
_TOLD = 3


class _Findings(list[ProjectFinding]):
    """What was found so far."""

    def attempt(self, where: Path, do: Callable[[], Value]) -> Value | None:
        """Do something; where it is refused, note why."""
        try:
            return do()
        except DopantFitError as problem:
            self.note("error", where, str(problem))
            return None

    def is_labelled(self, folder: Path, file: Path, table: str) -> bool:
        """Whether a set that a table of a file names has frames; where it has none, or is not there, say so once."""
        if not folder.is_dir():
            self.note("error", file, f"{table}: there is no folder {folder}; mend the path, or make the set")
            return False
        labelled = is_labelled(folder)
        if not labelled and not self.has_to_do(folder):
            self.note("to do", folder, f"has no energies yet; run `dopantfit reference run {folder}`")
        return labelled

    def are_relaxed(self, folder: Path, file: Path, table: str, left_out: Collection[str]) -> bool:
        """Whether a set of exchanges has all its ends; where they are still to come, say so once."""
        if not self.is_labelled(folder, file, table):
            return False
        missing = self.attempt(file, lambda: unfinished_ends(folder, left_out))
        if missing and not self.has_to_do(folder):
            what = f"lacks the relaxed ends of {', '.join(missing)}; run `dopantfit reference run {folder}` to its end"
            self.note("to do", folder, f"{what}, or name them in left_out")
        return missing == ()

    def has_to_do(self, where: Path) -> bool:
        """Whether something is to be done there."""
        return any(one.severity == "to do" and one.where == str(where) for one in self)

    def note(self, severity: Severity, where: Path, what: str) -> None:
        """Note a finding once; a message that begins with its own file stands under that."""
        what = what.removeprefix(f"{where}: ")
        found = ProjectFinding(severity, str(where), what)
        if found not in self:
            self.append(found)


def check(folder: str | Path) -> tuple[ProjectFinding, ...]:
    """Look at ``fit.toml`` in a folder and everything that it, the gates and the study name; never raises for these."""
    found = _Findings()
    file = file_in(folder, FIT_FILE)
    read = found.attempt(file, lambda: load_config(folder))
    here = file.parent
    if read is not None:
        config = read[0]
        space = _fit(found, config, file)
        if config.dopant is not None or (here / SETTINGS_FILE).is_file() or (here / STUDY_FILE).is_file():
            settings = found.attempt(here / SETTINGS_FILE, lambda: load_settings(here))
            if settings is not None:
                _gates(found, config, settings, here)
            found.extend(study_findings(config, space, settings, here))
        else:
            found.note("warning", file, "names no [dopant]: a potential alone, without gates and study")
        if (here / LEARN_FILE).is_file():
            found.attempt(here / LEARN_FILE, lambda: learning_of(here))
    return tuple(found)


def _fit(found: _Findings, config: FitConfig, file: Path) -> Space | None:
    """The potential's start and its frames."""
    for one in config.sets:
        found.extend(set_findings(one, config, file))
    host = found.attempt(file, lambda: load_potential(config.host, file))
    space = None if host is None else found.attempt(file, lambda: make_space(config, host, str(file)))
    if host is not None:
        found.attempt(file, lambda: check_budget(config, host, str(file)))
    if space is None:
        return None
    if config.compare_with is not None:
        name = config.compare_with
        found.attempt(file, lambda: check_compared(load_potential(name, file), space.base, str(file)))
    if config.preoptimisation is not None:
        settings = config.preoptimisation
        found.attempt(file, lambda: check_parameters(space, settings, str(file)))
        named = file.parent / settings.path if settings.path else None
        if named is None or is_labelled(named):
            found.attempt(file, lambda: reference_cell(settings, file.parent))
    missing = [one for one in config.sets if not folder_of(file, one.path).is_dir()]  # each was told
    if not missing and not any(one.severity == "to do" for one in found):  # frames to come may be those held out
        _frames(found, config, space, file)
    sets = [(folder_of(file, one.path), one.left_out) for one in config.exchanges]
    if all([found.are_relaxed(folder, file, "exchanges", left_out) for folder, left_out in sets]):
        ends = found.attempt(file, lambda: load_exchanges(config, space.base, file.parent, str(file))) or ()
        _charged(found, [(one.set, frame) for one in ends for frame in (one.start, one.end)], space.base, file)
    if not (file.parent / POTENTIAL_FILE).is_file():
        found.note("to do", file.parent / POTENTIAL_FILE, f"is not there yet; run `dopantfit fit {file.parent}`")
    return space


def _frames(found: _Findings, config: FitConfig, space: Space, file: Path) -> None:
    """What the frames that are there can tell of the free parameters."""
    targets = found.attempt(file, lambda: load_targets(config, space.base, file.parent, str(file)))
    if targets is None:
        return
    _charged(found, [(one.set, one.frame) for one in targets], space.base, file)
    informed = [informed_by(variable, space, targets) for variable in space.variables]
    for variable, about in zip(space.variables, informed, strict=True):
        if about.frames == 0 and not config.hold_unseen:
            found.note("error", file, untold(variable, space))
    if not any(target.held_out for target in targets):
        found.note("error", file, "no frame is held out, so nothing shows what a fit is worth; name held_out_families")


def _charged(found: _Findings, frames: Iterable[tuple[str, Frame]], base: Potential, file: Path) -> None:
    """Tell, set by set, which frames formal charges do not balance: they are taken, but an ion may be missing."""
    formal = {label: ion.formal_charge for label, ion in base.species.items()}
    charged: dict[str, dict[str, int]] = {}
    for name, frame in frames:
        charge = sum(formal[frame.labels[number]] for number in frame.species)
        if charge:
            charged.setdefault(name, {})[frame.name.removeprefix(f"{name}/")] = charge
    for name, charges in charged.items():
        told = ", ".join(f"{frame} {charge:+d} e" for frame, charge in list(charges.items())[:_TOLD])
        more = f" and {len(charges) - _TOLD} more" if len(charges) > _TOLD else ""
        what = f"{name}: formal charges do not balance in {told}{more}; fit and gates give them a uniform background"
        found.note("warning", file, f"{what}: name those that lack an ion by mistake in left_out")


def _gates(found: _Findings, config: FitConfig, settings: Settings, here: Path) -> None:
    """The simple compound, and whether host and dopant go together."""
    where = here / SETTINGS_FILE
    if config.dopant is None:
        found.note("error", here / FIT_FILE, "names no [dopant], which gates and study are about; add it")
        return
    label = config.dopant.label
    if label in settings.host.charges:
        found.note("error", where, f"the host {settings.host.name} holds {label} itself; name another host")
    found.attempt(where, lambda: compound_of(settings, label, here))
    _exchanges(found, settings, here)


def _exchanges(found: _Findings, settings: Settings, here: Path) -> None:
    """The sets of exchange energies that the gates look at."""
    where, named = here / SETTINGS_FILE, settings.exchange
    if named is None:
        return
    for one in named.sets:
        found.are_relaxed(folder_of(where, one.path), where, "exchange", one.left_out)
    for path in named.dft:
        found.is_labelled(folder_of(where, path), where, "exchange")
