"""The operator and the definition of a former release, kept to run beside those of today.

`python -m support.operator_release REVISION TARGET.zip` packs both from the history; Python runs
the operator from the archive. Made once for each release and never anew.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = "servicelayer_operator"
_DEFINITION = f"{_PACKAGE}/crds/servicelayers.servicelayer.r3e.network.yaml"
# The earliest that a zip archive can tell: the same sources make the same archive.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def pack(revision: str, target: Path) -> None:
    """Write the archive of a revision."""
    sources = (f"operator/{_PACKAGE}", "crds")
    packed = subprocess.run(
        ["git", "-C", str(ROOT), "archive", revision, *sources], check=True, capture_output=True
    ).stdout
    with (
        tarfile.open(fileobj=io.BytesIO(packed)) as tree,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
    ):
        for member in tree:
            content = tree.extractfile(member) if member.isfile() else None
            if content is not None:
                top, _, rest = member.name.partition("/")
                name = rest if top == "operator" else f"{_PACKAGE}/{member.name}"
                archive.writestr(
                    zipfile.ZipInfo(name, _NO_TIME), content.read(), zipfile.ZIP_DEFLATED
                )


def definition_of(release: Path) -> dict[str, Any]:
    """Read the CustomResourceDefinition of a packed release."""
    with zipfile.ZipFile(release) as archive:
        return yaml.load(archive.read(_DEFINITION), yaml.CSafeLoader)


if __name__ == "__main__":
    pack(sys.argv[1], Path(sys.argv[2]))
