"""Logs: one line an event, JSON for machines or text for people, each with its request's id.

Invariant: no secret of the settings is ever written: whatever is logged, by this program or by a
library, passes a filter that blanks them. Everything goes to standard error; standard output
belongs to commands.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO, cast

import msgspec
import structlog
from structlog.tracebacks import ExceptionDictTransformer

from servicelayer_api.web.edge import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

    from servicelayer_api.settings import Settings

_MASK = "[redacted]"
_LEAST_SECRET = 6
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
# Credentials inside addresses, bearer tokens and JWTs, whatever their values are.
_SHAPES = re.compile(
    r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)|(?<=[Bb]earer )[^\s\"']+|eyJ[\w-]{8,}\.[\w-]+\.[\w-]+"
)


class Redactor:
    """Blanks secrets in a line of text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Know the secrets; each item of a comma-separated value counts by itself too."""
        known: set[str] = set()
        for secret in secrets:
            known.update(part.strip() for part in (secret, *secret.split(",")))
        # The value that looks like a word ("admin") would blank half the log: short ones stay.
        longest_first = sorted((s for s in known if len(s) >= _LEAST_SECRET), key=len, reverse=True)
        escaped = [re.escape(form) for s in longest_first for form in _forms(s)]
        self._known = re.compile("|".join(escaped)) if escaped else None

    def __call__(self, text: str) -> str:
        """Blank what must not be seen."""
        if self._known is not None:
            text = self._known.sub(_MASK, text)
        return _SHAPES.sub(_MASK, text)


def _forms(secret: str) -> tuple[str, ...]:
    """Give a secret as it stands and as JSON would escape it."""
    quoted = secret.replace("\\", "\\\\").replace('"', '\\"')
    return (secret,) if quoted == secret else (quoted, secret)


class _RedactingStream:
    """A stream that blanks secrets in whole lines before they are written."""

    def __init__(self, stream: TextIO, redact: Redactor) -> None:
        self._stream = stream
        self._redact = redact

    def write(self, text: str) -> int:
        return self._stream.write(self._redact(text))

    def flush(self) -> None:
        self._stream.flush()


class _Lines:
    """Writes the lines of one of our own loggers.

    The way over `logging`, which the libraries take, costs four times as much, and a line is
    written for every change that is asked for.
    """

    def __init__(self, out: TextIO, name: str = "") -> None:
        self.name = name
        self._out = out

    def msg(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()

    log = debug = info = warning = warn = error = critical = fatal = exception = failure = msg


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Set logging up for the whole process, libraries included.

    Args:
        settings: Level, form, and the secrets to blank.
        stream: Where to; standard error when left out.
    """
    level = _LEVELS[settings.log_level]
    out = cast("TextIO", _RedactingStream(stream or sys.stderr, Redactor(settings.secrets())))
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *_renderers(settings.log_format)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=partial(_Lines, out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings.log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "asyncio", "granian", "_granian"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


def _renderers(log_format: str) -> list[structlog.types.Processor]:
    if log_format == "text":
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)]
    return [
        # Without the local variables of each frame: they may hold what a caller sent.
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(_to_json),
    ]


def _to_json(event: object, default: Callable[[Any], Any], **_: Any) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=default).decode()
    except (TypeError, ValueError):
        # Half pairs of characters and odd keys, which nobody may keep from being told.
        return json.dumps(event, default=default, skipkeys=True)


def _add_request_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    request_id = REQUEST_ID.get()
    if request_id:
        event["request_id"] = request_id
    return event
