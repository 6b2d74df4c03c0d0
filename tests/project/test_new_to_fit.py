"""From `dopantfit new` to a fitted potential without a line edited, on labels of a known potential."""

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit import ShellModel, fit
from dopantfit.potential import Parameter, Potential
from dopantfit.project import check, new
from dopantfit.project.check_sets import families_of
from dopantfit.project.plan_texts import manifest_text
from dopantfit.reference.frames import composition_of, write_set
from dopantfit.reference.generate import start_ions
from dopantfit.reference.manifest import parse_manifest
from dopantfit.reference.plan import load_plan

#: The search of the test; the file that `new` writes has 40 particles and 20 generations.
TINY = (("particles = 40", "particles = 6"), ("generations = 20", "generations = 1"), ("starts = 3", "starts = 1"))


def labelled(folder, truth):
    """Write a set with three frames of every family of its plan, displaced and strained, labelled by a potential."""
    plan = load_plan(folder)
    roots = {item.name: item for item in plan.configurations if item.start.end_of is None}
    rng, frames = np.random.default_rng(1), []
    for family in families_of(plan):
        item = next(one for one in plan.configurations if (one.family or one.name) == family)
        ions = start_ions(roots[item.start.end_of or item.name], folder)
        # Four volumes of one shape span an equation of state; elsewhere ions move.
        for number, strain in enumerate((-0.03, -0.01, 0.01, 0.03) if family == "volumes" else (0.0, 0.01)):
            atoms = ions.copy()
            atoms.set_cell(atoms.cell.array * (1.0 + strain), scale_atoms=True)
            if family != "volumes":
                atoms.positions += rng.normal(scale=0.03, size=(len(atoms), 3))
            model = ShellModel(truth)
            results = {key: model.get_property(key, atoms) for key in ("energy", "forces")}
            atoms.calc = SinglePointCalculator(atoms, **results)
            atoms.info = {"frame_id": f"{family}-{number:02d}", "family": family, "temperature": 0.0, "strain": strain}
            atoms.info |= {"composition": composition_of(atoms), "origin": f"{family} {number}"}
            frames.append(atoms)
    elements = {symbol for atoms in frames for symbol in atoms.symbols}
    write_set(folder, frames, parse_manifest(manifest_text(folder.name, "a test", "espresso", elements)))


@pytest.mark.slow
def test_a_new_dopant_is_fitted_without_a_line_edited(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = new("Ga", charge=3, like="Al", root=tmp_path)
    start = Potential.load(made.fit / "start.toml")
    truth = start.with_values({Parameter("A", ("Ga", "O")): 0.85 * start.pair("Ga", "O").A})
    for name in ("Ga-latp", "Ga-compound"):
        labelled(tmp_path / "reference_dft" / name, truth)
    assert [one for one in check(made.fit) if one.severity == "error"] == []
    text = (made.fit / "fit.toml").read_text()
    for old, smaller in TINY:  # for the test's time only: the file starts as it is
        assert old in text
        text = text.replace(old, smaller)
    (made.fit / "fit.toml").write_text(text)
    record = fit(made.fit, workers=1, work=tmp_path / "work")
    errors = {role: record.errors[role]["held_out"].forces for role in record.errors}
    found, before = (next(e.rms_error for e in errors[role] if e.name == "Ga") for role in ("fitted", "published"))
    assert found < 0.2 * before  # the labels are those of a potential in the box
    assert {one.name for one in record.held} >= {"A Ga-Ga", "A Al-Ga"}
