"""Cutting a root file system down to what a container needs, without touching anything on disk.

Only files that belong to a wanted package or match a named pattern pass; all else of the bootstrap
(the package manager, perl, manuals, what mmdebstrap copied from the host) is dropped by default.
The package database keeps the wanted packages, so that image scanners see them, and the copyright
files stay.
"""

import fnmatch
import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster.errors import ClusterError

STATUS = "var/lib/dpkg/status"
_LISTS = re.compile(r"var/lib/dpkg/info/(?P<package>[^/:]+)(?::[^/]+)?\.list")
_COMPILED = re.compile(r"(?P<folder>.+)/__pycache__/(?P<module>[^/.]+)\.[^/]+\.pyc")
# What maintainer scripts and tools make and no package owns; directories come by themselves.
_UNOWNED = (
    "bin", "sbin", "lib", "lib64", "var/run", "var/lock",
    "etc/ld.so.cache", "etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/localtime",
    "etc/ssl/certs/*",
)  # fmt: skip
_USELESS = (
    "usr/share/man/*", "usr/share/info/*", "usr/share/locale/*", "usr/share/lintian/*",
    "usr/share/bug/*", "usr/share/doc-base/*", "usr/share/perl5/*", "usr/share/debconf/*",
    "usr/share/bash-completion/*", "usr/share/zsh/*", "usr/share/menu/*",
    "usr/share/python3/runtime.d/*", "usr/share/applications/*", "usr/share/pixmaps/*",
    "usr/lib/*/gconv/*", "usr/lib/*/perl*", "usr/lib/systemd/*", "usr/lib/tmpfiles.d/*",
    "etc/apt/*", "etc/cron*", "etc/init.d/*", "etc/default/*", "etc/logrotate.d/*", "etc/dpkg/*",
    "etc/skel/*", "etc/update-motd.d/*", "etc/hostname", "etc/resolv.conf", "root/.*",
    "dev/*", "var/cache/*", "var/log/*", "var/lib/apt/*",
)  # fmt: skip

_LENT = (
    "dev/*", "etc/apt/*", "etc/hostname", "etc/resolv.conf", "var/cache/*", "var/log/*",
    "var/lib/apt/*", "usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*",
)  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """What a root file system keeps.

    `packages` pass with what they depend on, except `without` (and what only those need). `drop`
    are patterns taken out of kept packages, `files` are put in (mode 0644, or 0755 under a bin
    folder), `links` map a path to its target, `folders` map a path to owner and mode.
    """

    packages: Sequence[str]
    without: Sequence[str] = ()
    drop: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    links: Mapping[str, str] = field(default_factory=dict[str, str])
    folders: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])


def carve(source: Path, target: Path, cut: Cut) -> None:
    """Write to `target` the part of the tar `source` that `cut` keeps."""
    with tarfile.open(source) as tar:
        paragraphs = _paragraphs(tar)
        kept = closure(paragraphs, cut.packages, cut.without)
        owned = _owned_paths(tar, kept)
        wanted = [member for member in tar if _passes(member, owned, cut)]
        put = {*cut.files, *cut.links, *cut.folders, STATUS}
        folders = _parents({_path(member) for member in wanted} | put)
        status = "\n\n".join(paragraphs[name] for name in sorted(kept)) + "\n\n"
        with tarfile.open(target, "w") as out:
            for member in tar:
                path = _path(member)
                if member.isdir() and path in folders and path not in cut.folders:
                    _add(out, member, None)
            for member in wanted:
                if not member.isdir() and _path(member) not in put:
                    _add(out, member, tar)
            _put(out, cut, {**cut.files, STATUS: status.encode()})


def whole(source: Path, target: Path) -> None:
    """Write to `target` everything of `source` but devices, caches and what the host lent."""
    with tarfile.open(source) as tar, tarfile.open(target, "w") as out:
        for member in tar:
            if member.isdir() or not _matches(_path(member), _LENT):
                _add(out, member, tar if member.isreg() else None)


def closure(
    paragraphs: Mapping[str, str], roots: Iterable[str], without: Iterable[str] = ()
) -> set[str]:
    """Return `roots` and all that they depend on among the installed packages.

    Args:
        paragraphs: the package database, paragraph by package name.
        roots: the packages wanted.
        without: packages that are left out though something depends on them.
    """
    refused = set(without)
    kept: set[str] = set()
    queue = list(roots)
    while queue:
        name = queue.pop()
        if name in kept or name in refused:
            continue
        if name not in paragraphs:
            raise ClusterError(f"package {name} is not in the bootstrapped system")
        kept.add(name)
        queue += _needs(paragraphs[name], paragraphs, refused)
    return kept


def _needs(paragraph: str, paragraphs: Mapping[str, str], refused: set[str]) -> Iterator[str]:
    for line in paragraph.splitlines():
        key, _, value = line.partition(":")
        if key not in {"Depends", "Pre-Depends"}:
            continue
        for group in value.split(","):
            names = [re.split(r"[\s:(]", option.strip())[0] for option in group.split("|")]
            if not refused.intersection(names):
                # A name that no package bears is a virtual one (awk): whoever wants it names it.
                yield from [name for name in names if name in paragraphs][:1]


def _paragraphs(tar: tarfile.TarFile) -> dict[str, str]:
    member = next((m for m in tar if _path(m) == STATUS), None)
    source = tar.extractfile(member) if member is not None else None
    if source is None:
        raise ClusterError("the bootstrapped system has no package database")
    found: dict[str, str] = {}
    for paragraph in source.read().decode().strip().split("\n\n"):
        name = re.search(r"^Package: (\S+)$", paragraph, re.MULTILINE)
        if name is not None:
            found[name[1]] = paragraph
    return found


def _owned_paths(tar: tarfile.TarFile, packages: set[str]) -> set[str]:
    owned: set[str] = set()
    for member in tar:
        match = _LISTS.fullmatch(_path(member))
        source = tar.extractfile(member) if match and match["package"] in packages else None
        if source is not None:
            owned.update(line.strip("/") for line in source.read().decode().splitlines())
    # Some packages still name the old places of merged folders.
    moved = {
        f"usr/{path}" for path in owned if path.startswith(("bin/", "sbin/", "lib/", "lib64/"))
    }
    return owned | moved


def _passes(member: tarfile.TarInfo, owned: set[str], cut: Cut) -> bool:
    path = _path(member)
    if _matches(path, _USELESS) or _matches(path, cut.drop):
        return False
    if path.startswith("usr/share/doc/"):
        return path in owned and path.endswith("/copyright")
    compiled = _COMPILED.fullmatch(path)
    if compiled is not None:
        # Byte code belongs to no package; it comes and goes with its source.
        return f"{compiled['folder']}/{compiled['module']}.py" in owned
    return path in owned or _matches(path, _UNOWNED)


def _put(out: tarfile.TarFile, cut: Cut, files: Mapping[str, bytes]) -> None:
    for path, (owner, mode) in cut.folders.items():
        member = tarfile.TarInfo(path)
        member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, mode, owner, owner
        out.addfile(member)
    for path, target in cut.links.items():
        member = tarfile.TarInfo(path)
        member.type, member.linkname = tarfile.SYMTYPE, target
        out.addfile(member)
    for path, data in files.items():
        member = tarfile.TarInfo(path)
        member.size, member.mode = len(data), 0o755 if "bin/" in path else 0o644
        out.addfile(member, io.BytesIO(data))


def _add(out: tarfile.TarFile, member: tarfile.TarInfo, source: tarfile.TarFile | None) -> None:
    data = source.extractfile(member) if source is not None and member.isreg() else None
    copy = member.replace(name=_path(member) or ".", uname="", gname="", deep=False)
    # Extended headers of the bootstrap (sub-second times) say nothing that a container needs.
    copy.pax_headers = {}
    copy.mtime = int(member.mtime)
    if copy.islnk():
        copy.linkname = copy.linkname.removeprefix("./")
    out.addfile(copy, data)


def _parents(paths: Iterable[str]) -> set[str]:
    found = {""}
    for path in paths:
        parts = path.split("/")
        found.update("/".join(parts[:end]) for end in range(1, len(parts) + 1))
    return found


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _path(member: tarfile.TarInfo) -> str:
    name = member.name.strip("/")
    return "" if name == "." else name.removeprefix("./")
