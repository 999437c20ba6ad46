"""Have the images: reuse the archive whose key fits the present content, else build it.

Archives lie in ${XDG_CACHE_HOME:-~/.cache}/servicelayer/images as NAME-KEY.tar. One process builds
at a time (a lock beside them); others wait and then find the work done. What a killed build left is
removed by the next one, and of older archives of a name the newest few stay.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cluster.errors import ClusterError
from cluster.estimate import told
from cluster.host import ensure_packages
from cluster.images import carve, debian
from cluster.images.archive import write_archive
from cluster.images.catalog import (
    ROOT,
    Base,
    Image,
    Program,
    Root,
    base,
    by_key,
    program_hash,
    root_hash,
    version,
)
from cluster.images.engines import Build, Buildah, Docker, Engine, docker_answers
from cluster.images.reading import image_digest, layer_sizes
from cluster.progress import say, timed

KEPT_ARCHIVES = 3
SECONDS_EACH = 40
"""What building an image takes on two idle cores, with its packages to fetch."""
_MEGA = 1_000_000


def images_dir() -> Path:
    """Return the folder of the archives, outside the checkout."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "servicelayer" / "images"


def ensure_images(names: Sequence[str] = ()) -> list[Image]:
    """Return the images called `names` (api, operator, postgres; all when empty), built if need be.

    Raises:
        ClusterError: an image cannot be built; the text holds the last lines of the reason.
    """
    entries = by_key(names)
    folder = images_dir()
    with _alone(folder):
        workshop = Workshop(folder)
        missing = [entry.key for entry in entries if not workshop.archive_of(entry).exists()]
        if missing:
            expected = told(SECONDS_EACH * len(missing))
            say(f"images to build: {', '.join(missing)}; about {expected} on two idle cores")
        images = [workshop.have(entry) for entry in entries]
        if any(image.built for image in images):
            workshop.tidy()
    return images


def find_images(names: Sequence[str] = ()) -> list[tuple[Root | Program, Path]]:
    """Return each image with the archive that fits the present content, there or not."""
    workshop = Workshop(images_dir())
    return [(entry, workshop.archive_of(entry)) for entry in by_key(names)]


class Workshop:
    """Builds what is missing in `folder`; the engine is chosen when something is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._base: Base = base()
        self._engine: Engine | None = None

    def archive_of(self, entry: Root | Program) -> Path:
        """Return where the archive of `entry` lies when its content is as it is now."""
        key = root_hash(entry) if isinstance(entry, Root) else program_hash(entry, self._base_key())
        return self.folder / f"{entry.key}-{key}.tar"

    def have(self, entry: Root | Program) -> Image:
        """Return the image of `entry`, from its archive or newly built."""
        archive = self.archive_of(entry)
        built = not archive.exists()
        if built:
            label = f"image {entry.key} ({entry.image})"
            with timed(f"{label} built", doing=f"building {label} with {self._engine_for(entry)}"):
                self._make(entry, archive)
        else:
            # Marks it as in use, so that it counts among the newest.
            archive.touch()
        size = sum(layer_sizes(archive)) / _MEGA
        say(f"image {entry.key}: {'new' if built else 'unchanged, reused'}, {size:.0f} MB")
        return Image(entry.image, archive, image_digest(archive), built)

    def tidy(self) -> None:
        """Remove older archives, and what the engine keeps of them."""
        for key in {path.name.rpartition("-")[0] for path in self.folder.glob("*-*.tar")}:
            archives = sorted(
                self.folder.glob(f"{key}-{'[0-9a-f]' * 16}.tar"),
                key=lambda path: path.stat().st_mtime_ns,
            )
            for old in archives[:-KEPT_ARCHIVES]:
                say(f"removing the older {old.name}")
                old.unlink()
        if self._engine is not None:
            self._engine.tidy()

    def _make(self, entry: Root | Program, archive: Path) -> None:
        if isinstance(entry, Program):
            self._build(entry, archive)
        elif entry.origin and isinstance(self._engine_or_none(), Docker) and self._pulled(entry):
            self._chosen().save(entry.image, archive)
        else:
            self._bootstrap([(entry, archive)])

    def _pulled(self, entry: Root) -> bool:
        with timed(f"asked for {entry.origin}"):
            return self._chosen().pull(entry.origin)

    def _bootstrap(self, wanted: Sequence[tuple[Root, Path]]) -> None:
        """Make images of packages; all of `wanted` come from one bootstrap of the same packages."""
        packages = wanted[0][0].packages
        ensure_packages(["mmdebstrap"])
        with self._scratch() as scratch:
            system = scratch / "system.tar"
            with timed(f"  Debian {debian.SUITE} with {' '.join(packages)} bootstrapped"):
                debian.bootstrap(packages, system, scratch=scratch)
            for root, archive in wanted:
                layer = scratch / "layer.tar"
                if root.cut is None:
                    carve.whole(system, layer)
                else:
                    carve.carve(system, layer, root.cut)
                write_archive(archive, name=self._name(root), layer=layer, config=root.config)

    def _build(self, program: Program, archive: Path) -> None:
        engine = self._chosen()
        arguments = self._bases(engine) | {
            "VERSION": version(),
            "REVISION": _revision(),
            "CREATED": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        dockerfile = ROOT / program.dockerfile
        engine.build(Build(program.image, dockerfile, ROOT, arguments))
        engine.save(program.image, archive)

    def _bases(self, engine: Engine) -> dict[str, str]:
        """Return the build arguments that name the base images, which the engine then has."""
        if isinstance(engine, Docker) and engine.pull(self._base.final.origin):
            return {}
        pair = {"BUILD_IMAGE": self._base.build, "BASE_IMAGE": self._base.final}
        archives = [(root, self.archive_of(root)) for root in pair.values()]
        if not all(archive.exists() for _, archive in archives):
            self._bootstrap(archives)
        for root, archive in archives:
            archive.touch()
            engine.take(archive, self._tagged(root))
        return {argument: self._tagged(root) for argument, root in pair.items()}

    def _base_key(self) -> str:
        return root_hash(self._base.build) + root_hash(self._base.final)

    def _tagged(self, root: Root) -> str:
        return f"{root.image}:{root_hash(root)}"

    def _name(self, root: Root) -> str:
        return root.image if root.origin == root.image else self._tagged(root)

    def _engine_for(self, entry: Root | Program) -> str:
        if isinstance(entry, Program):
            return self._chosen().name
        return "docker" if isinstance(self._engine_or_none(), Docker) else "mmdebstrap"

    def _engine_or_none(self) -> Engine | None:
        """Return the engine if it is there without installing anything."""
        if self._engine is None and _wanted_engine() == "docker":
            self._engine = Docker()
        return self._engine

    def _chosen(self) -> Engine:
        engine = self._engine_or_none() or Buildah(self.folder / "buildah")
        self._engine = engine
        return engine

    @contextmanager
    def _scratch(self) -> Generator[Path]:
        with tempfile.TemporaryDirectory(prefix="scratch-", dir=self.folder) as folder:
            yield Path(folder)


def _wanted_engine() -> str:
    named = os.environ.get("SERVICELAYER_IMAGE_ENGINE", "")
    if named not in {"", "docker", "buildah"}:
        raise ClusterError(f"SERVICELAYER_IMAGE_ENGINE is {named}; write docker or buildah")
    return named or ("docker" if docker_answers() else "buildah")


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Hold the lock of the image folder, then clear what a killed build left."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build of images is under way; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in [*folder.glob("scratch-*"), *folder.glob("buildah/tmp*")]:
            shutil.rmtree(left, ignore_errors=True)
        for left in folder.glob(".*.partial"):
            left.unlink(missing_ok=True)
        yield


def _revision() -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
