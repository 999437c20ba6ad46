"""`make release`: everything that is handed out, in `dist/`.

Images as OCI archives with a list of their components each, the two charts packed, the resource
definition, and SHA256SUMS over all. Everything is made beside `dist/` and moved in at the end. The
images are of this machine's architecture: run it on a machine of the other one too and put both
results in one `dist/`; the file names tell them apart, and the sums are made over what lies there.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster.errors import ClusterError
from cluster.helm import CRDS_CHART, OPERATOR_CHART, Helm
from cluster.images.archive import ARCHITECTURES
from cluster.images.catalog import ROOT, version
from cluster.images.publish import Release, releases, write_oci
from cluster.images.sbom import describe
from cluster.progress import say, timed

DIST = ROOT / "dist"
SUMS = "SHA256SUMS"


def main() -> int:
    """Write `dist/`; return the exit code."""
    try:
        names = make(DIST)
    except ClusterError as exc:
        say(f"error: {exc}")
        return 1
    except KeyboardInterrupt:
        return 130
    for name in names:
        size = (DIST / name).stat().st_size / 1_000_000
        print(f"dist/{name}\t{size:.1f} MB")
    return 0


def make(target: Path) -> list[str]:
    """Write every file of a release to `target`; return their names, the sums last."""
    if _is_dirty():
        say("warning: the checkout has changes that are not committed; the images say so too")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".release-", dir=target.parent) as scratch:
        folder = Path(scratch)
        for release in releases():
            _image(release, folder)
        with timed("charts packed"):
            for chart in (CRDS_CHART, OPERATOR_CHART):
                Helm()("package", str(chart), "--destination", str(folder))
        for definition in sorted((ROOT / "crds").glob("*.yaml")):
            shutil.copyfile(definition, folder / f"servicelayer-crds-{version()}.yaml")
        for made in folder.iterdir():
            made.replace(target / made.name)
    return [*write_sums(target), SUMS]


def _image(release: Release, folder: Path) -> None:
    machine = os.uname().machine
    stem = f"{release.name}-{release.tag}-linux-{ARCHITECTURES.get(machine, machine)}"
    with timed(f"{stem}.oci.tar written", doing=f"writing {stem}.oci.tar"):
        write_oci(release, folder / f"{stem}.oci.tar")
    listed = describe(release.image.tar, name=release.name, version=release.tag)
    (folder / f"{stem}.cdx.json").write_text(listed + "\n", encoding="utf-8")


def write_sums(folder: Path) -> list[str]:
    """Write SHA256SUMS over the files in `folder`, as `sha256sum --check` reads it."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != SUMS)
    lines: list[str] = []
    for name in names:
        with (folder / name).open("rb") as source:
            lines.append(f"{hashlib.file_digest(source, 'sha256').hexdigest()}  {name}\n")
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
    return names


def _is_dirty() -> bool:
    done = subprocess.run(
        ["git", "-C", str(ROOT), "status", "--porcelain"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return bool(done.stdout.strip())


if __name__ == "__main__":
    sys.exit(main())
