"""Any ASE calculator as a source of labels: made in a worker process, described, asked for one frame.

A calculator is code of somebody else's. Whatever it raises becomes one line, and what it returns is looked at before it
is believed: numbers that are not finite, a missing stress, an element it does not know.
"""

import contextlib
import hashlib
import importlib
import importlib.util
import io
import json
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from pydantic import AfterValidator, Field, JsonValue

from dopantfit.errors import ConfigError, DopantFitError, EngineError, ReferenceDataError
from dopantfit.reference.manifest import CalculatorRecord, sha256_of
from dopantfit.strict_toml import Table, is_file

#: What the weights of a model are kept in.
WEIGHTS = frozenset(".pt .pth .ckpt .model .pkl .npz .npy .h5 .hdf5 .safetensors .onnx .pb .tar .bin .msgpack".split())
#: Longest message of a calculator's that is repeated [characters].
_LONGEST = 300


def is_calculator_name(make: str) -> bool:
    """Whether a text may name what makes a calculator: ``module:Class``, or ``./file.py:function``."""
    return re.fullmatch(r"[^:\s][^:]*:[A-Za-z_][A-Za-z0-9_.]*", make) is not None


def _module_and_name(make: str) -> str:
    if not is_calculator_name(make):
        raise ValueError("expected module:Class, as ase.calculators.emt:EMT, or ./file.py:function")
    return make


class CalculatorSettings(Table):
    """Which ASE calculator makes the labels."""

    #: What makes it: ``module:Class``, or ``./file.py:function`` relative to the folder of the set.
    make: Annotated[str, AfterValidator(_module_and_name)]
    #: Its arguments by name; a file that one names is part of what the labels are.
    options: dict[str, JsonValue] = Field(default_factory=dict)


def parse_options(text: str) -> dict[str, JsonValue]:
    """Return options as people write them on a command line, an inline table of TOML or JSON; ConfigError otherwise."""
    options: Any = None
    try:
        options = tomllib.loads(f"options = {text}\n")["options"]
    except tomllib.TOMLDecodeError:
        with contextlib.suppress(json.JSONDecodeError):
            options = json.loads(text)
    if not isinstance(options, dict):
        raise ConfigError(f'--options {text!r}: no inline table; write it as \'{{model = "name", device = "cpu"}}\'')
    return options


class LabelCalculator:
    """A calculator that was made in this process, and what it is.

    Raises ConfigError where it cannot be made.
    """

    def __init__(self, settings: CalculatorSettings, folder: Path) -> None:
        self.name = settings.make
        with _quiet():
            maker, own = _maker(settings.make, folder)
        with _files_read() as read, _quiet():
            try:
                self.calculator = maker(**settings.options)
            except BaseException as problem:
                _let_through(problem)
                raise ConfigError(f"calculator {self.name}: cannot be made: {in_words(problem)}") from None
        if not callable(getattr(self.calculator, "get_property", None)):
            kind = type(self.calculator).__name__
            raise ConfigError(f"calculator {self.name}: made a {kind}, which is no calculator of ASE; see its docs")
        named = {Path(value) for value in settings.options.values() if isinstance(value, str) and is_file(value)}
        files = {path.resolve() for path in read | named | own}
        self.record = CalculatorRecord(
            make=_recorded(settings.make, folder) if own else settings.make,
            options=json.dumps(settings.options, sort_keys=True),
            version=_versions(settings.make, self.calculator) or "of its own file",
            files={name: sha256_of(path) for path, name in _short_names(sorted(files)).items()},
        )

    def labelled(self, atoms: Atoms, name: str) -> Atoms:
        """Return a copy with energy [eV], forces [eV/Å] and stress [eV/Å³].

        Raises EngineError with the calculator's own words, ReferenceDataError for numbers that are none.
        """
        frame = atoms.copy()
        frame.calc = None
        frame.set_constraint()  # a held ion's force is not zero
        work = frame.copy()
        work.calc = self.calculator
        found = {
            "energy": self._asked(work.get_potential_energy, "energy", name, atoms),
            "forces": self._asked(work.get_forces, "forces", name, atoms),
            "stress": self._asked(work.get_stress, "stress", name, atoms),
        }
        results: dict[str, Any] = {}
        for key, shape in (("energy", ()), ("forces", (len(atoms), 3)), ("stress", (6,))):
            try:
                value = np.array(found[key], dtype=np.float64)
            except (TypeError, ValueError):
                value = np.array(np.nan)
            if value.shape != shape or not np.isfinite(value).all():
                raise ReferenceDataError(
                    f"calculator {self.name}: frame {name}: its {key} is not finite, or not of shape {shape}; "
                    "its model does not hold for this frame"
                )
            results[key] = float(value) if key == "energy" else value
        frame.calc = SinglePointCalculator(frame, **results)
        return frame

    def _asked(self, get: Callable[[], Any], what: str, name: str, atoms: Atoms) -> Any:
        from ase.calculators.calculator import PropertyNotImplementedError

        try:
            with _quiet():
                return get()
        except BaseException as problem:
            _let_through(problem)
            # Calculators say of elements, too, that these are not implemented; the energy is asked for first.
            lacking = NotImplementedError if what != "energy" else PropertyNotImplementedError
            if isinstance(problem, lacking):
                raise EngineError(
                    f"calculator {self.name}: gives no {what}; labels need energy, forces and stress: wrap it in a "
                    "file of your own that adds it (ase.calculators.fd), and give ./file.py:function"
                ) from None
            elements = ", ".join(sorted(set(atoms.symbols)))
            raise EngineError(
                f"calculator {self.name}: frame {name} ({elements}): {in_words(problem)}; does it know these elements?"
            ) from None


@cache
def made(settings: str, folder: Path) -> LabelCalculator:
    """The calculator of this process; settings: `CalculatorSettings` as JSON."""
    return LabelCalculator(CalculatorSettings.model_validate_json(settings), folder)


def fingerprint(atoms: Atoms, record: CalculatorRecord) -> str:
    """Return the SHA-256 of what is computed: the same for the same ions, cell and calculator."""
    digest = hashlib.sha256(record.model_dump_json().encode())
    labels = [] if "species" not in atoms.arrays else [str(label) for label in atoms.arrays["species"]]
    digest.update(json.dumps([list(atoms.symbols), labels]).encode())
    for array in (atoms.positions, atoms.cell.array):
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()


def in_words(problem: BaseException) -> str:
    """Return an exception as one line."""
    text = " ".join(str(problem).split())
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__


def _let_through(problem: BaseException) -> None:
    """Raise again what is no failure of a calculator: our own errors, and Ctrl-C."""
    if isinstance(problem, DopantFitError | KeyboardInterrupt):
        raise problem


def _maker(make: str, folder: Path) -> tuple[Callable[..., Any], set[Path]]:
    """Return what makes the calculator, and the user's own file that it stands in."""
    where, _, attribute = make.rpartition(":")
    own: set[Path] = set()
    try:
        if where.endswith(".py"):
            path = folder / where
            if not path.is_file():
                raise ConfigError(f"calculator {make}: {path} is no file; give module:Class or ./file.py:function")
            own.add(path)
            module = _module_in(path)
        else:
            module = importlib.import_module(where)
    except BaseException as problem:
        _let_through(problem)
        hint = "; install it (python -m pip install 'dopantfit[models]' for the tested ones)"
        missing = hint if isinstance(problem, ModuleNotFoundError) else ""
        raise ConfigError(f"calculator {make}: cannot be imported: {in_words(problem)}{missing}") from None
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ConfigError(f"calculator {make}: {where} has no {attribute} that can be called; mend its name")
    return found, own


def _recorded(make: str, folder: Path) -> str:
    """Return what makes a calculator as a manifest says it: a file as it lies in the set, elsewhere by its name."""
    where, _, attribute = make.rpartition(":")
    path, root = (folder / where).resolve(), folder.resolve()
    return f"{path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name}:{attribute}"


def _short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return a name for each of these paths: its last part, and as many more as tell it from the others."""
    names = {path: path.name for path in paths}
    for length in range(2, max((len(path.parts) for path in paths), default=0) + 1):
        times = Counter(names.values())
        names = {p: name if times[name] == 1 else "/".join(p.parts[-length:]) for p, name in names.items()}
    return names


def _module_in(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise ConfigError(f"{path}: is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules.setdefault(path.stem, module)
    specification.loader.exec_module(module)
    return module


def _versions(make: str, calculator: object) -> str:
    """Return name and version of the packages that made a calculator and that its class is from."""
    packages = metadata.packages_distributions()
    modules = (make.partition(":")[0].partition(".")[0], type(calculator).__module__.partition(".")[0])
    names = dict.fromkeys(name for module in modules for name in packages.get(module, ())[:1])
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


_watched: set[Path] | None = None
_hooked = False


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is None or event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    path = Path(os.fsdecode(arguments[0]))
    writes = isinstance(arguments[1], str) and any(letter in arguments[1] for letter in "wax+")
    if path.suffix.lower() in WEIGHTS and not writes:
        _watched.add(path)


@contextlib.contextmanager
def _files_read() -> Iterator[set[Path]]:
    """Yield a set that fills with the files of weights that are read meanwhile: models find theirs by name."""
    global _watched, _hooked
    if not _hooked:
        sys.addaudithook(_heard)  # which cannot be taken back: it does nothing while nobody looks
        _hooked = True
    read: set[Path] = set()
    heard: set[Path] = set()
    _watched = heard
    try:
        yield read
    finally:
        _watched = None
        read |= {path for path in heard if is_file(path) and not _is_metadata(path)}


def _is_metadata(path: Path) -> bool:
    """Whether a file is of the installation of a package, as those that say which modules it has."""
    return any(part.endswith((".dist-info", ".egg-info")) for part in path.parts)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a calculator prints, and what it warns of, from the terminal."""
    import warnings

    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
