"""Who asks for help or the version does not wait for the libraries that run the operator."""

from __future__ import annotations

import subprocess
import sys

import pytest

_HEAVY = "kopf kubernetes aiohttp httpx cryptography"
_LOADED = f"""
import sys
from servicelayer_operator.__main__ import main
try:
    main([sys.argv[1]])
except SystemExit:
    pass
print([name for name in "{_HEAVY}".split() if name in sys.modules])
"""


@pytest.mark.parametrize("argument", ["--help", "--version", "version"])
def test_help_and_version_load_no_library_of_the_running_operator(argument: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", _LOADED, argument], capture_output=True, check=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "servicelayer-operator" in done.stdout
