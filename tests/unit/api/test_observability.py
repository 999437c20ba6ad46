from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING, Literal

import pytest
import structlog

from servicelayer_api import observability
from servicelayer_api.log_repeats import RepeatedWarnings
from servicelayer_api.settings import Secret, Settings
from servicelayer_api.web.edge import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], _ = handlers, root.setLevel(level)
    structlog.reset_defaults()


def _configured(**settings: object) -> io.StringIO:
    out = io.StringIO()
    observability.configure(Settings(**settings), out)  # pyright: ignore[reportArgumentType]
    return out


def test_a_line_is_json_with_level_time_and_request() -> None:
    out = _configured()
    token = REQUEST_ID.set("r-1")

    structlog.get_logger("here").info("something happened", count=3)

    REQUEST_ID.reset(token)
    line = json.loads(out.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "message": "something happened",
        "count": 3,
        "level": "info",
        "logger": "here",
        "request_id": "r-1",
    }


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("half \ud800 pair", "half \ud800 pair"),
        ("two\nlines", "two\nlines"),
        ({1: "a", "b": None}, {"1": "a", "b": None}),
        (float("inf"), None),
        (2**70, 2**70),
    ],
)
def test_an_odd_value_is_told_in_one_line_and_never_keeps_a_line_from_being_written(
    value: object, seen: object
) -> None:
    out = _configured()

    structlog.get_logger("here").info("odd", value=value)

    assert out.getvalue().count("\n") == 1
    assert json.loads(out.getvalue())["value"] == seen


def test_a_value_of_no_json_type_is_told_by_its_representation() -> None:
    out = _configured()

    structlog.get_logger("here").info("odd", value=pytest)

    assert "module 'pytest'" in json.loads(out.getvalue())["value"]


def test_lines_below_the_level_are_not_written() -> None:
    out = _configured(log_level="warning")

    structlog.get_logger("here").info("quiet")
    logging.getLogger("library").info("quiet")

    assert out.getvalue() == ""


def _fail(local: str) -> None:
    assert local
    raise RuntimeError(f"Bearer canary-two, {_JWT}")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_secrets_are_blanked_wherever_they_come_from(log_format: str) -> None:
    out = _configured(
        log_format=log_format,
        api_tokens=Secret("canary-one,canary-two"),
        auth_jwt_secret=Secret('canary"three'),
    )
    hidden = "canary-local-variable"

    structlog.get_logger("a").info("canary-one", field={"deep": ["canary-two"]})
    logging.getLogger("library").warning('said "canary"three"')
    try:
        _fail(hidden)
    except RuntimeError:
        structlog.get_logger("a").exception("failed")
    logging.getLogger("b").warning("postgres://user:hunter22@host/db")

    written = out.getvalue()
    assert [
        s for s in ("canary-one", "canary-two", 'canary"three', _JWT, "hunter22") if s in written
    ] == []
    assert hidden not in written
    assert "RuntimeError" in written
    assert written.count("[redacted]") >= 5


def test_text_is_for_people() -> None:
    out = _configured(log_format="text")

    structlog.get_logger("here").warning("look out", place="door")

    assert "look out" in out.getvalue()
    assert "place=door" in out.getvalue()


async def test_lines_of_one_turn_of_the_loop_are_written_at_its_end_in_order_and_blanked() -> None:
    out = _configured(api_tokens=Secret("canary-one"))
    log = structlog.get_logger("here")

    log.info("first", value="canary-one")
    log.info("second")
    before = out.getvalue()
    await asyncio.sleep(0)

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert before == ""
    assert [line["message"] for line in lines] == ["first", "second"]
    assert lines[0]["value"] == "[redacted]"


async def test_no_line_is_lost_when_the_program_ends_within_a_turn() -> None:
    out = _configured()

    structlog.get_logger("here").info("last words")
    for handler in logging.getLogger().handlers:
        handler.flush()  # as `logging` does at the end of the program

    assert json.loads(out.getvalue())["message"] == "last words"


async def test_a_thread_beside_the_loop_writes_its_lines_at_once() -> None:
    out = _configured()

    await asyncio.to_thread(structlog.get_logger("here").info, "from a thread")

    assert json.loads(out.getvalue())["message"] == "from a thread"


def test_a_warning_that_repeats_is_told_once_a_minute_with_its_count() -> None:
    now = 0.0
    repeats = RepeatedWarnings(lambda: now)

    def tell(level: str = "warning", **more: object) -> dict[str, object] | None:
        line = {"level": level, "event": "away", "logger": "worker", "timestamp": now, **more}
        try:
            return dict(repeats(None, level, line))
        except structlog.DropEvent:
            return None

    assert tell() is not None
    now = 59.0
    assert [tell(), tell(retry_seconds=4)] == [None, None]
    assert tell(reason="another") is not None
    assert tell("error") is not None
    assert tell(request_id="r-1") is not None
    now = 60.0
    told = tell()
    assert told is not None
    assert told["repeated"] == 2
    assert tell() is None


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_nothing_that_is_logged_reaches_a_terminal_as_a_command(
    log_format: Literal["json", "text"],
) -> None:
    hostile = "a\x1b[2Jb\u202ec\r\nlevel=error d\x9be\u2028f\u200bg\x7fh"
    out = _configured(log_format=log_format)

    structlog.get_logger("test").warning("request", path=hostile, note=[hostile])
    logging.getLogger("library").warning("from a library: %s", hostile)
    structlog.get_logger("test").error("failed", exc_info=ValueError(hostile))

    written = out.getvalue()
    assert not set(written.replace("\n", "")) & set("\x1b\u202e\r\x9b\u2028\u200b\x7f")
    assert "\\u001b" in written
    if log_format == "json":
        assert [json.loads(line)["level"] for line in written.splitlines()] == [
            "warning", "warning", "error",
        ]  # fmt: skip
    else:
        assert len([line for line in written.splitlines() if "level=error" in line]) <= 4
