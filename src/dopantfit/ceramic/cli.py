"""``dopantfit ceramic``: total conductivity and spectrum of a pellet."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dopantfit.terminal import JsonOption, print_json, print_parts

if TYPE_CHECKING:
    from dopantfit.ceramic.entries import Entries

FigureOption = Annotated[
    Path | None, typer.Option(help="Draw into this image file: png, pdf or svg; its numbers go into a CSV beside it.")
]


def ceramic(
    source: Annotated[
        Path, typer.Argument(help="ceramic.toml, or the folder of a study or of a fit that one was kept with.")
    ],
    thickness: Annotated[
        float | None,
        typer.Option(help="Thickness of a study's boundaries, in nm.", show_default="of its amorphous phase"),
    ] = None,
    figure: FigureOption = None,
    json: JsonOption = False,
) -> None:
    """What a pellet conducts: bulk and boundary in a brick layer, its equivalent circuit and impedance spectrum."""
    from dopantfit.ceramic.settings import CERAMIC_FILE
    from dopantfit.strict_toml import is_dir, is_file
    from dopantfit.workflow.outputs import check_outputs

    written = is_file(source / CERAMIC_FILE) if is_dir(source) else True
    file = source / CERAMIC_FILE if is_dir(source) and written else source
    check_outputs({"--figure": figure, "the CSV of --figure": _numbers_beside(figure)}, [file] if written else [])
    record, parts = _of_file(file, thickness, figure) if written else _of_study(source, thickness, figure)
    print_json(record) if json else print_parts(*parts)


def _of_file(file: Path, thickness: float | None, figure: Path | None) -> tuple[dict[str, Any], list[object]]:
    from dopantfit.ceramic import tables
    from dopantfit.ceramic.figures import draw_pellet, save_with_numbers
    from dopantfit.ceramic.measured import measured_of
    from dopantfit.ceramic.pellet import Pellet
    from dopantfit.ceramic.settings import load_ceramic
    from dopantfit.errors import ConfigError

    if thickness is not None:
        raise ConfigError(f"--thickness is of a study's boundaries; that of {file} stands in its [microstructure]")
    settings, path = load_ceramic(file)
    pellet, measured = Pellet(path.stem, settings), measured_of(settings.host)
    if figure is not None:
        spectrum = tables.spectrum_rows(pellet, settings.asked[0])
        save_with_numbers(draw_pellet(pellet, spectrum, measured), figure, tables.pellet_rows(pellet), spectrum)
    return _record(tables.pellet_record(pellet, measured), path), [*tables.pellet_tables(pellet, measured)]


def _of_study(folder: Path, thickness: float | None, figure: Path | None) -> tuple[dict[str, Any], list[object]]:
    from math import isfinite

    from dopantfit.ceramic import tables
    from dopantfit.ceramic.figures import draw_study, save_with_numbers
    from dopantfit.ceramic.measured import measured_of
    from dopantfit.ceramic.study_pellet import pellet_of
    from dopantfit.errors import ConfigError
    from dopantfit.study.record import STUDY_RECORD
    from dopantfit.study.summary import read_summary

    if thickness is not None and not (isfinite(thickness) and thickness >= 0.0):
        raise ConfigError(f"--thickness {thickness}: must be a length in nm, zero or more")
    study = read_summary(folder)
    if study is None:
        raise ConfigError(
            f"{folder}: has neither ceramic.toml nor {STUDY_RECORD}; name a file with conductivities, or the folder of "
            "a study"
        )
    found, measured = pellet_of(study, thickness), measured_of(study.host.name)
    if figure is not None:
        save_with_numbers(draw_study(found), figure, tables.study_rows(found))
    record = _record(tables.study_record(found, measured), study.folder / STUDY_RECORD)
    return record, [*tables.study_tables(found, measured)]


def _numbers_beside(figure: Path | None) -> Path | None:
    return None if figure is None else figure.with_suffix(".csv")


def _record(content: dict[str, Any], source: Path) -> dict[str, Any]:
    """Return the content with the hash of what it came from, and versions."""
    from dopantfit.workflow.provenance import installed_versions, sha256_of

    return {"inputs": {str(source): sha256_of(source)}, **content, "versions": installed_versions()}


def window(
    entries: Annotated[
        Path,
        typer.Argument(
            help="JSON file of pymatgen's ComputedEntry, all of one method; or phases.toml, whose phases a calculator "
            "of ASE computes."
        ),
    ],
    composition: Annotated[
        list[str] | None, typer.Option(help="A formula, or name=formula; once for each, the undoped one first.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="Take the compositions of the amorphous phase of this study.")
    ] = None,
    host: Annotated[str, typer.Option(help="Host whose mobile ion the electrode gives and takes.")] = "latp",
    figure: FigureOption = None,
    json: JsonOption = False,
) -> None:
    """Potentials at which a boundary's composition is reduced and oxidised, with and without the dopant."""
    from dopantfit.ceramic import tables
    from dopantfit.ceramic.entries import compositions_given, compositions_of
    from dopantfit.ceramic.figures import draw_windows, save_with_numbers
    from dopantfit.ceramic.window import windows_of
    from dopantfit.errors import ConfigError
    from dopantfit.structures import load_host
    from dopantfit.study.summary import read_summary
    from dopantfit.workflow.outputs import check_outputs

    check_outputs({"--figure": figure, "the CSV of --figure": _numbers_beside(figure)}, [entries])
    wanted, of_host = compositions_given(composition or ()), None
    if study is not None:
        kept = read_summary(study)
        if kept is None:
            raise ConfigError(f"{study}: has no study.json; name the run folder of a study, or a fit with one")
        wanted, of_host = {**compositions_of(kept), **wanted}, kept.host
    if not wanted:
        raise ConfigError("window: needs a composition; give --composition, or --study")
    chosen = of_host or load_host(host)
    given = _entries_of(entries, wanted, chosen.mobile)
    found = windows_of(given.entries, wanted, chosen.mobile, chosen.charges[chosen.mobile], str(entries))
    if figure is not None:
        save_with_numbers(draw_windows(found, chosen.mobile), figure, tables.window_rows(found))
    record = {"mobile": chosen.mobile, "rests_on": given.rests_on, "windows": [one.as_dict() for one in found]}
    print_json(_record(record, entries)) if json else print_parts(*tables.window_tables(found, chosen.mobile, given))


def _entries_of(file: Path, compositions: Mapping[str, Mapping[str, float]], mobile: str) -> "Entries":
    """The entries of a file that holds them, or of phases that an ASE calculator computes."""
    from dopantfit.ceramic.entries import read_entries
    from dopantfit.ceramic.phases import computed_entries
    from dopantfit.ceramic.window import check_elements
    from dopantfit.workflow.screen import watched

    if file.suffix != ".toml":
        return read_entries(file)
    with watched() as observer:
        return computed_entries(file, observer, lambda phases: check_elements(phases, compositions, mobile, str(file)))
