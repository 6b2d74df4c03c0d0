"""The path of minimum energy: barriers that are known, states of rest on the way, who moves, and what is no path."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixedPlane
from ase.optimize import BFGS

from dopantfit import Potential, ShellModel
from dopantfit.errors import CollapseError, ConvergenceError
from dopantfit.structures import load_host
from dopantfit.validate.migration import MigrationPath, dopant_sites, migration_path, relaxed_crystal, with_dopant
from dopantfit.validate.minimum_path import find_barrier
from observed import Observed

LENGTH, HEIGHT, TRAP = 4.0, 0.4, 0.2
#: Two mobile ions a period apart, and a framework.
PLACES = np.array([[2.0, 5.0, 5.0], [6.0, 5.0, 5.0], *([12.0, 1.0 + 0.7 * number, 5.0] for number in range(12))])


class Bumpy(Calculator):
    """Mobile ions roll over a periodic landscape along x, held in y and z; everything else is bound to its place."""

    implemented_properties = ("energy", "forces")
    height, trap, coupling, rolling = HEIGHT, 0.0, 0.0, 1

    def calculate(self, atoms=None, properties=None, system_changes=None):
        """Energies h (1 - c²) - d/2 (1 - c) with c = cos 2πx/L with a trap at half of the way, else h/2 (1 - c)."""
        super().calculate(atoms, properties, system_changes or [])
        place = self.atoms.positions - PLACES
        x, wave = place[: self.rolling, 0], 2 * np.pi / LENGTH
        cosine, sine = np.cos(wave * x), np.sin(wave * x)
        rest = place.copy()
        rest[: self.rolling, 0] = 0.0
        force = -rest
        if self.trap:
            energies = self.height * (1 - cosine**2) - 0.5 * self.trap * (1 - cosine)
            force[: self.rolling, 0] = -wave * sine * (2 * self.height * cosine - 0.5 * self.trap)
        else:
            energies = 0.5 * self.height * (1 - cosine)
            force[: self.rolling, 0] = -0.5 * self.height * wave * sine
        gap = place[0, 0] - place[1, 0]
        force[0, 0] -= self.coupling * gap
        force[1, 0] += self.coupling * gap
        energy = energies.sum() + 0.5 * (rest**2).sum() + 0.5 * self.coupling * gap**2
        self.results = {"energy": float(energy), "forces": force}


class Trap(Bumpy):
    """With a state of rest at the empty site."""

    height, trap = 0.3, TRAP


class Train(Bumpy):
    """The second ion is on a spring to the first one, and has the same bumps under it."""

    coupling, rolling = 2.0, 2


class Valley(Bumpy):
    """The empty site is the only place of rest; sites are so sharp that 0.002 Å off them is more than 0.01 eV/Å."""

    height = -10 * HEIGHT


@pytest.fixture
def path():
    start = Atoms("Li2O12", positions=PLACES, cell=[30.0, 10.0, 10.0], pbc=True)
    return MigrationPath(start, 0, np.array([2.0, 0.5, 0.0]), np.array([LENGTH, 0.0, 0.0]))


def test_the_barrier_of_a_known_landscape_is_found_although_the_path_starts_off_it(path):
    found = find_barrier(path, Bumpy)
    # Forces across the band of 0.03 eV/Å against springs of 1 eV/Å² are 0.5 meV, the cubic curve has the rest.
    assert found.forward == pytest.approx(HEIGHT, abs=3e-3) and found.backward == pytest.approx(HEIGHT, abs=3e-3)
    assert found.distances[-1] == pytest.approx(LENGTH, abs=0.05)
    assert str(found.mechanism) == "one ion, one saddle" and found.rests == (0, len(found.energies) - 1)


def test_a_hop_of_more_than_half_a_cell_is_followed_and_not_taken_for_its_nearest_image(path):
    path.start.set_cell([1.75 * LENGTH, 10.0, 10.0])
    assert str(find_barrier(path, Bumpy).mechanism) == "one ion, one saddle"


def test_a_path_over_a_state_of_rest_is_two_steps_and_the_barrier_is_the_climb_out_of_it(path):
    found = find_barrier(path, Trap)
    # The saddles are at cos = d/4h, h - d/2 + d²/16h above the ends; the state between lies d below these.
    climb = Trap.height + TRAP / 2 + TRAP**2 / (16 * Trap.height)
    assert found.forward == pytest.approx(climb, abs=3e-3) and found.backward == pytest.approx(climb, abs=3e-3)
    assert found.energies[found.rests[1]] == pytest.approx(-TRAP, abs=1e-3)
    assert str(found.mechanism) == "one ion, 2 saddles"


def test_an_ion_that_takes_another_along_is_told_and_their_barriers_add(path):
    found = find_barrier(path, Train)
    # Both go over their bumps at once: a spring of 2 eV/Å² is stiffer than the bumps, h/2 (2π/L)² = 0.5 eV/Å².
    assert found.forward == pytest.approx(2 * HEIGHT, abs=6e-3)
    assert str(found.mechanism) == "2 ions, 2 at a time, one saddle"


def test_a_site_that_holds_no_ion_makes_no_hop(path):
    with pytest.raises(ConvergenceError, match="rests at neither of the two sites"):
        find_barrier(path, Valley)


def test_a_band_whose_shells_collapse_goes_on_with_shorter_steps(path):
    left = []

    class Fragile(Bumpy):
        """Collapses once, some evaluations into the band."""

        def calculate(self, *arguments, **keywords):
            if left and left.pop() == "now":
                raise CollapseError("structure: the shell of ion 2 (O) moves more than 0.5 Å from its core")
            super().calculate(*arguments, **keywords)

    class Breaking(Observed):
        """Lets the shells collapse once the band relaxes."""

        def show(self, work, progress):
            super().show(work, progress)
            if progress.text == "relaxing the band":
                left.extend(["now", *["later"] * 20])

    observer = Breaking()
    assert find_barrier(path, Fragile, observer).forward == pytest.approx(HEIGHT, abs=3e-3)
    assert not left
    assert [done for _, _, done in observer.told] == [0, 1, 2]


def test_a_path_begun_from_another_calculators_in_another_cell_is_its_own(path):
    class Higher(Bumpy):
        """A reference calculator."""

        height = 0.6

    cell = path.start.copy()
    cell.set_cell([30.3, 10.1, 10.1], scale_atoms=False)
    begun = find_barrier(MigrationPath(cell, path.ion, path.via, path.end), Bumpy).images
    assert find_barrier(path, Higher, begun=begun).forward == pytest.approx(0.6, abs=3e-3)


def make():
    return ShellModel(Potential.load("latp-mg-2022"), background=True)


@pytest.fixture(scope="module")
def relaxed_path():
    return migration_path(relaxed_crystal(load_host("latp").conventional, make))


@pytest.fixture(scope="module")
def host_barrier(relaxed_path):
    return find_barrier(relaxed_path, make)


@pytest.mark.slow
def test_a_symmetric_path_has_equal_ends_and_is_the_same_there_and_back(host_barrier):
    # Forces of 0.01 eV/Å left on the ends are worth less than a meV.
    assert host_barrier.energies[-1] == pytest.approx(0.0, abs=2e-3)
    assert host_barrier.forward == pytest.approx(host_barrier.backward, abs=2e-3)


@pytest.mark.slow
def test_the_barrier_is_the_top_of_a_dense_constrained_scan(relaxed_path, host_barrier):
    """The ion held in planes across the line from site to site, everything else at rest."""
    normal = relaxed_path.end / np.linalg.norm(relaxed_path.end)
    atoms, energies = relaxed_path.at(0.5), []
    atoms.calc = make()
    for part in np.linspace(0.0, 0.12, 5):
        atoms.set_constraint()
        atoms.positions[relaxed_path.ion] += (part > 0.0) * 0.03 * relaxed_path.end
        atoms.set_constraint(FixedPlane(relaxed_path.ion, normal))
        assert BFGS(atoms, logfile=None).run(fmax=0.01, steps=300)
        energies.append(atoms.get_potential_energy())
    start = relaxed_path.at(0.0)
    start.calc = make()
    assert BFGS(start, logfile=None).run(fmax=0.01, steps=300)
    # A band of 0.03 eV/Å, and a cubic curve over images 0.9 Å apart: 0.02 eV.
    assert max(energies) - start.get_potential_energy() == pytest.approx(host_barrier.forward, abs=0.02)


@pytest.mark.slow
def test_far_from_a_dopant_a_hop_is_nearer_to_that_of_the_host_than_beside_it(relaxed_path, host_barrier):
    sites = dopant_sites(relaxed_path, "Ti")
    places = next(iter(sites.near.values())), sites.far
    near, far = (find_barrier(with_dopant(relaxed_path, one, "Mg"), make) for one in places)
    # There and back together: the pull of a dopant that nothing balances, uphill one way, is downhill the other.
    mean = [0.5 * (one.forward + one.backward) - host_barrier.forward for one in (near, far)]
    assert abs(mean[1]) < abs(mean[0])
