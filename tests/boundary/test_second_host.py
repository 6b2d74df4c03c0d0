"""A boundary of another host: nothing but its file says what it is made of."""

from pathlib import Path

import numpy as np
import pytest

from dopantfit import Potential
from dopantfit.boundary.build.amorphous import ligands
from dopantfit.boundary.build.config import load_build, preset_text
from dopantfit.boundary.build.health import checkup
from dopantfit.boundary.build.start import composition, initial_boundary
from dopantfit.boundary.dope.config import load_dope
from dopantfit.boundary.dope.sites import doped
from dopantfit.boundary.profile.domains import Domains, Span, layer_order
from dopantfit.boundary.swap.config import load_swap
from dopantfit.errors import ConfigError
from dopantfit.structures import check_distances, total_formal_charge
from dopantfit.structures.hosts import Polyanion
from dopantfit.structures.polyanions import polyanion_of
from dopantfit.validate.settings import load_settings

HOSTS = Path(__file__).parents[1] / "data" / "hosts"
MADE_UP = Potential.load(HOSTS / "made-up.toml")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nasicon")
    (folder / "host.toml").write_text((HOSTS / "nasicon.toml").read_text())
    (folder / "boundary.toml").write_text('host = "host.toml"\n' + preset_text("tiny"))
    return load_build(folder)


@pytest.fixture(scope="module")
def start(config):
    return initial_boundary(config, MADE_UP, np.random.default_rng(1))


def test_its_start_holds_its_own_ions_whole_and_neutral(start, config):
    host = config.host
    assert set(composition(start)) == {"Na", "O", "P", "Sc", "Zr"}
    assert total_formal_charge(start, host.charges) == 0
    check_distances(start, host.charges)
    owner, _ = polyanion_of(start, host.polyanion)
    centres = np.array(start.get_chemical_symbols()) == "P"
    np.testing.assert_array_equal(np.bincount(owner[owner >= 0], minlength=len(start))[centres], 4)
    assert start.cell.lengths()[:2] == pytest.approx([12.6, 12.6])
    assert checkup(start, MADE_UP, host).four_coordinated == 1.0


def test_its_framework_shows_where_the_grain_is(start, config):
    order = layer_order(start, config.host)
    labels = np.array(start.get_chemical_symbols())
    framework = np.flatnonzero(np.isin(labels, config.host.framework))
    assert len(order) == len(framework)
    of_grain = framework < start.info["grain_ions"]
    # A perfect crystal has 1, random places have 0 on average.
    assert order[of_grain].mean() > 0.9 and abs(order[~of_grain].mean()) < 0.3


def test_its_doping_replaces_its_framework_and_brings_its_mobile_ion(start, tmp_path):
    (tmp_path / "host.toml").write_text((HOSTS / "nasicon.toml").read_text())
    (tmp_path / "dope.toml").write_text('host = "host.toml"\ndopant = "Mg"\nconcentrations = [4.0]\nmeasure = "mean"\n')
    config = load_dope(tmp_path)
    assert (config.mobile, config.replaces) == ("Na", ("Zr", "Sc"))
    length = float(start.cell[2, 2])
    gap, none = Span(8.5, length - 8.5, length), np.zeros(0)
    domains = Domains({"grain": (), "complexion": (), "amorphous": (gap,)}, 1.0, 0.0, none, none)
    atoms, doping = doped(start, domains, MADE_UP, config, 1, 1)
    assert doping.extra == 2 * doping.replaced["Zr"] + doping.replaced["Sc"]
    before, after = composition(start), composition(atoms)
    assert after["Na"] - before["Na"] == doping.extra > 0
    assert after["Mg"] == sum(doping.replaced.values())


def test_its_exchanges_are_with_its_cations(tmp_path):
    (tmp_path / "host.toml").write_text((HOSTS / "nasicon.toml").read_text())
    text = 'host = "host.toml"\ndopant = "Mg"\n[layers]\ninterface = 70.0\ninto_grain = 1\nreservoir = 40.0\n'
    (tmp_path / "swap.toml").write_text(text)
    assert load_swap(tmp_path / "swap.toml").burst.partners == ("Na", "Sc", "Zr")


def test_its_gates_have_its_runs_and_thresholds(tmp_path):
    (tmp_path / "host.toml").write_text((HOSTS / "nasicon.toml").read_text())
    (tmp_path / "validate.toml").write_text('host = "host.toml"\n[hot]\nx = 0.5\ny = 0.1\ntemperature = 1000.0\n')
    settings = load_settings(tmp_path)
    assert (settings.host.mobile, settings.hot.temperature, settings.mobility.hop_length) == ("Na", 1000.0, 3.6)
    (tmp_path / "validate.toml").write_text('[host]\nprototype = "LiTi2P3O12"\n')
    with pytest.raises(ConfigError, match=r"validate.toml: \[host\] is a file of its own now; write host = "):
        load_settings(tmp_path)


def test_a_potential_without_its_ions_is_refused_before_any_work(config):
    with pytest.raises(ConfigError, match="potential latp-2021: has no Na, an ion of the host nasicon"):
        initial_boundary(config, Potential.load("latp-2021"), np.random.default_rng(1))


@pytest.mark.parametrize(("count", "angle"), [(2, 180.0), (3, 120.0), (4, 109.47122), (6, 90.0)])
def test_polyanions_are_regular(count, angle):
    around = ligands(Polyanion(centre="B", ligand="O", count=count, bond=1.4, reach=1.8))
    np.testing.assert_allclose(np.linalg.norm(around, axis=1), 1.4)
    cosines = np.clip(around @ around.T / 1.4**2, -1.0, 1.0)
    nearest = np.degrees(np.arccos(np.sort(cosines, axis=1)[:, -2]))
    np.testing.assert_allclose(nearest, angle, atol=1e-4)


def test_polyanions_of_five_are_refused():
    with pytest.raises(ConfigError, match="PF5: units of 5 ligands cannot be placed"):
        ligands(Polyanion(centre="P", ligand="F", count=5, bond=1.5, reach=2.0))
