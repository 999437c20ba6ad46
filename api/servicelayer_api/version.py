"""Which build this is: the distribution's version, and what the image build said of itself."""

from __future__ import annotations

import os
import platform
from importlib import metadata

VERSION = metadata.version("servicelayer")


def build_info() -> dict[str, str]:
    """Give version, commit and build time; `unknown` where the build did not say."""
    return {
        "version": VERSION,
        "commit": os.environ.get("BUILD_COMMIT") or "unknown",
        "built_at": os.environ.get("BUILD_TIME") or "unknown",
        "python_version": platform.python_version(),
    }
