"""One parameter from what a person wrote to what a study says: every link with its hash, and whether it still holds."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dopantfit.errors import ConfigError
from dopantfit.fit.config import load_config
from dopantfit.fit.record import POTENTIAL_FILE, RECORD_FILE
from dopantfit.fit.record_schema import FitRecord
from dopantfit.lammps.include import potential_include
from dopantfit.pipeline.steps import stale_fit
from dopantfit.potential import Potential
from dopantfit.potential.checks import labels_in
from dopantfit.potential.parameters import Parameter
from dopantfit.study.config import STUDY_FILE, StudyConfig, load_study
from dopantfit.study.record import KEPT, STUDY_RECORD, StudyRecord
from dopantfit.study.results import Results, in_run, in_summary
from dopantfit.study.rounds import last_look, read_rounds
from dopantfit.study.tasks import Planner
from dopantfit.study.verb import run_folder
from dopantfit.transport.reading import species_of
from dopantfit.validate.record import VALIDATION_FILE, stale
from dopantfit.validate.record_schema import ValidationRecord
from dopantfit.workflow.graph import Graph
from dopantfit.workflow.provenance import sha256_of

#: Names that a run of molecular dynamics gives its potential and its ions (`dopantfit.lammps`).
_INCLUDE, _IONS = "potential.in", "ions.extxyz"


@dataclass(frozen=True)
class Link:
    """One step of the way.

    sha256: of the file; of everything that came out, where it is the folder of a task. problem: why the link no longer
    holds; empty where it does.
    """

    step: str
    file: str
    says: str
    sha256: str
    problem: str = ""

    def as_dict(self) -> dict[str, str]:
        """Everything, ready for JSON."""
        return asdict(self)


def trace(
    parameter: str, folder: str | Path, *, preset: str | None = None, run: str | Path | None = None
) -> tuple[Link, ...]:
    """Follow one parameter from ``fit.toml`` to the results of the study; return the links in the order of the work.

    parameter: as in ``rho Mg-O``. folder: of a fit. preset: of its study. run: run folder of that study,
    ``runs/study-<folder>-<preset>`` by default; where that is not there, the summary that was kept with the fit.
    Raises ConfigError when the name is no parameter, there is no fit at all, or a record is damaged.
    """
    folder = Path(folder)
    if run is not None and not Path(run).is_dir():
        raise ConfigError(f"{run}: is no run folder; name one, or leave --run away")
    name = Parameter.parse(parameter)
    potential_file = folder / POTENTIAL_FILE
    if not potential_file.is_file():
        raise ConfigError(f"{potential_file}: there is no fitted potential; run `dopantfit fit {folder}` first")
    value = Potential.load(potential_file).value(name)
    links = [_written(name, folder), _fitted(name, value, folder)]
    links.append(Link("potential", str(potential_file), f"{value!r} {name.unit}", sha256_of(potential_file)))
    links.append(_gates(folder, potential_file))
    if not (folder / STUDY_FILE).is_file():
        return (*links, Link("study", str(folder / STUDY_FILE), "there is none to follow", ""))
    config, file = load_study(folder, preset)
    return (*links, *_study(name, potential_file, config, file.parent, run_folder(config, file, run)))


def _written(name: Parameter, folder: Path) -> Link:
    config, file = load_config(folder)
    tables: Mapping[str, object] = {**config.pairs, **config.species}
    table = next((table for label, table in tables.items() if tuple(sorted(labels_in(label))) == name.of), None)
    entry = None if table is None else getattr(table, name.quantity, None)
    if entry is None:
        return Link("config", str(file), "not named: as in the host", sha256_of(file))
    bounds = f"bounds {entry.bounds[0]!r} to {entry.bounds[1]!r}" if entry.is_free else "frozen"
    start = "the host's value" if entry.start is None else repr(entry.start)
    source = f", from {entry.source}" if entry.source else ""
    return Link("config", str(file), f"start {start} {name.unit}, {bounds}{source}", sha256_of(file))


def _fitted(name: Parameter, value: float, folder: Path) -> Link:
    """Compare what the fit recorded with the potential, and its inputs with the files there are."""
    path = folder / RECORD_FILE
    record = FitRecord.read_if_there(path)
    if record is None:
        return Link("fit", str(path), "", "", "there is no record of the fit; run `dopantfit fit`")
    entry = next((entry for entry in record.parameters if entry.name == str(name)), None)
    says, problem = "not fitted", stale_fit(folder, record)
    if entry is not None:
        error = "unknown" if entry.standard_error is None else f"{entry.standard_error:.2g}"
        says = f"{entry.value!r} ± {error} {name.unit}"
        if entry.value != value:
            problem = f"{POTENTIAL_FILE} has {value!r}"
    return Link("fit", str(path), says, sha256_of(path), problem)


def _gates(folder: Path, potential: Path) -> Link:
    path = folder / VALIDATION_FILE
    record = ValidationRecord.read_if_there(path)
    if record is None:
        return Link("gates", str(path), "", "", "there is no validation; run `dopantfit validate`")
    gates = ", ".join(f"{gate.name} {'passed' if gate.passed else 'failed'}" for gate in record.gates)
    why = stale(record, sha256_of(potential), folder)
    problem = f"made with {why}" if why else ""
    return Link("gates", str(path), f"preset {record.level}: {gates}", sha256_of(path), problem)


def _study(name: Parameter, potential: Path, config: StudyConfig, base: Path, run: Path) -> Iterator[Link]:
    """Follow the parameter into the run folder of the study, else into its kept summary; say which of the two."""
    kept = base / KEPT
    record = None if run.is_dir() else StudyRecord.read_if_there(kept / STUDY_RECORD)
    # A study that grew is followed as far as it has grown.
    known = read_rounds(run, config) if record is None else record.rounds
    graph = Planner(config, base, *last_look(known, config.rules)).graph()
    users = _users(graph, potential)
    problem = "" if users else f"{config.potential} is what the study uses, not {potential}"
    if run.is_dir():
        file = run / STUDY_RECORD
        digest = sha256_of(file) if file.is_file() else ""
        yield Link("study", str(run), "the run folder is followed", digest, problem)
        yield from _engine_files(name, Potential.load(potential), [run / user for user in users])
        yield from _results(graph, users, in_run(run, graph))
    elif record is not None:
        results = in_summary(kept, record, graph, config)
        says = f"the kept summary is followed, without files of LAMMPS; there is no {run}"
        if record.record.inputs.get("potential") != sha256_of(potential):
            problem = f"made with another than {potential}"
        yield Link("study", str(kept / STUDY_RECORD), says, sha256_of(kept / STUDY_RECORD), problem)
        yield from _results(graph, users, results)
    else:
        yield Link("study", str(run), "", "", f"there is neither {run} nor {kept}; run `dopantfit study`")


def _users(graph: Graph, potential: Path) -> tuple[str, ...]:
    """Names of the tasks that read the potential: it, and no other one of an ensemble."""
    files = {name: task.files["potential"] for name, task in graph.tasks.items() if "potential" in task.files}
    wanted, hashes = sha256_of(potential), {file: sha256_of(file) for file in set(files.values())}
    return tuple(name for name, file in files.items() if hashes[file] == wanted)


def _engine_files(name: Parameter, potential: Potential, folders: Iterable[Path]) -> Iterator[Link]:
    """Every file in these folders that gave the parameter to LAMMPS; each must be what the potential gives now."""
    mark = f"# {'-'.join(name.of)}"
    for path in sorted({path for folder in folders for path in folder.rglob(_INCLUDE)}):
        ions = path.with_name(_IONS)
        if not ions.is_file():
            continue
        labels = set(species_of(ions))
        if not set(name.of) <= labels:
            continue
        text = path.read_text(encoding="ascii")
        known = {_without_masses(potential_include(potential, labels, guard)) for guard in (True, False)}
        line = next((line.strip() for line in text.splitlines() if line.endswith(mark)), f"species {name.of[0]}")
        problem = "" if _without_masses(text) in known else "is not what the potential gives now"
        yield Link("LAMMPS", str(path), line, sha256_of(path), problem)


def _without_masses(text: str) -> tuple[str, ...]:
    """Lines of an include file; masses are settings of a run, not of the potential."""
    return tuple(line for line in text.splitlines() if not line.startswith("mass "))


def _results(graph: Graph, users: Iterable[str], results: Results) -> Iterator[Link]:
    """The results of the study that depend on the tasks `users`."""
    depend, problems = set(users), results.problems(graph)
    for name in graph.order:
        if depend & set(graph.tasks[name].needs.values()):
            depend.add(name)
        if name not in depend or graph.tasks[name].stage not in ("items", "verdict"):
            continue
        record, problem = results.records.get(name), problems.get(name, "")
        says, digest = ("", "") if record is None else (", ".join(record.files), record.digest)
        yield Link("result", str(results.folder / name), says, digest, problem)
