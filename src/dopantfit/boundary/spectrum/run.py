"""A spectrum from its structure to its record: relaxed host, sampled sites, relaxed exchanges, statistics."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, as_completed, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from dopantfit.boundary.spectrum.answers import Answers, make_record
from dopantfit.boundary.spectrum.config import Thermodynamics
from dopantfit.boundary.spectrum.host_relaxation import relax_host
from dopantfit.boundary.spectrum.question import SpectrumQuestion, structure_hash
from dopantfit.boundary.spectrum.record import SPECTRUM, SpectrumRecord
from dopantfit.boundary.spectrum.relaxations import EXCHANGES, HOST, Exchange, ExchangeEnergy, ExchangeRelaxer
from dopantfit.boundary.spectrum.sites import ExchangeSite, sampled, sites_of
from dopantfit.boundary.swap.kept import kept_exchanges
from dopantfit.boundary.swap.walker import ReplicaState
from dopantfit.errors import ConfigError, EngineError
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.lock import run_folder
from dopantfit.workflow.pool import ATTEMPTS
from dopantfit.workflow.progress import NOBODY, PROGRESS_FILE, ProgressObserver, TimeLeft, WorkProgress, progress_of
from dopantfit.workflow.provenance import Provenance, write_json_atomic
from dopantfit.workflow.step import Step
from dopantfit.workflow.task import Submits

SETTINGS, PROVENANCE = "settings.json", "record.json"

#: Seconds between two looks at how far the relaxation of the host is.
_PAUSE = 2.0
_DIED = (
    "a worker process was killed again and again (out of memory?); ask for fewer workers and run the same command "
    "again, what is finished is kept"
)


def run_spectrum(
    question: SpectrumQuestion,
    thermodynamics: Thermodynamics,
    folder: Path,
    executor: Submits,
    chain: Sequence[Mapping[str, Any] | None] = (),
    observer: ProgressObserver = NOBODY,
) -> SpectrumRecord:
    """Relax what is not relaxed yet, and say where the dopants go; the record is ``spectrum.json``.

    chain: records of rounds of swaps, whose exchanges count where they are of this very host.
    Raises ConfigError for what no exchange can be made of, a folder of another spectrum, or one that another process
    holds; ConvergenceError where too few exchanges have an answer.
    """
    began = time.time()
    question.check()
    atoms, folder = question.doped(), folder.resolve()
    with run_folder(folder):
        _same_or_new(folder, question)
        make_folder(folder / EXCHANGES)
        dopants = sites_of(atoms, question.domains, (question.sampling.dopant,))
        reference = _reference(dopants, question.sampling.seed)
        every = sites_of(atoms, question.domains, question.sampling.partners)
        _check_room(thermodynamics, len(every) + len(dopants))
        chosen = sampled(every, question.sampling.sites, question.sampling.seed)
        relaxer, host, gained = _relaxer(question, atoms, reference, every, folder, executor, observer)
        exchanges = [Exchange(reference, s.ion, a) for s in chosen for a in range(question.sampling.arrangements)]
        _take_over(relaxer, exchanges, kept_exchanges(chain, relaxer.host))
        found = _relaxed(relaxer, exchanges, executor, observer)
        per_site = [
            tuple(found[Exchange(reference, s.ion, a)] for a in range(question.sampling.arrangements)) for s in chosen
        ]
        answers = Answers(question, atoms, dopants, every, chosen, per_site)
        record = make_record(answers, thermodynamics, relaxer.host, host, gained, reference)
        record.write(folder / SPECTRUM)
        inputs = {name: folder / name for name in (HOST, SPECTRUM)}
        written = Provenance.of(
            inputs, record.sampling.model_dump(mode="json"), seed=record.sampling.seed, started=began
        )
        write_json_atomic(folder / PROVENANCE, written.as_dict())
    return record


def _check_room(thermodynamics: Thermodynamics, sites: int) -> None:
    """Raise ConfigError where the dopants that are asked for do not fit, before anything is relaxed."""
    asked = thermodynamics.dopants
    if asked is not None and not asked < sites:
        raise ConfigError(f"{asked:g} dopants do not fit on {sites} sites; ask for fewer")


def _same_or_new(folder: Path, question: SpectrumQuestion) -> None:
    """Write what the folder is about; ConfigError where it is about something else."""
    kept = question.sampling.model_dump(mode="json", exclude={"sites", "arrangements"})
    of = {"structure": structure_hash(question.atoms), "potential": question.potential.dumps(), "sampling": kept}
    step = Step(
        folder / SETTINGS,
        of,
        lambda _: f"{folder}: holds the spectrum of another structure, potential, dopant or seed; use another folder",
    )
    step.kept() or step.keep({})


def _reference(dopants: Sequence[ExchangeSite], seed: int) -> int:
    """The dopant that changes places: one of the amorphous domain, where there is one."""
    inside = [site.ion for site in dopants if site.domain == "amorphous"] or [site.ion for site in dopants]
    return int(np.random.default_rng([seed, 5]).choice(inside))


def _relaxer(
    question: SpectrumQuestion,
    atoms: Atoms,
    reference: int,
    every: Sequence[ExchangeSite],
    folder: Path,
    executor: Submits,
    observer: ProgressObserver,
) -> tuple[ExchangeRelaxer, ReplicaState, float]:
    """What relaxes exchanges, of a host that is relaxed once; the host, and what that gained [eV]."""
    sampling, potential = question.sampling, question.potential.dumps()
    step = Step(folder / "host-record.json", {"settling": sampling.settling, "tolerance": sampling.tolerance})
    known = step.kept()
    if known is None:
        # The same journeys however many sites are asked for.
        order = [site.ion for site in sampled(every, len(every), sampling.seed)]
        relax = partial(relax_host, ReplicaState.of(atoms), potential, sampling, reference, order, folder)
        host, identity, gained = _relaxed_host(relax, folder, executor, observer)
        host.write(folder / HOST)
        known = step.keep({"host": identity, "gained": gained}, [HOST])
    host = ReplicaState.read(folder / HOST)
    charges = {label: ion.formal_charge for label, ion in question.potential.species.items()}
    mobile, anion = question.host.mobile, question.host.polyanion.ligand
    relaxer = ExchangeRelaxer(folder, known["host"], potential, sampling, mobile, anion, charges)
    return relaxer, host, float(known["gained"])


def _relaxed_host(
    relax: Callable[[], tuple[ReplicaState, str, float]],
    folder: Path,
    executor: Submits,
    observer: ProgressObserver,
) -> tuple[ReplicaState, str, float]:
    """The host relaxed in a worker, with words on the way; EngineError when workers die again and again."""
    for _ in range(ATTEMPTS):
        future = executor.submit(relax)
        while not future.done():
            wait([future], timeout=_PAUSE)
            said = progress_of(folder)
            observer.show("relaxing the host", WorkProgress(0.0, text="" if said is None else said.text))
        with suppress(BrokenExecutor):
            found: tuple[ReplicaState, str, float] = future.result()
            (folder / PROGRESS_FILE).unlink(missing_ok=True)
            return found
    raise EngineError(_DIED)


def _take_over(relaxer: ExchangeRelaxer, exchanges: Sequence[Exchange], chain: Mapping[tuple[int, int], float]) -> None:
    """Write down what a chain found of these exchanges, where nothing is known yet."""
    for exchange in exchanges:
        change = chain.get((exchange.reference, exchange.site)) if exchange.arrangement == 0 else None
        if change is not None and relaxer.kept(exchange) is None:
            relaxer.keep(exchange, ExchangeEnergy("chain", change, 0))


def _relaxed(
    relaxer: ExchangeRelaxer, exchanges: Sequence[Exchange], executor: Submits, observer: ProgressObserver
) -> dict[Exchange, ExchangeEnergy]:
    """What is known of all exchanges, relaxed where nothing was; EngineError when workers die again and again."""
    found = {one: known for one in exchanges if (known := relaxer.kept(one)) is not None}
    left = TimeLeft()

    def report() -> None:
        done, of = len(found), len(exchanges)
        observer.show("exchanges", WorkProgress(done, text=f"{done} of {of}{left(done, of)}", of=of))

    for _ in range(ATTEMPTS):
        waiting: dict[Future[ExchangeEnergy], Exchange] = {
            executor.submit(relaxer, one): one for one in exchanges if one not in found
        }
        report()
        for future in as_completed(waiting):
            with suppress(BrokenExecutor):
                found[waiting[future]] = future.result()
                report()
        if len(found) == len(exchanges):
            return found
    raise EngineError(_DIED)
