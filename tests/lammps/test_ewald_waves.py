"""LAMMPS's Ewald sum in tilted cells: every wave that it sums has phases that it made."""

import os
import subprocess
import sys

import numpy as np
import pytest

from dopantfit.lammps.ewald_waves import sound_waves

#: Two charges, a cell whose longest waves lie along y, and one whose longest lie along z.
CHARGES = np.array([1.4, -1.4] * 21)
ALONG_Y = np.array([[5.02, 0.0, 0.0], [-0.12, 8.33, 0.0], [0.43, -0.08, 7.66]])
ALONG_Z = np.array([[5.02, 0.0, 0.0], [-0.12, 7.66, 0.0], [0.43, -0.08, 8.33]])

# What malloc hands out and takes back is filled with bytes that make doubles of 1e301: memory of an old process.
SCRIPT = """
import numpy as np
from dopantfit import Potential
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.structures import prototype

for seed in (5, 5):
    rng = np.random.default_rng(seed)
    atoms = prototype("Mg3P2O8")
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, 0.015, (3, 3))), scale_atoms=True)
    with InProcessLammps(atoms, Potential.load("latp-mg-2022")) as lammps:
        print(lammps.energy(), *lammps.stress())
"""


def test_energy_and_stress_do_not_depend_on_what_lay_in_memory():
    lines = []
    for filling in ("0", "129"):
        environment = {**os.environ, "MALLOC_PERTURB_": filling}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=True
        )
        lines += done.stdout.splitlines()
    values = np.array([[float(word) for word in line.split()] for line in lines])
    assert values.shape == (4, 7) and np.isfinite(values).all()
    np.testing.assert_allclose(values, values[:1].repeat(4, axis=0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("accuracy", [1e-5, 1e-8])
def test_no_wave_beyond_the_third_count_is_short_enough_to_be_summed(accuracy):
    waves = np.array(sound_waves(ALONG_Y, CHARGES, 9.0, accuracy))
    longest = (waves / ALONG_Y.diagonal()).max() * np.sqrt(1.00001)  # of what LAMMPS sums
    assert (waves[2] + 1) / ALONG_Y[2, 2] > longest


def test_counts_are_given_only_where_those_of_lammps_are_not_sound():
    assert sound_waves(ALONG_Y, CHARGES, 9.0, 1e-8) is not None
    assert sound_waves(ALONG_Z, CHARGES, 9.0, 1e-8) is None
    assert sound_waves(np.diag(ALONG_Y.diagonal()), CHARGES, 9.0, 1e-8) is None
