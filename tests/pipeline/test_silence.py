"""`dopantfit.run` as a Python function says nothing by itself; what its steps compute says nothing either elsewhere."""

from types import SimpleNamespace

import dopantfit
from dopantfit.fit import verb as fitting
from dopantfit.pipeline import run as pipeline
from dopantfit.report import verb as reporting
from dopantfit.study import verb as studying
from dopantfit.validate import verb as validating


def test_a_run_returns_its_record_and_prints_nothing(tmp_path, monkeypatch, capfd):
    watches = []

    def step(made):
        def do(*_, watch=None, **__):
            watches.append(watch)
            return made

        return do

    monkeypatch.setattr(pipeline, "why_fit", lambda folder: "there is none")
    monkeypatch.setattr(pipeline, "why_validate", lambda folder, gates: "there is none")
    monkeypatch.setattr(pipeline, "load_study", lambda folder, preset: (None, folder / "study.toml"))
    monkeypatch.setattr(studying, "run_folder", lambda *_: tmp_path / "run")
    monkeypatch.setattr(fitting, "fit", step("fit"))
    monkeypatch.setattr(validating, "validate", step("validation"))
    monkeypatch.setattr(studying, "study", step(SimpleNamespace(done_now=("a",), answer="undecided")))
    monkeypatch.setattr(reporting, "report", step("page"))
    record = dopantfit.run(tmp_path)
    assert record.steps == dict.fromkeys(("fit", "validate", "study", "report"), "done")
    assert capfd.readouterr() == ("", "")
    with watches[0]() as observer:
        observer.say("a line")
    with watches[2](None, tmp_path) as watcher:
        watcher.tick(("a",))
    assert capfd.readouterr() == ("", "")
