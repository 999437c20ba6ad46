"""The list of what an image holds (SBOM), in CycloneDX 1.6, read off the image itself.

Read off the archive and not off a lock file: what is listed is what is shipped. Two sources are
asked: the package database of Debian and the metadata of the Python packages. Scanners match the
components by their package URLs (purl).
"""

import re
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from cluster.images.carve import STATUS
from cluster.images.reading import image_config, image_digest, unpack

_SITE_PACKAGES = "app/.venv/lib/python3*/site-packages"


def describe(archive: Path, *, name: str, version: str) -> str:
    """Return the SBOM of an image archive as JSON.

    Args:
        archive: as `cluster.images` builds it.
        name: what the image is called.
        version: the tag it is shipped under.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        unpack(archive, root)
        found = [*debian_packages(root), *python_packages(root)]
    bom = Bom(components=sorted(found, key=lambda item: str(item.purl)))
    image = Component(
        name=name,
        version=version,
        type=ComponentType.CONTAINER,
        purl=PackageURL(
            "oci",
            name=name,
            version=image_digest(archive),
            qualifiers={"arch": image_config(archive)["architecture"], "tag": version},
        ),
    )
    bom.metadata.component = image
    # Which package needs which is not known here, only that the image holds them.
    bom.register_dependency(image, found)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def debian_packages(root: Path) -> Iterator[Component]:
    """Yield the packages that the image's package database lists."""
    release = _fields(r'^(\w+)="?([^"\n]*)"?$', _text(root / "etc/os-release"))
    distribution = f"{release.get('ID', 'debian')}-{release.get('VERSION_ID', '')}".rstrip("-")
    for paragraph in _text(root / STATUS).strip().split("\n\n"):
        said = _fields(r"^(Package|Version|Architecture): (\S+)$", paragraph)
        if said:
            yield _component(
                "deb",
                said["Package"],
                said["Version"],
                namespace="debian",
                qualifiers={"arch": said["Architecture"], "distro": distribution},
            )


def python_packages(root: Path) -> Iterator[Component]:
    """Yield the Python packages of the image's virtual environment; none where it has none."""
    for folder in root.glob(_SITE_PACKAGES):
        for package in metadata.distributions(path=[str(folder)]):
            name = re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()
            yield _component("pypi", name, package.version)


def _component(
    kind: str,
    name: str,
    version: str,
    *,
    namespace: str | None = None,
    qualifiers: dict[str, str] | None = None,
) -> Component:
    purl = PackageURL(kind, namespace, name, version, qualifiers)
    return Component(name=name, version=version, purl=purl, bom_ref=purl.to_string())


def _fields(pattern: str, text: str) -> dict[str, str]:
    return dict(re.findall(pattern, text, re.MULTILINE))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
