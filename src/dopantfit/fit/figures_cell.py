"""Figure and table of the pre-optimised compound: its cell and its distances, at the reference and as relaxed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dopantfit.fit.cell import RelaxedCell
from dopantfit.fit.figure_files import COLOURS, new_figure, save_figure, save_numbers
from dopantfit.fit.preoptimise import Preoptimised
from dopantfit.transport.pairs import pair_distributions_at_rest, radii_at_rest
from dopantfit.workflow.provenance import write_text_atomic

TABLE_FILE = "preoptimisation"


def draw_cell(found: Preoptimised, fitted: RelaxedCell | None, folder: Path) -> None:
    """Partial radial distribution functions of the reference cell and of the relaxed ones."""
    cells = {"reference": found.reference.atoms, "start": found.before.atoms, "preoptimised": found.after.atoms}
    if fitted is not None:
        cells["fitted"] = fitted.atoms
    functions = {name: pair_distributions_at_rest(atoms) for name, atoms in cells.items()}
    pairs = list(functions["reference"])
    columns = min(3, len(pairs))
    figure, panels = new_figure(-(-len(pairs) // columns), columns, width=2.8, height=2.2)
    r = radii_at_rest()
    rows: list[Sequence[Any]] = []
    for panel, pair in zip(panels.ravel(), pairs, strict=False):
        for colour, (name, of_pair) in zip(("black", *COLOURS), functions.items(), strict=False):
            panel.plot(r, of_pair[pair], color=colour, linewidth=1.0, label=name)
        panel.set_title("-".join(pair), fontsize=8)
        panel.set_xlabel("r (Å)", fontsize=7)
        panel.set_ylabel("g(r)", fontsize=7)
        panel.tick_params(labelsize=6)
        values = zip(r, *(of_pair[pair] for of_pair in functions.values()), strict=True)
        rows += [("-".join(pair), *(f"{x:.6g}" for x in numbers)) for numbers in values]
    for panel in panels.ravel()[len(pairs) :]:
        panel.set_axis_off()
    panels[0, 0].legend(fontsize=6)
    save_figure(figure, folder, "rdf")
    save_numbers(folder, "rdf", ("pair", "r_A", *functions), rows)


def write_cell_table(entries: Sequence[Mapping[str, Any]], source: str, folder: Path) -> None:
    """Write the table of the pre-optimisation as CSV, in full, and as Markdown, rounded."""
    header = list(entries[0])
    rows = [["" if one[key] is None else one[key] for key in header] for one in entries]
    save_numbers(folder, TABLE_FILE, header, rows)
    lines = [f"Reference: {source}.", "", "| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for row in rows:
        texts = [cell if isinstance(cell, str) else f"{cell:.6g}" for cell in row]
        lines.append("| " + " | ".join(texts) + " |")
    write_text_atomic(folder / f"{TABLE_FILE}.md", "\n".join(lines) + "\n")
