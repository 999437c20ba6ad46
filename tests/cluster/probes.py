"""Readiness questions to the programs the harness started, and free ports for new ones."""

import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from cluster.errors import ClusterError
from cluster.processes import ProcessRecord, log_tail
from cluster.progress import wait_until


def http_ok(url: str, context: ssl.SSLContext | None = None) -> bool:
    """Tell whether `url` answers 200; proxies of the environment are not asked."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=5) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False


def tcp_open(address: str, port: int) -> bool:
    """Tell whether something accepts connections there."""
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def port_free(address: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def choose_port(address: str, *wanted: int) -> int:
    """Return the first wanted port that is free at `address`, else any free one."""
    for port in wanted:
        if port_free(address, port):
            return port
    return free_ports(1, address)[0]


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Return different ports that are free now; held together, so that none is given twice."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((address, 0))
        return [each.getsockname()[1] for each in sockets]


def wait_ready(record: ProcessRecord, ready: Callable[[], bool], *, seconds: float) -> None:
    """Wait until a program answers; its death or the deadline raises with the end of its log."""
    answered = wait_until(lambda: ready() or not record.alive(), seconds=seconds, pause=0.05)
    if not record.alive():
        raise ClusterError(f"{record.name} ended while starting\n{log_tail(Path(record.log))}")
    if not answered:
        raise ClusterError(
            f"{record.name} does not answer after {seconds:.0f} s\n{log_tail(Path(record.log))}"
        )
