"""The trials of a design, in Optuna's journal in the run folder: what was asked, and what was told."""

import json
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from dopantfit.design.choice import Measured
from dopantfit.design.sampler import DIRECTIONS, ERRORS, GainSampler, distributions
from dopantfit.errors import ConfigError
from dopantfit.workflow.provenance import write_bytes_atomic

STORAGE, NAME = "trials.journal", "dopantfit design"
#: Of a study: hash of all that its trials depend on. Of a constraint: its name.
KEY, GRAIN = "design", "share in the grain"
_REMEDY = "move it away, or name another folder with --run"


def open_trials(folder: Path, key: str, sampler: GainSampler) -> Study:
    """Return the trials in a run folder, which is held; none yet where there is no journal.

    What a kill left of a last line is cut off. Raises ConfigError, one line, for what is no journal, and for trials of
    another study.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / STORAGE
    _mend(path)
    # The folder is held, so that a lock of the file's own is what a kill left.
    path.with_name(f"{STORAGE}.lock").unlink(missing_ok=True)
    try:
        storage = JournalStorage(JournalFileBackend(str(path)))
        others = [name for name in optuna.get_all_study_names(storage) if name != NAME]
        found = optuna.create_study(
            storage=storage, sampler=sampler, study_name=NAME, directions=DIRECTIONS, load_if_exists=True
        )
        known, trials = found.user_attrs.get(KEY), found.get_trials(deepcopy=False)
    except (KeyError, ValueError, TypeError, AttributeError, AssertionError, IndexError) as problem:
        raise ConfigError(f"{path}: is no journal of trials ({type(problem).__name__}); {_REMEDY}") from None
    if others:
        raise ConfigError(f"{path}: holds trials of another study, {others[0]!r}; {_REMEDY}")
    if known is None and not trials:
        found.set_user_attr(KEY, key)
    elif known != key:
        raise ConfigError(
            f"{path}: holds {len(trials)} trials of a design with other settings, or of another potential; {_REMEDY}"
        )
    _check_trials(path, trials, sampler)
    return found


def _mend(path: Path) -> None:
    """Cut off what a kill left of a last line; ConfigError where a whole line is no entry of a journal."""
    if not path.is_file():
        return
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or "op_code" not in entry:
            raise ConfigError(f"{path}: line {number} is no entry of a journal of trials; {_REMEDY}")
    if whole != content:
        write_bytes_atomic(path, whole)


def _check_trials(path: Path, trials: list[FrozenTrial], sampler: GainSampler) -> None:
    """Raise ConfigError for a trial that this design did not ask for."""
    known = distributions(sampler.space)
    for one in trials:
        strange = [name for name, way in one.distributions.items() if known.get(name) != way]
        incomplete = one.state == TrialState.COMPLETE and (
            set(one.params) != set(known) or ERRORS not in one.user_attrs
        )
        if strange or incomplete or one.state not in (TrialState.COMPLETE, TrialState.RUNNING):
            raise ConfigError(f"{path}: trial {one.number} is of another study ({_why(strange, one)}); {_REMEDY}")


def _why(strange: list[str], one: FrozenTrial) -> str:
    if strange:
        return f"its {strange[0]} is from another space"
    return f"it is {one.state.name.lower()} with {', '.join(one.params) or 'no parameters'}"


def asked(study: Study, number: int, sampler: GainSampler) -> FrozenTrial:
    """Return trial `number`, asked for now where it was not before; one that a kill interrupted is asked anew.

    Trials are asked for in their order.
    """
    trials = study.get_trials(deepcopy=False)
    if number < len(trials) and set(trials[number].params) == set(distributions(sampler.space)):
        return trials[number]
    if number < len(trials):
        _suggest(Trial(study, trials[number]._trial_id), sampler)
    else:
        _suggest(study.ask(), sampler)
    return study.get_trials(deepcopy=False)[number]


def _suggest(trial: Trial, sampler: GainSampler) -> None:
    """Let a trial have the parameters that it lacks."""
    trial.suggest_float("dose", *sampler.space.dose)
    trial.suggest_float("share", *sampler.space.share)
    trial.suggest_categorical("dopant", sampler.space.dopants)


def tell(study: Study, number: int, found: Measured, grain: float | None) -> None:
    """Say what a trial has shown; grain: above 0 where too much stays there, None where that is not known.

    A trial that was told before is left as it is.
    """
    frozen = study.get_trials(deepcopy=False)[number]
    if frozen.state == TrialState.COMPLETE:
        return
    trial = Trial(study, frozen._trial_id)
    trial.set_user_attr(ERRORS, [found.error_of_sigma, found.error_of_density])
    if grain is not None and f"constraints:{GRAIN}" not in frozen.system_attrs:
        trial.set_constraint(GRAIN, grain)
    study.tell(trial, [found.sigma, found.density])
