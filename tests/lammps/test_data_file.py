"""Structures as data files: ids, molecules, bonds, full precision, and what is refused."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.lammps import write_data
from dopantfit.lammps.data_file import map_ions


def section(text: str, name: str) -> list[list[str]]:
    """Rows of one section of a data file."""
    body = text.split(f"\n{name}", 1)[1].split("\n\n", 2)[1]
    return [line.split() for line in body.splitlines()]


def test_core_and_shell_of_an_ion_share_a_molecule_and_a_bond(tmp_path, shaken, polarisable):
    ions = write_data(tmp_path / "system.data", shaken, polarisable)
    text = (tmp_path / "system.data").read_text()
    sites = {int(row[0]): row for row in section(text, "Atoms")}
    assert len(sites) == 12
    for i, symbol in enumerate(shaken.get_chemical_symbols()):
        core, shell = int(ions.core_ids[i]), int(ions.shell_ids[i])
        assert (shell > 0) == (symbol == "O")
        if shell:
            assert sites[core][1] == sites[shell][1] == str(i + 1)
            assert [str(core), str(shell)] in [row[2:] for row in section(text, "Bonds")]
            assert float(sites[core][3]) + float(sites[shell][3]) == pytest.approx(-2.0, abs=1e-15)


def test_positions_come_back_to_the_last_bits(tmp_path, shaken, polarisable):
    shaken.rotate(37.0, (1, 2, 3), rotate_cell=True)
    shaken.positions[0] += 3 * shaken.cell[1]  # outside the cell: written as it is
    ions = write_data(tmp_path / "system.data", shaken, polarisable)
    rows = section((tmp_path / "system.data").read_text(), "Atoms")[:8]
    read = ions.to_atoms(np.array([row[4:7] for row in rows], dtype=float))
    # Two rotations of coordinates up to 15 Å: a few units in the last place.
    np.testing.assert_allclose(read, shaken.positions, rtol=0, atol=1e-13)


def test_the_cell_given_to_lammps_spans_the_same_lattice_and_comes_back(rocksalt, ionic):
    generator = np.random.default_rng(3)
    for _ in range(20):
        cell = 4.2 * (np.eye(3) + generator.normal(0, 0.4, (3, 3))) @ np.linalg.qr(generator.normal(size=(3, 3)))[0]
        cell[2] += 3 * cell[0] - 2 * cell[1]  # tilts that LAMMPS would refuse
        rocksalt.set_cell(cell, scale_atoms=True)
        ions = map_ions(rocksalt, ionic)
        a, b, c = ions.cell
        assert np.allclose(np.triu(ions.cell, 1), 0.0)
        assert (np.diag(ions.cell) > 0).all()
        slack = 1e-9  # round-off of a tilt of exactly one half
        assert abs(b[0]) <= (0.5 + slack) * a[0] and abs(c[0]) <= (0.5 + slack) * a[0]
        assert abs(c[1]) <= (0.5 + slack) * b[1]
        np.testing.assert_allclose(ions.cell_to_atoms(ions.cell), cell, rtol=0, atol=1e-11)
        assert abs(abs(np.linalg.det(ions.reduction)) - 1.0) < 1e-9


def test_positions_that_are_not_finite_are_refused(tmp_path, rocksalt, polarisable):
    shells = rocksalt.positions.copy()
    shells[5, 1] = np.inf
    with pytest.raises(ConfigError, match="shell position of ion 5"):
        write_data(tmp_path / "x.data", rocksalt, polarisable, shells)
    rocksalt.positions[3, 2] = np.nan
    with pytest.raises(ConfigError, match="position of ion 3"):
        write_data(tmp_path / "x.data", rocksalt, polarisable)


def test_shell_positions_of_another_structure_are_refused(tmp_path, rocksalt, polarisable):
    with pytest.raises(ConfigError, match=r"shape \(7, 3\); expected \(8, 3\)"):
        write_data(tmp_path / "x.data", rocksalt, polarisable, rocksalt.positions[:7])


def test_a_charged_cell_is_refused_with_its_charge(rocksalt, ionic):
    del rocksalt[1]  # an O
    with pytest.raises(ConfigError, match=r"net charge of \+2 e"):
        map_ions(rocksalt, ionic)


def test_species_without_parameters_and_open_boundaries_are_refused(rocksalt, ionic):
    rocksalt.pbc = (True, True, False)
    with pytest.raises(ConfigError, match="periodic"):
        map_ions(rocksalt, ionic)
    rocksalt.pbc = True
    rocksalt.symbols[0] = "Ca"
    with pytest.raises(ConfigError, match="'Ca' has no parameters"):
        map_ions(rocksalt, ionic)


def test_a_species_array_overrides_the_chemical_symbols(rocksalt, ionic):
    rocksalt.set_array("species", np.array(["Mg", "O_b"] * 4))
    with pytest.raises(ConfigError, match="'O_b'"):
        map_ions(rocksalt, ionic)
