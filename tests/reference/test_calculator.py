"""Labels of any ASE calculator: what is taken, what is refused, and what the manifest says of it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

from dopantfit.errors import ConfigError, DopantFitError, EngineError, ReferenceDataError
from dopantfit.project.plan_texts import manifest_text
from dopantfit.reference.calculator import CalculatorSettings, LabelCalculator, parse_options
from dopantfit.reference.calculator_checks import check_units
from dopantfit.reference.check import check_set
from dopantfit.reference.frames import load_set
from dopantfit.reference.labels import cp2k_manifest
from dopantfit.reference.manifest import Split, load_manifest, save_manifest
from dopantfit.reference.plan import load_plan
from dopantfit.reference.run import outlook, run_set

#: Calculators of a user's own: EMT, spoilt in one way each.
CALCULATORS = """
import numpy as np
from ase.calculators.emt import EMT

class Spoilt(EMT):
    def __init__(self, how="", **more):
        super().__init__(**more)
        self.how = how
        if how:
            self.implemented_properties = [p for p in EMT.implemented_properties if p != how]

    def calculate(self, *arguments, **more):
        if self.how == "raises":
            raise RuntimeError("the graph has no edges\\nsecond line")
        self.count = getattr(self, "count", 0) + 1
        if self.how == "midway" and self.count > 12:
            raise RuntimeError("CUDA out of memory")
        super().calculate(*arguments, **more)
        if self.how == "nan":
            self.results["forces"][1, 2] = np.nan
        if self.how == "per ion":
            self.results["energy"] /= len(self.atoms)
        if self.how == "kcal":
            for key in ("energy", "forces", "stress"):
                self.results[key] = self.results[key] * 23.06 * 10
        if self.how == "kcal energies":
            self.results["energy"] *= 23.0605
        if self.how == "pressure":
            self.results["stress"] = -self.results["stress"]
        if self.how == "GPa":
            self.results["stress"] = self.results["stress"] * 160.2177

def make(scale=1.0, weights=None):
    return EMT()
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "mycalc.py").write_text(CALCULATORS)
    return tmp_path


@pytest.fixture
def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.info["frame_id"] = "cu"
    atoms.rattle(0.05, seed=1)
    return atoms


def spoilt(own: Path, how: str) -> LabelCalculator:
    return LabelCalculator(CalculatorSettings(make="./mycalc.py:Spoilt", options={"how": how}), own)


def evaluated_by(made: LabelCalculator) -> Callable[[Atoms], Atoms]:
    return lambda moved: made.labelled(moved, "cu")


def test_labels_are_those_of_the_calculator(own: Path, copper: Atoms) -> None:
    frame = spoilt(own, "").labelled(copper, "cu")
    copper.calc = EMT()
    assert frame.get_potential_energy() == copper.get_potential_energy()
    np.testing.assert_array_equal(frame.get_forces(), copper.get_forces())
    np.testing.assert_array_equal(frame.get_stress(), copper.get_stress())


@pytest.mark.parametrize(
    ("how", "words", "kind"),
    [
        ("raises", "RuntimeError: the graph has no edges second line; does it know these elements", EngineError),
        ("nan", "its forces is not finite", ReferenceDataError),
        ("stress", "gives no stress; labels need energy, forces and stress", EngineError),
    ],
)
def test_what_a_calculator_does_wrong_is_one_line(
    own: Path, copper: Atoms, how: str, words: str, kind: type[DopantFitError]
) -> None:
    with pytest.raises(kind, match=words) as caught:
        spoilt(own, how).labelled(copper, "cu")
    assert ("\n" not in str(caught.value) and "frame cu" in str(caught.value)) or how == "stress"


def test_an_element_that_it_does_not_know_is_named(own: Path) -> None:
    iron = bulk("Fe", cubic=True)
    with pytest.raises(
        EngineError, match=r"frame x \(Fe\): NotImplementedError: No EMT-potential for Fe; does it know"
    ):
        spoilt(own, "").labelled(iron, "x")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("per ion", "energies per ion"),
        ("kcal energies", "energies in kcal/mol"),
        ("kcal", "shortest bond is held by"),
        ("GPa", "the stress in GPa"),
        ("pressure", "the stress as a pressure, of the opposite sign"),
    ],
)
def test_other_units_are_noticed(own: Path, copper: Atoms, how: str, words: str) -> None:
    made = spoilt(own, how)
    with pytest.raises(ReferenceDataError, match=words):
        check_units(copper, evaluated_by(made), made.name)


def test_energies_are_the_integral_of_forces_and_stress(own: Path, copper: Atoms) -> None:
    made = spoilt(own, "")
    found = check_units(copper, evaluated_by(made), made.name)
    # Simpson's rule over 0.03 Å and a strain of a few per cent.
    assert found.force_ratio == pytest.approx(1.0, abs=0.01)
    assert found.stress_ratio == pytest.approx(1.0, abs=0.01)
    assert 1.0 < found.stiffness < 50.0  # copper


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        ("nowhere.at_all:Thing", {}, "cannot be imported: ModuleNotFoundError"),
        ("ase.calculators.emt:Emt", {}, "has no Emt that can be called"),
        ("./mycalc.py:make", {"speed": 3}, "cannot be made: TypeError"),
        ("./other.py:make", {}, "is no file"),
        ("builtins:dict", {}, "made a dict, which is no calculator of ASE"),
    ],
)
def test_what_is_no_calculator_is_refused(own: Path, make: str, options: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        LabelCalculator(CalculatorSettings(make=make, options=dict(options)), own)
    assert "\n" not in str(caught.value)


def test_the_record_has_the_hashes_of_weights_and_of_the_users_file(own: Path) -> None:
    (own / "model.pt").write_bytes(b"weights")
    settings = CalculatorSettings(make="./mycalc.py:make", options={"weights": str(own / "model.pt")})
    record = LabelCalculator(settings, own).record
    assert set(record.files) == {"model.pt", "mycalc.py"}
    assert record.make == "mycalc.py:make" and "ase" in record.version
    (own / "model.pt").write_bytes(b"other weights")
    assert LabelCalculator(settings, own).record.files["model.pt"] != record.files["model.pt"]


def test_a_file_below_the_set_is_recorded_as_it_lies_and_found_again(own: Path) -> None:
    for place in ("one", "two"):
        (own / place).mkdir()
        (own / place / "model.pt").write_bytes(place.encode())
    (own / "one" / "mycalc.py").write_bytes((own / "mycalc.py").read_bytes())
    weights = [str(own / place / "model.pt") for place in ("one", "two")]
    text = f"\n\ndef reads():\n    for name in {weights!r}:\n        open(name, 'rb').read()\n    return EMT()\n"
    (own / "one" / "mycalc.py").write_text(CALCULATORS + text)
    for make in ("./one/mycalc.py:reads", f"{own}/one/mycalc.py:reads"):
        record = LabelCalculator(CalculatorSettings(make=make), own).record
        assert record.make == "one/mycalc.py:reads"
        # Two files of weights of one name are two.
        assert set(record.files) == {"mycalc.py", "one/model.pt", "two/model.pt"}
        assert LabelCalculator(CalculatorSettings(make=record.make), own).record == record


def test_weights_that_a_model_finds_by_itself_are_hashed(own: Path) -> None:
    (own / "hidden.pth").write_bytes(b"weights")
    text = f"\ndef finds():\n    open({str(own / 'hidden.pth')!r}, 'rb').read()\n    return EMT()\n"
    (own / "mycalc.py").write_text(CALCULATORS + text)
    assert "hidden.pth" in LabelCalculator(CalculatorSettings(make="./mycalc.py:finds"), own).record.files


def test_options_are_an_inline_table_or_json() -> None:
    assert parse_options('{model = "7net-l3i5", device = "cpu"}') == parse_options(
        '{"model": "7net-l3i5", "device": "cpu"}'
    )
    with pytest.raises(ConfigError, match="no inline table"):
        parse_options("7net-l3i5")


def plan_of(own: Path, copper: Atoms, options: str = "{}") -> Path:
    folder = own / "Cu"
    folder.mkdir(exist_ok=True)
    (folder / "mycalc.py").write_text(CALCULATORS)
    write(folder / "cu.xyz", copper, format="extxyz")
    sigmas = ", ".join(f"{0.01 * k:.2f}" for k in range(1, 9))
    (folder / "plan.toml").write_text(f"""
set = "Cu"
purpose = "a test"
[calculator]
make = "./mycalc.py:Spoilt"
options = {options}
[[configurations]]
kind = "rattle"
name = "a"
start = {{ file = "cu.xyz" }}
sigmas = [{sigmas}]
""")
    return folder


def test_a_plan_is_labelled_collected_and_goes_on(own: Path, copper: Atoms) -> None:
    folder, work = plan_of(own, copper), own / "work"
    summary = run_set(folder, work=work, jobs=2)
    assert len(summary.done) == 8 and not summary.failed
    found = load_set(folder)
    assert found.manifest.calculator is not None
    assert (found.manifest.code, found.manifest.functional) == ("mycalc.py:Spoilt", None)
    assert json.loads(found.manifest.calculator.options) == {}
    atoms = found.frames[3].copy()
    atoms.calc = EMT()
    # EMT sums in the order of its neighbour list, which it keeps from frame to frame.
    assert found.frames[3].get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
    # Never held against DFT: said by the check, which otherwise finds a sound set.
    findings = [finding for finding in check_set(folder).findings if finding.kind == "labels"]
    assert len(findings) == 1 and "never held against DFT" in findings[0].message

    # Killed before the last frames joined the set: what is in the work folder is not computed again.
    for name in ("frames.extxyz", "manifest.toml"):
        (folder / name).unlink()
    (work / "a-03" / "result.extxyz").unlink()
    # What is not what was written is computed again, and so is one whose record is damaged.
    changed, record = work / "a-05" / "result.extxyz", work / "a-06" / "record.json"
    changed.write_text(changed.read_text().replace("0.0", "0.1", 1))
    record.write_text(record.read_text().replace("a", "b", 1))
    # A result of an earlier version has no record.
    (work / "a-07" / "record.json").unlink()
    assert outlook(load_plan(folder), folder, work, 1, 1).finished == 5
    assert sorted(run_set(folder, work=work).done) == ["a-03", "a-05", "a-06"]

    # Labels of two models do not mix.
    plan_of(own, copper, '{ how = "magmom" }')
    with pytest.raises(ConfigError, match="labels of two settings do not mix"):
        run_set(folder, work=work)


def test_a_manifest_of_cp2k_without_frames_gives_way_to_the_labels_and_its_split_stays(
    own: Path, copper: Atoms
) -> None:
    folder = plan_of(own, copper)
    written = cp2k_manifest(load_plan(folder), {"O"}, "the version that you run")
    save_manifest(folder, written.model_copy(update={"split": Split(held_out_families=("a",), reason="why")}))
    run_set(folder, work=own / "work")
    manifest = load_manifest(folder)
    assert (manifest.code, manifest.pseudopotentials) == ("mycalc.py:Spoilt", {})
    assert manifest.split.held_out_families == ("a",)


def test_a_manifest_of_a_code_that_runs_elsewhere_is_not_written_over(own: Path, copper: Atoms) -> None:
    folder = plan_of(own, copper)
    (folder / "manifest.toml").write_text(manifest_text("cu", "a test", "vasp", ["Cu"]))
    before = (folder / "manifest.toml").read_bytes()
    with pytest.raises(ConfigError, match="labels of two settings do not mix"):
        run_set(folder, work=own / "work")
    assert (folder / "manifest.toml").read_bytes() == before


def test_frames_on_which_a_calculator_raises_are_named_and_the_others_stay(own: Path, copper: Atoms) -> None:
    folder = plan_of(own, copper, '{ how = "midway" }')
    # The check of its units takes eight evaluations: the fifth frame is the thirteenth.
    summary = run_set(folder, work=own / "work")
    assert set(summary.done) == {"a-00", "a-01", "a-02", "a-03"}
    assert set(summary.failed) == {"a-04", "a-05", "a-06", "a-07"}
    assert all("RuntimeError: CUDA out of memory" in why and "\n" not in why for why in summary.failed.values())
    assert len(load_set(folder).frames) == 4
    # Started again it goes on with those that are missing.
    assert set(run_set(folder, work=own / "work").done) == {"a-04", "a-05", "a-06", "a-07"}


def test_units_that_do_not_hang_together_leave_no_set(own: Path, copper: Atoms) -> None:
    folder = plan_of(own, copper, '{ how = "per ion" }')
    with pytest.raises(ReferenceDataError, match="energies per ion"):
        run_set(folder, work=own / "work")
    assert not (folder / "frames.extxyz").exists()


def test_a_calculator_that_ends_its_process_is_one_line(own: Path, copper: Atoms) -> None:
    folder = plan_of(own, copper)
    (folder / "mycalc.py").write_text("import os\ndef Spoilt():\n    os._exit(3)\n")
    with pytest.raises(EngineError, match="its process died"):
        run_set(folder, work=own / "work")


@pytest.mark.slow
def test_a_universal_model_labels_oxides(own: Path) -> None:
    pytest.importorskip("sevenn")
    settings = CalculatorSettings(
        make="sevenn.calculator:SevenNetCalculator", options={"model": "7net-0", "device": "cpu"}
    )
    made = LabelCalculator(settings, own)
    assert any(name.endswith(".pth") for name in made.record.files)
    oxide = bulk("MgO", "rocksalt", a=4.25, cubic=True)
    oxide.rattle(0.02, seed=1)
    check_units(oxide, evaluated_by(made), made.name)
    assert abs(made.labelled(oxide, "cu").get_forces()).max() < 3.0
