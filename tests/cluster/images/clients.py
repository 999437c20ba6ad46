"""What the package clients of this host are told, handed to a build and to nothing else.

A build stage may need the host's certificates, index and proxy to fetch packages. They travel as
build secrets: mounted for one command, part of no layer, no history and no environment of an image.
"""

import configparser
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Where a build sees its secrets; the Dockerfiles read `package-clients` there.
MOUNT = "/run/secrets"
_BUNDLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_PASSED = (
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT",
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INSECURE_HOST",
    "UV_HTTP_TIMEOUT",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
# uv does not read pip's settings: what only pip was told is told to uv under its own name.
_FOR_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
}
_PIP_KEYS = {
    "index-url": "PIP_INDEX_URL",
    "extra-index-url": "PIP_EXTRA_INDEX_URL",
    "trusted-host": "PIP_TRUSTED_HOST",
    "proxy": "HTTPS_PROXY",
}


@dataclass(frozen=True)
class BuildSecrets:
    """`files` maps the id of a secret to the file that holds it."""

    files: Mapping[str, Path]


def settings(environment: Mapping[str, str], pip_files: list[Path]) -> dict[str, str]:
    """Return the variables that make pip and uv work inside a build as they do on this host."""
    found: dict[str, str] = {}
    for path in pip_files:
        found |= _from_pip(path)
    found |= {name: environment[name] for name in _PASSED if environment.get(name)}
    if "UV_INDEX_URL" in found:
        found.setdefault("UV_DEFAULT_INDEX", found["UV_INDEX_URL"])
    for pip_name, uv_name in _FOR_UV.items():
        if pip_name in found:
            found.setdefault(uv_name, found[pip_name])
    return found


def write_secrets(folder: Path) -> BuildSecrets:
    """Write this host's settings and certificates as secrets into the private `folder`."""
    variables = settings(dict(os.environ), _pip_files())
    files: dict[str, Path] = {}
    bundle = _bundle(os.environ)
    if bundle is not None:
        files["ca-bundle"] = bundle
        mounted = f"{MOUNT}/ca-bundle"
        variables |= {"SSL_CERT_FILE": mounted, "PIP_CERT": mounted}
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    fragment = folder / "package-clients"
    fragment.touch(mode=0o600)
    fragment.write_text("".join(lines))
    return BuildSecrets({"package-clients": fragment, **files})


def _bundle(environment: Mapping[str, str]) -> Path | None:
    named = [Path(environment[name]) for name in _BUNDLES if environment.get(name)]
    return next((path for path in [*named, _SYSTEM_BUNDLE] if path.is_file()), None)


def _pip_files() -> list[Path]:
    named = os.environ.get("PIP_CONFIG_FILE")
    home = Path.home()
    places = [
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf",
        *([Path(named)] if named else []),
    ]
    return [path for path in places if path.is_file()]


def _from_pip(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.read(path)
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            for key, value in parser.items(section):
                name = _PIP_KEYS.get(key.replace("_", "-"))
                if name is not None:
                    found[name] = " ".join(value.split())
    return found
