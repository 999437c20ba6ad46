"""A name server that keeps questions waiting, and then says that it cannot answer (SERVFAIL)."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

_ADDRESS = "127.0.0.77"
_SERVFAIL = b"\x81\x82"


class SlowDns:
    """Use as a context manager; binding port 53 needs root.

    Attributes:
        asked: Set once somebody has asked.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._held: list[tuple[bytes, object]] | None = []
        self._lock = threading.Lock()
        self._over = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((_ADDRESS, 53))
        self._thread = threading.Thread(target=self._run, name="slow-dns", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (_ADDRESS, 53))
        self._thread.join()
        self._socket.close()

    def through(self, folder: Path) -> list[str]:
        """The command before a program's own that makes this its only name server."""
        file = folder / "resolv.conf"
        file.write_text(f"nameserver {_ADDRESS}\noptions timeout:60 attempts:1\n")
        script = f'mount --bind {file} /etc/resolv.conf && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh"]

    def fail(self) -> None:
        """Answer all who wait, and everybody from now on."""
        with self._lock:
            held, self._held = self._held or [], None
        for question, client in held:
            self._answer(question, client)

    def _run(self) -> None:
        while True:
            question, client = self._socket.recvfrom(4096)
            if self._over:
                return
            self.asked.set()
            with self._lock:
                if self._held is not None:
                    self._held.append((question, client))
                    continue
            self._answer(question, client)

    def _answer(self, question: bytes, client: object) -> None:
        # The question's own id and body, with the flags of an answer that failed.
        self._socket.sendto(question[:2] + _SERVFAIL + question[4:], client)  # type: ignore[arg-type]
