"""Which images there are, what each is made of, and the key that names that content.

An image's key is a hash of everything that its bytes depend on, so an archive with the right key
need not be built again, and a changed input can never be served from an old archive.
"""

import hashlib
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cluster.errors import ClusterError
from cluster.images.archive import ImageConfig
from cluster.images.carve import Cut

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
POSTGRES_VERSION = 17
POSTGRES_ID = 999

# Every module that shapes a root file system takes part in its key.
_MAKERS = ("archive.py", "carve.py", "debian.py")
_LICENSES = {"org.opencontainers.image.licenses": "see /usr/share/doc/*/copyright"}


class Digest(Protocol):
    """What takes bytes in."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes in."""
        ...


@dataclass(frozen=True)
class Root:
    """An image made of Debian packages alone; with `cut` None the system is kept whole."""

    key: str
    image: str
    packages: Sequence[str]
    config: ImageConfig
    cut: Cut | None = None
    origin: str = ""
    """The image that this one stands in for, where that can be pulled."""


@dataclass(frozen=True)
class Program:
    """An image made by a Dockerfile of the checkout, from `inputs`."""

    key: str
    image: str
    dockerfile: str
    inputs: Sequence[str]


@dataclass(frozen=True)
class Base:
    """The pair of images under the programs: one to build in, one to ship."""

    build: Root
    final: Root


@dataclass(frozen=True)
class Image:
    """A built image: its name in a pod spec, its archive and its identity (`sha256:...`)."""

    name: str
    tar: Path
    digest: str
    built: bool = field(default=False, compare=False)


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEM = ("base-files", "base-passwd", "coreutils", "dash", "libc-bin", "netbase", "tzdata")
# Needed to install or configure, not to run.
_INSTALLERS = (
    "adduser", "debconf", "debianutils", "dpkg", "libc-l10n", "libllvm19", "libz3-4", "locales",
    "openssl",
    "perl", "perl-base", "postgresql-common", "sensible-utils", "ssl-cert", "tar", "ucf",
)  # fmt: skip
_PYTHON = Cut(packages=(*_SYSTEM, "ca-certificates", "libstdc++6", "python3"), without=_INSTALLERS)
_POSTGRES_BIN = f"usr/lib/postgresql/{POSTGRES_VERSION}/bin"
_POSTGRES_TOOLS = (
    "initdb", "pg_ctl", "pg_dump", "pg_dumpall", "pg_isready", "pg_restore", "postgres", "psql",
)  # fmt: skip
_POSTGRES_USERS = (
    "root:x:0:0:root:/root:/usr/sbin/nologin\n"
    f"postgres:x:{POSTGRES_ID}:{POSTGRES_ID}:PostgreSQL:/var/lib/postgresql:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
)
_POSTGRES_GROUPS = f"root:x:0:\npostgres:x:{POSTGRES_ID}:\nnogroup:x:65534:\n"


def _postgres_cut() -> Cut:
    return Cut(
        packages=(*_SYSTEM, "postgresql-17", "postgresql-client-17", "sed"),
        without=_INSTALLERS,
        # Just-in-time compilation would bring a compiler of 130 MB along.
        drop=("*/llvmjit*", f"usr/lib/postgresql/{POSTGRES_VERSION}/lib/bitcode/*"),
        files={
            "usr/local/bin/postgres-entrypoint": (HERE / "postgres/entrypoint.sh").read_bytes(),
            "etc/passwd": _POSTGRES_USERS.encode(),
            "etc/group": _POSTGRES_GROUPS.encode(),
        },
        links={f"usr/local/bin/{tool}": f"/{_POSTGRES_BIN}/{tool}" for tool in _POSTGRES_TOOLS},
        folders={
            "var/lib/postgresql": (POSTGRES_ID, 0o755),
            "var/lib/postgresql/data": (POSTGRES_ID, 0o700),
            "run/postgresql": (POSTGRES_ID, 0o755),
            "tmp": (0, 0o1777),
        },
    )


def postgres() -> Root:
    """Return the stand-in for the official PostgreSQL image."""
    return Root(
        key="postgres",
        image="docker.io/library/postgres:17",
        packages=("postgresql-17",),
        cut=_postgres_cut(),
        config=ImageConfig(
            user=f"{POSTGRES_ID}:{POSTGRES_ID}",
            entrypoint=("postgres-entrypoint",),
            command=("postgres",),
            # Smart shutdown (SIGTERM) waits for clients; fast shutdown is what a pod wants.
            stop_signal="SIGINT",
            environment={
                "PATH": _PATH,
                "LANG": "C.UTF-8",
                "PG_MAJOR": str(POSTGRES_VERSION),
                "PGDATA": "/var/lib/postgresql/data",
            },
            labels={
                "org.opencontainers.image.title": "PostgreSQL from Debian packages",
                **_LICENSES,
            },
        ),
        origin="docker.io/library/postgres:17",
    )


def base() -> Base:
    """Return the stand-ins for the official Python image: with and without an installer."""
    packages = ("python3", "python3-venv", "ca-certificates")
    config = ImageConfig(environment={"PATH": _PATH, "LANG": "C.UTF-8"}, labels=_LICENSES)
    origin = "docker.io/library/python:3.13-slim"
    cut = Cut(packages=_PYTHON.packages, without=_PYTHON.without, folders={"tmp": (0, 0o1777)})
    build = Root("python-build", "localhost/servicelayer/python-build", packages, config)
    final = Root("python", "localhost/servicelayer/python", packages, config, cut, origin)
    return Base(build, final)


def version() -> str:
    """Return the version of this checkout."""
    with (ROOT / "pyproject.toml").open("rb") as source:
        return tomllib.load(source)["project"]["version"]


def programs() -> list[Program]:
    """Return the images of this project."""
    shared = [".dockerignore", "pyproject.toml", "LICENSE", "requirements/dev.lock"]
    return [
        Program(
            "api",
            "ghcr.io/r3e-network/service_layer:dev",
            "Dockerfile.api",
            [*shared, "Dockerfile.api", "requirements/api.lock", "api", "migrations"],
        ),
        Program(
            "operator",
            "ghcr.io/r3e-network/service_layer-operator:dev",
            "Dockerfile.operator",
            [*shared, "Dockerfile.operator", "requirements/operator.lock", "operator", "crds"],
        ),
    ]


def everything() -> list[Root | Program]:
    """Return every image that a cluster may be given, in build order."""
    return [*programs(), postgres()]


def root_hash(root: Root) -> str:
    """Return the key of an image made of packages."""
    digest = hashlib.sha256()
    for name in _MAKERS:
        _feed(digest, name, HERE / name)
    digest.update(repr((root.packages, root.cut, root.config)).encode())
    digest.update(os.uname().machine.encode())
    return digest.hexdigest()[:16]


def program_hash(program: Program, base_name: str) -> str:
    """Return the key of an image made by a Dockerfile on the base `base_name`."""
    digest = hashlib.sha256(base_name.encode())
    for name in sorted(program.inputs):
        for path in _files(ROOT / name):
            _feed(digest, str(path.relative_to(ROOT)), path)
    return digest.hexdigest()[:16]


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ClusterError(f"{path} is missing; the image needs it")
    return sorted(
        found for found in path.rglob("*") if found.is_file() and found.parent.name != "__pycache__"
    )


def _feed(digest: "Digest", name: str, path: Path) -> None:
    data = path.read_bytes()
    mode = path.stat().st_mode & 0o111
    digest.update(f"{name}\0{mode}\0{len(data)}\0".encode())
    digest.update(data)


def by_key(names: Sequence[str]) -> list[Root | Program]:
    """Return the images called `names`, or all when none is named."""
    known: Mapping[str, Root | Program] = {entry.key: entry for entry in everything()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ClusterError(f"no image {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())
