"""Where tasks run changes nothing about what comes out."""

import json
import socket
import textwrap

import pytest

from dopantfit.errors import ConfigError
from dopantfit.workflow.driver import run_graph
from dopantfit.workflow.pool import local_pool, site_pool
from dopantfit.workflow.site import Site, load_site
from dopantfit.workflow.work import Resources

TABLE = "table/table.csv"


def write(path, text):
    path.write_text(textwrap.dedent(text))
    return path


def test_every_key_of_a_site_file_is_read(tmp_path):
    path = write(
        tmp_path / "site.toml",
        """
        provider = "slurm"
        workers_per_node = 16
        ranks = 4
        nodes_per_block = 2
        max_blocks = 3
        walltime = "12:00:00"
        partition = "long"
        account = "chem"
        worker_init = "source .venv/bin/activate"
        launcher = "srun -n {ranks} lmp"
        """,
    )
    site = load_site(path)
    assert site.slots == 96
    assert site.resources == Resources("srun -n {ranks} lmp", 4)
    assert (site.partition, site.account, site.walltime) == ("long", "chem", "12:00:00")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("provider = 'slrum'", "provider"),
        ("cores = 4", "cores is no known key"),
        ("workers_per_node = 0", "workers_per_node"),
        ("workers_per_node = '2'", "workers_per_node"),
        ("queue = 'x'", "queue belongs to provider pbs, not local"),
        ("provider = 'kubernetes'", "needs image"),
        ("walltime = 'long'", "walltime"),
        ("provider = ", "not valid TOML"),
    ],
)
def test_a_site_file_that_cannot_be_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_site(write(tmp_path / "site.toml", text))
    assert str(tmp_path / "site.toml") in str(caught.value)


@pytest.mark.parametrize("launcher", ["srun -n {n} lmp", "srun {ranks", "{0} lmp", "", "lmp 'x", "{ranks.x} lmp"])
def test_a_launcher_that_cannot_be_read_is_refused_with_the_file(tmp_path, launcher):
    with pytest.raises(ConfigError, match="launcher") as caught:
        load_site(write(tmp_path / "site.toml", f"launcher = {json.dumps(launcher)}"))
    assert str(tmp_path / "site.toml") in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("provider = 'slurm'", 'provider = "slurm" needs sbatch, which is not on PATH'),
        ("provider = 'pbs'", 'provider = "pbs" needs qsub'),
        ("address = 'no.such.host.invalid'", "address = 'no.such.host.invalid' is no address of a host"),
        ("address = 'a..b'", "address = 'a..b' is no address of a host"),
    ],
)
def test_what_a_site_lacks_is_said_before_any_task(tmp_path, monkeypatch, text, message):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = write(tmp_path / "site.toml", text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_site(path).check(str(path))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_workers_connect_to_one_interface_and_local_ones_to_none_of_the_network(monkeypatch):
    assert Site().address_here() == "127.0.0.1"
    assert Site(provider="pbs", address="192.0.2.7").address_here() == "192.0.2.7"

    def named(*addresses):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (one, 0)) for one in addresses])

    named("127.0.1.1", "192.0.2.9")
    assert Site(provider="pbs").address_here() == "192.0.2.9"
    named("127.0.1.1")
    with pytest.raises(ConfigError, match="here, which no other host reaches"):
        Site(provider="pbs").address_here()


def test_connections_of_workers_are_encrypted_and_bound_to_one_interface(tmp_path):
    pytest.importorskip("parsl", reason="Parsl is not installed")
    from dopantfit.workflow.parsl_site import workers_of

    workers = workers_of(Site())
    assert workers.encrypted and workers.address == "127.0.0.1" and workers.loopback_address == "127.0.0.1"


def test_a_missing_site_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="check the path"):
        load_site(tmp_path / "none.toml")


def table_of(pool, folder):
    import toy

    folder.mkdir()
    summary = run_graph(toy.toy_graph(), folder, pool, Resources())
    assert not summary.failed
    return (folder / TABLE).read_bytes()


@pytest.fixture(scope="module")
def local_table(tmp_path_factory):
    return table_of(local_pool(1), tmp_path_factory.mktemp("local") / "run")


# Parsl forks and leaves sockets to the collector; neither is ours to mend.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_two_workers_of_parsl_make_the_same_tables(tmp_path, local_table):
    pytest.importorskip("parsl", reason="Parsl is not installed")
    pool = site_pool(Site(workers_per_node=2), tmp_path / "parsl")
    assert table_of(pool, tmp_path / "run") == local_table
