"""Logs: one line an event, JSON for machines or text for people, each with its request's id.

Invariant: no secret of the settings is ever written: whatever is logged, by this program or by a
library, passes a filter that blanks them. Everything goes to standard error; standard output
belongs to commands.

Inside the event loop the lines of one of its turns are written together, before anything else is
waited for; whatever is left at the program's end is written then.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TextIO, cast

import msgspec
import structlog
from structlog.tracebacks import ExceptionDictTransformer

from servicelayer_api.log_repeats import RepeatedWarnings
from servicelayer_api.web.edge import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from servicelayer_api.settings import Settings

_MASK = "[redacted]"
_LEAST_SECRET = 6
_LEVEL_NAMES = {"warn": "warning", "exception": "error", "fatal": "critical"}
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
# Credentials inside addresses, bearer tokens and JWTs, whatever their values are.
_SHAPES = re.compile(
    r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)|(?<=[Bb]earer )[^\s\"']+|eyJ[\w-]{8,}\.[\w-]+\.[\w-]+"
)
_ENCODER = msgspec.json.Encoder(enc_hook=repr)
# Where none of these stands, none of the shapes does.
_SIGNS = ("://", "earer ", "eyJ")


# What moves the cursor, ends a line, or turns the order of letters round when a log is looked at.
_TURNING = "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f{_TURNING}]")
_UNSAFE_IN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNING}]")


def _escape(text: str, unsafe: re.Pattern[str]) -> str:
    """Write what must not reach a terminal as JSON would."""
    # Almost all texts are safe, and are told to be by one look.
    if text.isprintable():
        return text
    return unsafe.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


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
        self._forms = [form for s in longest_first for form in _forms(s)]
        self._known = re.compile("|".join(escaped))

    def __call__(self, text: str) -> str:
        """Blank what must not be seen."""
        # Looking for fixed texts is a tenth of what the patterns cost, and most lines hold none.
        if any(map(text.__contains__, self._forms)):
            text = self._known.sub(_MASK, text)
        if any(map(text.__contains__, _SIGNS)):
            text = _SHAPES.sub(_MASK, text)
        return text


def _forms(secret: str) -> tuple[str, ...]:
    """Give a secret as it stands and as JSON would escape it."""
    quoted = secret.replace("\\", "\\\\").replace('"', '\\"')
    return (secret,) if quoted == secret else (quoted, secret)


class _RedactingStream:
    """A stream that blanks secrets in whole lines before they are written."""

    def __init__(self, stream: TextIO, redact: Redactor) -> None:
        self._stream = stream
        self._redact = redact
        self._lines: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def put(self, line: str) -> None:
        """Write a line: at the end of the loop's turn, or at once where no loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # No loop: a command, or a thread beside the loop, which leaves the loop's lines alone.
            self._stream.write(self._redact(f"{line}\n"))
            self._stream.flush()
            return
        if not self._lines or loop is not self._loop:
            self._loop = loop
            loop.call_soon(self.flush)
        self._lines.append(line)

    def write(self, text: str) -> int:
        return self._stream.write(self._redact(text))

    def flush(self) -> None:
        """Write what was put; at the program's end `logging` calls this too."""
        lines, self._lines = self._lines, []
        if lines:
            lines.append("")
            self._stream.write(self._redact("\n".join(lines)))
        self._stream.flush()


class _Lines:
    """Writes the lines of one of our own loggers.

    The way over `logging`, which the libraries take, costs four times as much, and a line is
    written for every change that is asked for.
    """

    def __init__(self, out: _RedactingStream, name: str = "") -> None:
        self.name = name
        self.msg = out.put
        self.log = self.debug = self.info = self.warning = self.warn = self.error = self.msg
        self.critical = self.fatal = self.exception = self.failure = self.msg


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Set logging up for the whole process, libraries included; once, loggers keep what they saw.

    Args:
        settings: Level, form, and the secrets to blank.
        stream: Where to; standard error when left out.
    """
    level = _LEVELS[settings.log_level]
    out = _RedactingStream(stream or sys.stderr, Redactor(settings.secrets()))
    structlog.configure(
        processors=[_add_facts, RepeatedWarnings(), *_renderers(settings.log_format)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=partial(_Lines, out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast("TextIO", out))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_add_facts],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings.log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    # It warns of what clients send, which is no news: whoever likes could fill the log with it.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def _renderers(log_format: str) -> list[structlog.types.Processor]:
    if log_format == "text":
        plain = structlog.dev.plain_traceback
        console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)

        def render(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
            for name, value in event.items():
                if isinstance(value, str):
                    event[name] = _escape(value, _UNSAFE)
            return _escape(str(console(logger, method, event)), _UNSAFE_IN_LINES)

        return [render]
    return [
        # Without the local variables of each frame: they may hold what a caller sent.
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        _write_json,
    ]


def _write_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    event["message"] = event.pop("event")
    try:
        return _escape(_ENCODER.encode(event).decode(), _UNSAFE)
    except (TypeError, ValueError):
        # Half pairs of characters and odd keys, which nobody may keep from being told.
        return json.dumps(event, default=repr, skipkeys=True)


def _add_facts(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add what every line has, in one step: a step for each costs more than what it adds."""
    request_id = REQUEST_ID.get()
    if request_id:
        event["request_id"] = request_id
    event["level"] = _LEVEL_NAMES.get(method, method)
    record = event.get("_record")
    event["logger"] = logger.name if record is None else record.name
    microseconds = time.time_ns() // 1000
    whole, part = divmod(microseconds, 1_000_000)
    event["timestamp"] = f"{_format_second(whole)}.{part:06d}Z"
    return event


@lru_cache(maxsize=4)
def _format_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
