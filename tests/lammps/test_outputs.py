"""Logs and dumps are read exactly, and a damaged one is never taken for a result."""

import numpy as np
import pytest

from dopantfit.errors import EngineError
from dopantfit.lammps.outputs import read_dump, read_thermo

LOG = """LAMMPS (22 Jul 2025)
   Step          Temp          PotEng
         0   300           -10.5
WARNING: something
       100   301.5         -10.25
Loop time of 0.1 on 1 procs for 100 steps with 8 atoms
   Step          PotEng
       100  -10.25
Loop time of 0.1 on 1 procs for 0 steps with 8 atoms
"""

DUMP = """ITEM: TIMESTEP
250
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS xy xz yz pp pp pp
-2.5 5.5 -1
-0.5 4 -1.5
0 6 0.5
ITEM: ATOMS id element xu yu zu
2 O_b 7 0.1 -0.25
1 Mg 0.5 0.25 0.125
"""


def test_every_thermodynamic_table_is_read(tmp_path):
    path = tmp_path / "x.log"
    path.write_text(LOG)
    first, second = read_thermo(path)
    np.testing.assert_array_equal(first["Step"], [0, 100])
    np.testing.assert_array_equal(first["Temp"], [300, 301.5])
    np.testing.assert_array_equal(second["PotEng"], [-10.25])
    with pytest.raises(EngineError, match="no column 'Volume'; it has Step, Temp, PotEng"):
        first["Volume"]


@pytest.mark.parametrize("value", ["nan", "-nan", "inf"])
def test_thermodynamic_values_that_are_not_finite_stop_everything(tmp_path, value):
    path = tmp_path / "x.log"
    path.write_text(LOG.replace("301.5", value))
    with pytest.raises(EngineError, match=r"x\.log: Temp is .* at step 100"):
        read_thermo(path)


def test_lost_atoms_are_an_error_even_where_lammps_only_warns(tmp_path):
    path = tmp_path / "x.log"
    path.write_text(LOG.replace("something", "Lost atoms: original 8 current 7"))
    with pytest.raises(EngineError, match="original 8 current 7"):
        read_thermo(path)


def test_a_dump_gives_ions_by_id_with_labels_unwrapped_positions_and_tilted_cell(tmp_path):
    path = tmp_path / "x.dump"
    path.write_text(DUMP)
    (frame,) = read_dump(path)
    assert frame.info["step"] == 250
    assert list(frame.symbols) == ["Mg", "O"] and list(frame.arrays["species"]) == ["Mg", "O_b"]
    np.testing.assert_array_equal(frame.positions, [[0.5, 0.25, 0.125], [7, 0.1, -0.25]])
    # Bounds are those around the tilted cell: x from -2.5 = xy + xz to 5.5, y from -0.5 to 4 = 3.5 + yz.
    np.testing.assert_allclose(frame.cell, [[5.5, 0, 0], [-1, 4.0, 0], [-1.5, 0.5, 6]], atol=1e-15)


@pytest.mark.parametrize("keep", [10, 40, 100, len(DUMP) - 25, len(DUMP) - 2, len(DUMP) - 1])
def test_a_dump_that_was_cut_short_is_refused(tmp_path, keep):
    path = tmp_path / "x.dump"
    path.write_text(DUMP + DUMP[:keep])
    with pytest.raises(EngineError, match=r"x\.dump: the dump is damaged or cut short"):
        read_dump(path)


@pytest.mark.parametrize(("old", "new"), [("0.125", "nan"), ("xu yu zu", "x y z"), ("element", "type")])
def test_a_dump_without_what_is_needed_is_refused(tmp_path, old, new):
    path = tmp_path / "x.dump"
    path.write_text(DUMP.replace(old, new))
    with pytest.raises(EngineError, match="damaged"):
        read_dump(path)
