"""`servicelayer-api health`: ask the server of this container how it is, for health checks.

The image holds no curl. Exit codes: 0 it answers 200, 1 it answers otherwise or not at all.
"""

from __future__ import annotations

import http.client
import json
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from servicelayer_api.settings import Address, Settings

_OK: Final = 200
_LARGEST: Final = 64 * 1024
_EVERY_INTERFACE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - asked of, not listened on


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument(
        "--path", default="/readyz", help="what to ask: /readyz (default), /livez or /healthz"
    )
    parser.add_argument(
        "--timeout", type=float, default=3.0, metavar="SECONDS", help="to wait, 3 by default"
    )
    parser.add_argument("--config", help="the configuration file instead of CONFIG_FILE")
    parser.add_argument("--addr", help="where it listens instead of LISTEN_ADDR")


def run(arguments: Namespace, settings: Settings) -> int:
    """Ask once, and say what came; returns the exit code."""
    # The listener for probes answers whatever clients do to the other one.
    address = settings.probe_addr if settings.probe_addr.port > 0 else settings.listen_addr
    try:
        status, said = _ask(address, arguments.path, arguments.timeout)
    except (OSError, http.client.HTTPException) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "no answer"
        sys.stdout.write(f"{arguments.path} at {address}: {reason}\n")
        return 1
    sys.stdout.write(f"{arguments.path} at {address}: {status} {said}\n")
    return 0 if status == _OK else 1


def _ask(address: Address, path: str, seconds: float) -> tuple[int, str]:
    host = "127.0.0.1" if address.host in _EVERY_INTERFACE else address.host
    connection = http.client.HTTPConnection(host, address.port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read(_LARGEST)
    finally:
        connection.close()
    return answer.status, _detail(body)


def _detail(body: bytes) -> str:
    """What a person reads of the answer: `detail` or `status`, and why modules are not ready."""
    try:
        document = json.loads(body)
        said = str(document.get("detail") or document.get("status") or "")
        reasons: dict[str, str] = document.get("modules") or {}
        return "; ".join((said, *(f"{name}: {why}" for name, why in reasons.items())))
    except (ValueError, AttributeError):
        return ""
