"""Figures of a spectrum, each with its numbers beside it as CSV: ratio against temperature, energies, depth."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.boundary.profile.domains import NAMES
from dopantfit.boundary.spectrum.check import ChainPoint
from dopantfit.boundary.spectrum.occupation import site_energies
from dopantfit.boundary.spectrum.record import TYPICAL, Band, SpectrumRecord
from dopantfit.workflow.figures import new_figure, save_with_csv

#: Okabe & Ito's colours, told apart by all common kinds of colour vision.
_COLOURS = {"grain": "#0072B2", "complexion": "#E69F00", "amorphous": "#009E73"}
_CHAIN = "#D55E00"
_DPI = 150


def draw_spectrum(record: SpectrumRecord, folder: Path, chain: Sequence[ChainPoint] = ()) -> None:
    """Write grain, energies and, where there are faces, depth (PNG and CSV) into a folder."""
    _grain(record, folder, chain)
    _energies(record, folder)
    if record.at(TYPICAL).layers:
        _depth(record, folder)


def _grain(record: SpectrumRecord, folder: Path, chain: Sequence[ChainPoint]) -> None:
    """Dopant fraction of the grain over that of the amorphous domain; the share of domains where there is no ratio."""
    figure, ((panel,),) = new_figure(5.6, 3.8)
    kelvin = [one.temperature_K for one in record.placements]
    rows: list[Sequence[Any]] = []
    if record.placements[0].ratio is not None:
        bands = [one.ratio for one in record.placements if one.ratio is not None]
        _banded(panel, kelvin, bands, _COLOURS["grain"], "spectrum")
        carriers = [min(one.carriers.values(), default=0.0) for one in record.placements]
        rows += [("spectrum", *row, few) for row, few in zip(_numbers(kelvin, bands), carriers, strict=True)]
        panel.set_yscale("log")
        # Below one in a million nothing can be told from nothing.
        panel.set_ylim(max(1e-6, 0.5 * min(band.low for band in bands)), None)
        panel.set_ylabel("dopant fraction, grain over amorphous")
    else:
        for name in record.placements[0].share:
            bands = [one.share[name] for one in record.placements]
            _banded(panel, kelvin, bands, _COLOURS[name], name)
            carriers = [one.carriers.get(name, 0.0) for one in record.placements]
            rows += [(name, *row, few) for row, few in zip(_numbers(kelvin, bands), carriers, strict=True)]
        panel.set_ylabel("share of the dopants")
    for point in chain:
        low, high = (abs(end - point.ratio.value) for end in (point.ratio.low, point.ratio.high))
        panel.errorbar(point.temperature_K, point.ratio.value, yerr=[[low], [high]], fmt="o", color=_CHAIN, capsize=3)
        rows.append(("chain", point.temperature_K, point.ratio.value, point.ratio.low, point.ratio.high, "", "", ""))
    if chain:
        panel.plot([], [], "o", color=_CHAIN, label="chain of swaps")
    panel.set_xlabel("temperature (K)")
    panel.legend(frameon=False, fontsize=8)
    header = (
        "of",
        "temperature_K",
        "value",
        "low",
        "high",
        "low_with_force_field",
        "high_with_force_field",
        "carriers",
    )
    save_with_csv(figure, folder, "grain", _DPI, header, rows)


def _banded(panel: Any, kelvin: Sequence[float], bands: Sequence[Band], colour: str, label: str) -> None:
    panel.plot(kelvin, [band.value for band in bands], color=colour, label=label)
    low, high = ([getattr(band, end) for band in bands] for end in ("low", "high"))
    panel.fill_between(kelvin, low, high, color=colour, alpha=0.3, linewidth=0.0, label="95 %, sites and arrangements")
    if bands[0].low_with_force_field is not None:
        low, high = ([getattr(band, f"{end}_with_force_field") for band in bands] for end in ("low", "high"))
        panel.fill_between(kelvin, low, high, color=colour, alpha=0.13, linewidth=0.0, label="with the force field's")


def _numbers(kelvin: Sequence[float], bands: Sequence[Band]) -> Iterable[Sequence[Any]]:
    for temperature, band in zip(kelvin, bands, strict=True):
        yield (
            temperature,
            band.value,
            band.low,
            band.high,
            band.low_with_force_field,
            band.high_with_force_field,
        )


def _energies(record: SpectrumRecord, folder: Path) -> None:
    """Energies of the sites at 1000 K, cumulative, by domain, one panel for each kind."""
    kinds = sorted({site.kind for site in record.sites})
    figure, (panels,) = new_figure(3.0 * len(kinds) + 0.6, 3.2, columns=len(kinds), share_y=True)
    rows = []
    for panel, kind in zip(panels, kinds, strict=True):
        for name in NAMES:
            energies = np.sort(_free(record, name, kind))
            if len(energies):
                panel.step(energies, np.arange(1, len(energies) + 1) / len(energies), color=_COLOURS[name], label=name)
            rows += [(name, kind, float(energy)) for energy in energies]
        panel.set_title(f"on sites of {kind}", fontsize=9)
        panel.set_xlabel("energy (eV)")
    panels[0].set_ylabel("part of the sampled sites")
    handles = [panels[0].plot([], [], color=colour)[0] for colour in _COLOURS.values()]
    figure.legend(handles, list(_COLOURS), loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    save_with_csv(figure, folder, "energies", _DPI, ("domain", "kind", "energy_eV"), rows)


def _free(record: SpectrumRecord, domain: str, kind: str) -> Any:
    """Finite free energies of the sampled sites of a stratum [eV]."""
    rows = [site.energies_eV for site in record.sites if (site.domain, site.kind) == (domain, kind)]
    known = [[np.nan if one is None else one for one in row] for row in rows if any(one is not None for one in row)]
    return site_energies(np.array(known), TYPICAL) if known else np.empty(0)


def _depth(record: SpectrumRecord, folder: Path) -> None:
    figure, ((panel,),) = new_figure(5.6, 3.4)
    placement = record.at(TYPICAL)
    rows = []
    for layer in placement.layers:
        middle, band = 0.5 * (layer.from_A + layer.to_A), layer.percent
        error = [[band.value - band.low], [band.high - band.value]]
        panel.errorbar(middle, band.value, yerr=error, fmt="o", color=_COLOURS[layer.domain], markersize=4, capsize=2)
        rows.append((layer.domain, layer.from_A, layer.to_A, band.value, band.low, band.high))
    for name, colour in _COLOURS.items():
        panel.plot([], [], "o", color=colour, markersize=4, label=name)
    panel.set_xlabel("depth below the face of the amorphous domain (Å)")
    panel.set_ylabel(f"dopant at {placement.temperature_K:g} K (at%)")
    panel.legend(frameon=False, fontsize=8)
    save_with_csv(figure, folder, "depth", _DPI, ("domain", "from_A", "to_A", "percent", "low", "high"), rows)
