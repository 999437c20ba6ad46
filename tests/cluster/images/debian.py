"""Root file systems from Debian packages, for hosts that can pull no base image.

mmdebstrap installs the packages, maintainer scripts and all, into a tar. What the host lent to that
(its mirror, its resolver, apt's settings) is never part of a result. The mirror is read from the
host's own apt sources at run time; on a host without Debian sources SERVICELAYER_DEBIAN_MIRROR
names one.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cluster.errors import ClusterError
from cluster.images.isolation import isolated

SUITE = "trixie"
_SOURCES = Path("/etc/apt")
_DEBIAN_SUITES = frozenset(
    ["bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"]
)
# Settings of the host's apt without which its mirror may not be reachable or acceptable.
_APT_SETTINGS = ("Proxy", "Check-Valid-Until", "Check-Date", "CaInfo", "Verify-Peer")
_ERROR_LINES = 12


def bootstrap(packages: Sequence[str], target: Path, *, scratch: Path) -> None:
    """Install `packages` and what they need into the tar `target`; needs root."""
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    command += [f"--aptopt={line}" for line in _apt_settings()]
    command += [SUITE, str(target), *_mirror_lines()]
    done = subprocess.run(
        isolated(command),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    if done.returncode != 0:
        tail = "\n".join(done.stderr.splitlines()[-_ERROR_LINES:])
        raise ClusterError(f"mmdebstrap failed for {' '.join(packages)}:\n{tail}")


def _mirror_lines() -> list[str]:
    named = os.environ.get("SERVICELAYER_DEBIAN_MIRROR")
    if named:
        return [f"deb {named} {SUITE} main"]
    main, security = find_mirrors(_SOURCES)
    if main is None:
        raise ClusterError(
            "no Debian mirror in this host's apt sources; "
            "name one: SERVICELAYER_DEBIAN_MIRROR=http://HOST/debian"
        )
    lines = [f"deb {main} {suite} main" for suite in (SUITE, f"{SUITE}-updates")]
    return lines if security is None else [*lines, f"deb {security} {SUITE}-security main"]


def find_mirrors(folder: Path) -> tuple[str | None, str | None]:
    """Return the Debian mirror and the security mirror that the sources in `folder` name."""
    main = security = None
    for uri, suite in _entries(folder):
        if suite in _DEBIAN_SUITES:
            main = main or uri
        elif suite.removesuffix("-security") in _DEBIAN_SUITES and suite.endswith("-security"):
            security = security or uri
    return main, security


def _entries(folder: Path) -> Iterator[tuple[str, str]]:
    parts = folder / "sources.list.d"
    for path in [folder / "sources.list", *sorted(parts.glob("*.list"))]:
        if path.is_file():
            yield from _one_line_entries(path.read_text())
    for path in sorted(parts.glob("*.sources")):
        for paragraph in path.read_text().split("\n\n"):
            yield from _paragraph_entries(paragraph)


def _one_line_entries(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        words = line.split("#")[0].replace("]", "] ").split()
        if not words or words[0] != "deb":
            continue
        rest = words[1:]
        if rest and rest[0].startswith("["):
            # Options stand in brackets and may hold blanks.
            end = next((i for i, word in enumerate(rest) if word.endswith("]")), len(rest))
            rest = rest[end + 1 :]
        if len(rest) > 1:
            yield rest[0], rest[1]


def _paragraph_entries(paragraph: str) -> Iterator[tuple[str, str]]:
    fields = {
        name.strip().lower(): value.split()
        for line in paragraph.splitlines()
        if not line.startswith(("#", " ", "\t"))
        for name, _, value in [line.partition(":")]
    }
    if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
        return
    for uri in fields.get("uris", []):
        for suite in fields.get("suites", []):
            yield uri, suite


def _apt_settings() -> Iterable[str]:
    """Return the host's own apt settings for reaching a mirror, as lines of apt.conf."""
    done = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        name = line.split(" ", 1)[0]
        if name.startswith("Acquire::") and any(f"::{key}" in name for key in _APT_SETTINGS):
            yield line.rstrip()
