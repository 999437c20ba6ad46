"""Names that stand in a path: what a client can ask for again by every library and proxy.

Invariant: a name that was accepted can be addressed. A slash or backslash inside of it, however it
is escaped, is a separator to one program and a letter to the next; `.` and `..` are taken out of a
path before it is sent. So they are refused where the name comes in, and paths that hold them lead
nowhere (`is_canonical`).
"""

from __future__ import annotations

import re
from typing import Final

FAULT: Final = "must not be '.' or '..', nor hold '/' or '\\', since it stands in a path"

_ESCAPED: Final = re.compile(rb"%(?:2[fF]|5[cC]|00)")
_DOTS: Final = re.compile(rb"(?:\A|/)(?:\.|%2[eE]){1,2}(?=/|\Z)")


def cannot_be_addressed(name: str) -> bool:
    """Tell whether a name cannot stand in a path."""
    return name.strip() in {".", ".."} or "/" in name or "\\" in name


def is_canonical(raw_path: bytes) -> bool:
    """Tell whether a path, as it was sent, means the same to whoever reads it."""
    if b"%" not in raw_path and b"." not in raw_path and b"\\" not in raw_path:
        return True
    return not (b"\\" in raw_path or _ESCAPED.search(raw_path) or _DOTS.search(raw_path))
