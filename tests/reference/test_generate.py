from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit.errors import ConfigError, ReferenceDataError
from dopantfit.reference.frames import dump_frames, read_frames
from dopantfit.reference.generate import Generated, configurations, near_duplicates, write_configurations
from dopantfit.reference.plan import parse_plan
from dopantfit.reference.relaxation import largest_force, next_positions

HEAD = 'set = "X"\npurpose = "a test"\n'
NOTHING: dict[str, Atoms] = {}


def made(text: str, tmp_path: Path, results: dict[str, Atoms] = NOTHING) -> Generated:
    return configurations(parse_plan(HEAD + text), tmp_path, results, tmp_path / "work")


def item(kind: str, rest: str, start: str = '{ prototype = "MgO" }', name: str = "a") -> str:
    return f'[[configurations]]\nkind = "{kind}"\nname = "{name}"\nstart = {start}\n{rest}\n'


def harmonic(atoms: Atoms, minimum: np.ndarray, stiffness: np.ndarray) -> Atoms:
    """Return the frame that ions bound to their sites by springs [eV/Å²] would have."""
    frame = atoms.copy()
    moved = atoms.positions - minimum
    forces = -stiffness[:, None] * moved
    energy = float(0.5 * (stiffness[:, None] * moved**2).sum())
    frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces)
    return frame


def test_volumes_scale_lengths_and_keep_fractional_coordinates(tmp_path: Path) -> None:
    small, large = (c.atoms for c in made(item("volumes", "scales = [0.98, 1.02]"), tmp_path).configurations)
    # 1e-13: rounding of a product.
    assert large.cell.volume / small.cell.volume == pytest.approx((1.02 / 0.98) ** 3, rel=1e-13)
    np.testing.assert_allclose(small.get_scaled_positions(), large.get_scaled_positions(), atol=1e-13)
    assert small.info["strain"] == pytest.approx(-0.02, abs=1e-13)


def test_a_strain_is_the_symmetric_tensor_that_was_asked_for(tmp_path: Path) -> None:
    text = item("strain", "strains = [[0.01, 0.0, -0.02, 0.03, 0.0, 0.0]]")
    (strained,) = made(text, tmp_path).configurations
    (plain,) = made(item("volumes", "scales = [1.0]"), tmp_path).configurations
    deformation = np.linalg.solve(plain.atoms.cell.array, strained.atoms.cell.array) - np.eye(3)
    expected = [[0.01, 0, 0], [0, 0, 0.03], [0, 0.03, -0.02]]
    np.testing.assert_allclose(deformation, expected, atol=1e-14)


def test_rattled_ions_have_the_spread_that_was_asked_for_and_no_net_shift(tmp_path: Path) -> None:
    start = '{ prototype = "MgO", repeat = [4, 4, 4] }'
    (rattled,) = made(item("rattle", "sigmas = [0.05]", start), tmp_path).configurations
    (plain,) = made(item("volumes", "scales = [1.0]", start), tmp_path).configurations
    moves = rattled.atoms.positions - plain.atoms.positions
    # 1536 components of a normal distribution: its standard deviation is known to 1.8 %; four of those.
    assert moves.std() == pytest.approx(0.05, rel=0.08)
    np.testing.assert_allclose(moves.mean(axis=0), 0.0, atol=1e-15)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    def text(seed: int) -> str:
        start = (
            '{ prototype = "LiTi2P3O12", substitutions = '
            '[{ replaced = "Ti", dopant = "Mg", formal_charge = 2, count = 1 }] }'
        )
        plan = item("rattle", f"sigmas = [0.03]\nseed = {seed}", start)
        return dump_frames([c.atoms for c in made(plan, tmp_path).configurations])

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_the_primitive_cell_of_a_prototype_is_a_third_of_the_hexagonal_one(tmp_path: Path) -> None:
    start = '{ prototype = "LiTi2P3O12", primitive = true }'
    (primitive,) = made(item("volumes", "scales = [1.0]", start), tmp_path).configurations
    (hexagonal,) = made(item("volumes", "scales = [1.0]", '{ prototype = "LiTi2P3O12" }'), tmp_path).configurations
    assert 3 * len(primitive.atoms) == len(hexagonal.atoms) == 108
    assert 3 * primitive.atoms.cell.volume == pytest.approx(hexagonal.atoms.cell.volume, rel=1e-12)


def test_a_substituted_cell_is_neutral(tmp_path: Path) -> None:
    start = (
        '{ prototype = "LiTi2P3O12", substitutions = [{ replaced = "Ti", dopant = "Al", formal_charge = 3, '
        'count = 1 }, { replaced = "Ti", dopant = "Mg", formal_charge = 2, count = 3 }] }'
    )
    (c,) = made(item("recompute", "", start), tmp_path).configurations
    assert c.frame_id == "a"
    assert c.atoms.info["composition"] == "AlLi13Mg3Ti8O72P18"


def test_a_relaxation_gives_one_step_at_a_time_and_finds_the_minimum_of_springs(tmp_path: Path) -> None:
    text = item("relaxation", "steps = 40\nforce_tolerance = 1e-6", '{ prototype = "MgO", repeat = [2, 1, 1] }')
    text += item("rattle", "sigmas = [0.02]", '{ end_of = "a" }', "b")
    results: dict[str, Atoms] = {}
    start = made(text, tmp_path).configurations[0].atoms
    rng = np.random.default_rng(3)
    # No net displacement: a relaxation cannot see one.
    moves = rng.normal(scale=0.1, size=(len(start), 3))
    stiffness = np.full(len(start), 30.0)
    minimum = start.positions + moves - moves.mean(axis=0)
    for number in range(40):
        now = made(text, tmp_path, results)
        if not now.waiting:
            break
        assert len(now.configurations) == number + 1
        assert now.waiting == (f"b: waits for relaxation a, at step {number} of 40",)
        newest = now.configurations[-1].atoms
        results[newest.info["frame_id"]] = harmonic(newest, minimum, stiffness)
    assert largest_force(results[f"a-{number - 1:03d}"]) <= 1e-6
    # force / stiffness: how far from the minimum the tolerance lets it stop.
    np.testing.assert_allclose(results[f"a-{number - 1:03d}"].positions, minimum, atol=1e-6 / 30)
    rattled = now.configurations[-1].atoms
    assert rattled.info["family"] == "a", "what departs from a relaxation must not be split from it"


def test_a_step_of_a_relaxation_is_the_newton_step_of_its_force_constants() -> None:
    atoms = Atoms("PO", [[0, 0, 0], [1.5, 0, 0]], cell=[5, 5, 5], pbc=True)
    forces = np.array([[0.9, 0, 0], [-0.9, 0, 0]])
    atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=forces)
    moved = next_positions([atoms]) - atoms.positions
    # 90 and 50 eV/Å²: the force constants of P and O. Only the distance counts: there is no net displacement.
    np.testing.assert_allclose(moved[0, 0] - moved[1, 0], 0.9 / 90 + 0.9 / 50, rtol=1e-12)
    np.testing.assert_allclose(moved.sum(axis=0), 0.0, atol=1e-15)


def test_near_duplicates_are_named(tmp_path: Path) -> None:
    text = item("rattle", "sigmas = [1e-4, 0.05]") + item("volumes", "scales = [1.0]", name="b")
    frames = [c.atoms for c in made(text, tmp_path).configurations]
    ((one, other, distance),) = near_duplicates(frames, 0.02)
    assert (one, other) == ("a-00", "b-00")
    assert distance == pytest.approx(1e-4 * np.sqrt(3), rel=0.5)  # eight ions only


def test_written_configurations_read_back_to_the_same_floats(tmp_path: Path) -> None:
    (c,) = made(item("rattle", "sigmas = [0.05]"), tmp_path).configurations
    (path,) = write_configurations([c], tmp_path)
    (back,) = read_frames(path)
    assert (back.positions == c.atoms.positions).all()
    assert back.info == c.atoms.info


def test_a_finished_frame_of_another_geometry_is_refused(tmp_path: Path) -> None:
    (c,) = made(item("volumes", "scales = [1.0]"), tmp_path).configurations
    results = {"a-00": harmonic(c.atoms, c.atoms.positions, np.ones(len(c.atoms)))}
    made(item("volumes", "scales = [1.0]"), tmp_path, results)
    with pytest.raises(ReferenceDataError, match=r"frame a-00 was computed for another configuration"):
        made(item("volumes", "scales = [1.01]"), tmp_path, results)


def test_starts_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a: start\.file: .*nothing\.cif: cannot be read"):
        made(item("volumes", "scales = [1.0]", '{ file = "nothing.cif" }'), tmp_path)
    with pytest.raises(ConfigError, match=r"a: start\.prototype: 'Mg0' is no crystal prototype"):
        made(item("volumes", "scales = [1.0]", '{ prototype = "Mg0" }'), tmp_path)
    waiting = made(item("volumes", "scales = [1.0]", '{ frame = "x-00" }'), tmp_path).waiting
    assert waiting == ("a: waits for frame x-00",)


def test_a_structure_file_may_lack_nothing(tmp_path: Path) -> None:
    (tmp_path / "open.xyz").write_text("1\nno cell\nMg 0 0 0\n")
    with pytest.raises(ConfigError, match="is not periodic in three dimensions"):
        made(item("volumes", "scales = [1.0]", '{ file = "open.xyz" }'), tmp_path)
