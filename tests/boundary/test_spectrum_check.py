"""What a chain of swaps has in its grain, read from a run folder whose walkers hold a known number of dopants."""

from dataclasses import asdict

import numpy as np
import pytest
from ase import Atoms

from dopantfit.boundary.profile.domains import Domains, Span
from dopantfit.boundary.spectrum.check import chain_points
from dopantfit.boundary.swap.config import parse_swap
from dopantfit.boundary.swap.record import SETTINGS, SETTINGS_FORMAT
from dopantfit.boundary.swap.temper import LADDER_FILE, Ladder, RoundResult
from dopantfit.boundary.swap.walker import ReplicaState
from dopantfit.errors import ConfigError, ReferenceDataError
from dopantfit.statistics import poisson_interval, poisson_limit
from dopantfit.structures import with_labels
from dopantfit.workflow.provenance import write_sealed
from dopantfit.workflow.step import Step

LENGTH = 24.0
#: Half of the cell is amorphous, half is grain.
DOMAINS = Domains(
    {"amorphous": (Span(0.0, 12.0, LENGTH),), "complexion": (), "grain": (Span(12.0, 24.0, LENGTH),)},
    1.0,
    0.0,
    np.empty(0),
    np.empty(0),
)
#: Ions of each half.
HALF = 20


def walker(in_grain, stretched):
    """Twenty ions on either side, five of the amorphous ones dopants; the cell is longer than it began."""
    heights = np.concatenate([np.linspace(0.5, 11.5, HALF), np.linspace(12.5, 23.5, HALF)]) * stretched
    cell = [10.0, 10.0, LENGTH * stretched]
    atoms = Atoms(f"H{2 * HALF}", positions=[[1.0, 1.0, z] for z in heights], cell=cell, pbc=True)
    labels = ["Mg"] * 5 + ["Ti"] * (HALF - 5) + ["Mg"] * in_grain + ["Ti"] * (HALF - in_grain)
    return ReplicaState(with_labels(atoms, labels), atoms.positions, 0.0, None, LENGTH)


def run_of(folder, in_grain, stretched=1.0):
    """A run of one rung; in_grain: dopants of the grain after each round."""
    layers = {"interface": 12.0, "into_grain": 1, "reservoir": 12.0, "width": 3.0, "count": 4, "rounds_per_layer": 2}
    config = parse_swap({"dopant": "Mg", "layers": layers, "walkers": 1, "hottest": 1000.0}, "swap.toml")
    write_sealed(folder / SETTINGS, {"format": SETTINGS_FORMAT, "config": config.model_dump(mode="json")})
    ladder = Ladder.new([1000.0], ["start.json"], 1)
    (folder / "replica-00").mkdir()
    for number, count in enumerate(in_grain):
        path = folder / "replica-00" / f"round-{number:04d}.json"
        walker(count, stretched).write(path)
        ladder.take([RoundResult(0.0, str(path))])
    Step(folder / LADDER_FILE, {}).keep({"ladder": asdict(ladder)})
    return folder


# In the longer cell the last two ions lie deeper than the 12 Å that were open to swaps.
@pytest.mark.parametrize(("stretched", "explored"), [(1.0, HALF), (1.1, HALF - 2)])
def test_a_chain_has_the_mean_of_its_second_half_and_that_of_the_quarter_before(tmp_path, stretched, explored):
    (point,) = chain_points(run_of(tmp_path, [5, 4, 2, 1], stretched), DOMAINS, LENGTH)
    unit = 1.0 / explored / (5.0 / HALF)
    assert point.temperature_K == 1000.0
    assert point.ratio.value == pytest.approx(1.5 * unit)
    assert point.early == pytest.approx(4.0 * unit)
    # One walker was there, so the interval is that of its one and a half ions.
    assert (point.ratio.low, point.ratio.high) == pytest.approx([end * unit for end in poisson_interval(1.5)])


def test_an_empty_grain_has_a_limit_only(tmp_path):
    (point,) = chain_points(run_of(tmp_path, [0, 0, 0, 0]), DOMAINS, LENGTH)
    assert (point.ratio.value, point.ratio.low) == (0.0, 0.0)
    assert point.ratio.high == pytest.approx(poisson_limit(0) / 5.0)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ReferenceDataError, match="no swap run"):
        chain_points(tmp_path, DOMAINS, LENGTH)


def test_a_run_of_another_version_is_refused(tmp_path):
    write_sealed(tmp_path / SETTINGS, {"config": {"dopant": "Mg"}})
    with pytest.raises(
        ConfigError, match=r"swap\.json: is no swap run of this version.*expected 1; run `dopantfit bound"
    ):
        chain_points(tmp_path, DOMAINS, LENGTH)
