"""The audit log as a file, one JSON object a line (`AUDIT_LOG_PATH`).

The file is a copy for those who ship logs; the database's rows are the log. So a full disk stops no
change: the lines that cannot be written are counted (`audit_file_dropped_total`) and told in the
program's log, and the first line after the gap says how many are missing (`{"gap": n}`). The file
is opened for every batch, so that it may be rotated or deleted at any time; it is made with mode
0640.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from servicelayer_api.audit.models import Entry

_MODE: Final = 0o640
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class FileSink:
    """Appends entries to one file. Blocking: called from a thread, one batch at a time."""

    def __init__(self, path: Path) -> None:
        """Write to this path; its folder must exist."""
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._missing = 0
        self._torn = False

    def check(self) -> None:
        """See whether the file can be written, without making or changing it.

        Raises:
            OSError: it cannot.
        """
        try:
            os.close(os.open(self._path, _FLAGS & ~os.O_CREAT))
        except FileNotFoundError:
            folder = self._path.parent
            if not folder.is_dir():
                raise
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None

    def append(self, entries: Sequence[Entry]) -> None:
        """Write a batch.

        Args:
            entries: in order.

        Raises:
            OSError: some or all lines of the batch are not in the file.
        """
        lines = [self._encoder.encode(entry) for entry in entries]
        head: list[bytes] = [b""] if self._torn else []
        if self._missing:
            head.append(self._encoder.encode({"gap": self._missing}))
        try:
            self._write(b"\n".join([*head, *lines, b""]))
        except OSError:
            self._missing += len(lines)
            raise
        self._missing = 0
        self._torn = False

    def _write(self, data: bytes) -> None:
        descriptor = os.open(self._path, _FLAGS, _MODE)
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
                self._torn = written < len(data)
        finally:
            os.close(descriptor)
