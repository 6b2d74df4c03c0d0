"""Reading VASP's vasprun.xml: one ionic step for every ``<calculation>``.

ASE reads these files too, but neither tells which steps converged, nor passes over the learned or GW steps of a
run, nor takes the completed part of one that was cut. The energy is VASP's at zero smearing: ``e_0_energy`` lacks
the dispersion correction within the electronic steps and is wrong behind them, so that the smearing correction of
the last electronic step is added to the final free energy, less the term of ``PSTRESS``.
"""

import re
from collections.abc import Iterator
from typing import cast
from xml.etree import ElementTree

import numpy as np
from ase.data import chemical_symbols
from ase.units import GPa

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.ionic_steps import Array, IonicStep, Output, ionic_step, printed_stress, table_of

BANNER = re.compile(r"<modeling>")
LAST_WORDS = "</modeling>"

#: Characters taken in at a time.
_CHUNK = 1 << 20
#: What is learned, and not computed, stands outside.
_CALCULATION = re.compile(r"<calculation>.*?(?:</calculation>|\Z)", re.DOTALL)
#: What is no part of a frame and fills most of the file.
_BULK = re.compile(r"<(eigenvalues|dos|projected|dielectricfunction)\b.*?</\1>", re.DOTALL)


def read_vasprun(text: str, name: str) -> Output:
    """Return the steps of a vasprun.xml; ReferenceDataError names the file and the line where it is damaged."""
    parser = ElementTree.XMLPullParser(("end",))  # type: ignore[var-annotated]
    run = _VasprunRun(name)
    cut = "" if LAST_WORDS in text[-1000:] else LAST_WORDS
    # The encoding that the file declares is that of its bytes, which are text by now.
    text = _BULK.sub("", re.sub(r"\A\s*<\?xml.*?\?>", "", text))
    try:
        for start in range(0, len(text), _CHUNK):
            parser.feed(text[start : start + _CHUNK])
            for _, element in cast("Iterator[tuple[str, ElementTree.Element]]", parser.read_events()):
                run.take(element)
    except ElementTree.ParseError as problem:
        if not cut:
            raise ReferenceDataError(f"{name}: is damaged XML ({problem}); copy it again") from None
    learned = _CALCULATION.sub("", text).count('<varray name="forces"')
    said = f"{learned} steps of a machine-learned force field left out; {len(run.steps)} are of DFT"
    return Output("VASP", tuple(run.steps), cut, (said,) if learned else ())


class _VasprunRun:
    """What has been read so far: elements of the ions, limits and pressure of the input, and the steps."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.symbols: list[str] = []
        self.limit: int | None = None
        self.pressure: float | None = None
        self.steps: list[IonicStep] = []

    def take(self, element: ElementTree.Element) -> None:
        """Take in an element whose end has been reached."""
        name = element.get("name")
        if element.tag == "i" and name == "NELM" and self.limit is None:
            self.limit = int(_number(element.text) or 0) or None
        elif element.tag == "i" and name == "PSTRESS" and self.pressure is None:
            # From kB.
            self.pressure = 0.1 * (_number(element.text) or 0.0) * GPa
        elif element.tag == "atominfo":
            rows = element.findall("array[@name='atoms']/set/rc")
            self.symbols = [(row.findtext("c") or "").strip() for row in rows]
            if unknown := sorted({*self.symbols} - {*chemical_symbols[1:]}):
                raise ReferenceDataError(
                    f"{self.name}: {', '.join(unknown)} is no element; import the OUTCAR of the same run"
                )
        elif element.tag == "calculation":
            self.steps.append(self._step(element))
            element.clear()

    def _step(self, element: ElementTree.Element) -> IonicStep:
        electronic = _electronic_steps(element)
        if not electronic:
            return IonicStep(None, problem="has no self-consistency of its own (GW, or a learned force field)")
        cell = _rows(element.find("structure/crystal/varray[@name='basis']"))
        fractional = _rows(element.find("structure/varray[@name='positions']"))
        if cell is None or len(cell) != 3 or fractional is None or len(fractional) != len(self.symbols):
            return IonicStep(None, problem="its cell and positions are not printed, or are not numbers")
        forces, stress = (_rows(element.find(f"varray[@name='{name}']")) for name in ("forces", "stress"))
        return ionic_step(
            self.symbols,
            fractional @ cell,
            cell,
            self._energy(element, electronic[-1], abs(float(np.linalg.det(cell)))),
            forces if forces is not None and len(forces) == len(self.symbols) else None,
            # VASP's is positive where the cell pushes outwards, in kB.
            None if element.find("varray[@name='stress']") is None else -0.1 * printed_stress(stress) * GPa,
            # The file does not say; a step that used all NELM iterations may have run out of them.
            unconverged=self.limit is not None and len(electronic) >= self.limit,
        )

    def _energy(self, element: ElementTree.Element, last: ElementTree.Element, volume: float) -> float | None:
        final, free, smeared = (
            _number(place.findtext(f"energy/i[@name='{kind}']"))
            for place, kind in ((element, "e_fr_energy"), (last, "e_fr_energy"), (last, "e_0_energy"))
        )
        if final is None or free is None or smeared is None:
            return None
        return smeared + (final - (self.pressure or 0.0) * volume - free)


def _electronic_steps(element: ElementTree.Element) -> list[ElementTree.Element]:
    """Return the electronic steps of the ground state; those behind the structure are of linear response."""
    steps: list[ElementTree.Element] = []
    for child in element:
        if child.tag == "structure":
            break
        if child.tag == "scstep":
            steps.append(child)
    return steps


def _rows(element: ElementTree.Element | None) -> Array | None:
    return None if element is None else table_of([row.text or "" for row in element.findall("v")])


def _number(text: str | None) -> float | None:
    table = table_of([text or ""], 1)
    return None if table is None else float(table[0, 0])
