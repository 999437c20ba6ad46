"""Audit entries, the file they are copied to, and the writers' behaviour when a target fails."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Counter

from servicelayer_api.audit import rules
from servicelayer_api.audit.service import Backlog
from servicelayer_api.audit.sink import FileSink
from servicelayer_api.audit.strangers import Strangers
from servicelayer_api.audit.worker import _Writer
from servicelayer_api.errors import Unavailable
from servicelayer_api.ids import new_id
from servicelayer_api.web.principal import Caller, Credential, CredentialKind, Principal, Role

if TYPE_CHECKING:
    from pathlib import Path

    from servicelayer_api.audit.models import Draft, Entry

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_caller(*, path: str = "/accounts", user_agent: str = "test") -> Caller:
    credential = Credential(user="alice", role=Role.ADMIN, kind=CredentialKind.PASSWORD)
    return Caller(
        method="POST",
        path=path,
        request_id="r-1",
        remote_addr="192.0.2.1",
        user_agent=user_agent,
        principal=Principal(credential=credential, tenant="acme"),
    )


def make_entry(number: int = 0) -> Entry:
    return rules.draft_entry(
        make_caller(path=f"/accounts/{number}"), entry_id=new_id(), time=NOW, status=403
    ).entry


def make_backlog(size: int = 100) -> Backlog:
    return Backlog(Counter("dropped", "Dropped", registry=CollectorRegistry()), size)


async def _nothing(*, last: bool) -> None:
    """Put nothing more into a backlog."""


def dropped(backlog: Backlog) -> float:
    return backlog._dropped._value.get()


def test_entry_says_who_did_what_from_where() -> None:
    entry = make_entry()

    assert (entry.user, entry.role, entry.tenant) == ("alice", "admin", "acme")
    assert (entry.method, entry.status, entry.remote_addr) == ("POST", 403, "192.0.2.1")


def test_entry_of_nobody_is_empty_where_the_principal_would_be() -> None:
    caller = make_caller()
    caller.principal = None
    entry = rules.draft_entry(caller, entry_id=new_id(), time=NOW, status=401).entry

    assert (entry.user, entry.role, entry.tenant, entry.credential) == ("", "", "", "")


def test_states_are_kept_as_salted_digests_of_their_canonical_form() -> None:
    def draft(salt: bytes, before: object, after: object) -> Draft:
        return rules.draft_entry(
            make_caller(),
            entry_id=new_id(),
            time=NOW,
            status=200,
            salt=salt,
            before=before,
            after=after,
        )

    one = draft(b"a" * 16, {"x": 1, "y": 2}, None)
    assert one.entry.before == draft(b"a" * 16, {"y": 2, "x": 1}, None).entry.before
    assert one.entry.before == hashlib.sha256(b"a" * 16 + b'{"x":1,"y":2}').hexdigest()
    assert one.entry.before != draft(b"b" * 16, {"x": 1, "y": 2}, None).entry.before
    assert (one.entry.after, one.salt) == ("", b"a" * 16)
    assert draft(b"a" * 16, None, None).salt == b""
    assert len(draft(b"a" * 16, None, 0).entry.after) == 64


def test_texts_of_the_client_are_cut_and_storable() -> None:
    caller = make_caller(path="/\0" + "x" * 9000, user_agent="\udcff" + "y" * 9000)
    entry = rules.draft_entry(caller, entry_id=new_id(), time=NOW, status=401).entry

    assert len(entry.path) == 2048
    assert len(entry.user_agent) == 256
    assert "\0" not in entry.path
    entry.user_agent.encode()


@pytest.mark.parametrize(
    ("method", "status", "worth"),
    [
        ("POST", 401, True),
        ("DELETE", 404, True),
        ("PATCH", 500, True),
        ("POST", 201, False),
        ("GET", 403, False),
        ("HEAD", 500, False),
        ("OPTIONS", 404, False),
    ],
)
def test_only_refused_changes_are_noted_after_the_answer(
    method: str, status: int, *, worth: bool
) -> None:
    assert rules.is_refused_change(method, status) is worth


def test_part_of_a_path_is_found_literally() -> None:
    assert rules.like_pattern("50%_\\x") == "%50\\%\\_\\\\x%"


def test_file_holds_one_entry_a_line_and_is_not_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    sink.append([make_entry(1), make_entry(2)])
    sink.append([make_entry(3)])

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["path"] for line in lines] == ["/accounts/1", "/accounts/2", "/accounts/3"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_file_that_was_rotated_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    sink.append([make_entry(1)])
    path.rename(tmp_path / "audit.jsonl.1")
    sink.append([make_entry(2)])

    assert json.loads(path.read_text())["path"] == "/accounts/2"


def test_gap_of_a_full_disk_is_told_in_the_file_when_there_is_room_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.symlink_to("/dev/full")
    sink = FileSink(path)
    with pytest.raises(OSError, match="No space left"):
        sink.append([make_entry(1), make_entry(2)])
    path.unlink()
    sink.append([make_entry(3)])

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"gap": 2}
    assert lines[1]["path"] == "/accounts/3"


def test_line_that_was_cut_by_a_full_disk_does_not_swallow_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    genuine, calls = os.write, 0

    def short(descriptor: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            return genuine(descriptor, data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        with pytest.raises(OSError, match="No space left"):
            sink.append([make_entry(1)])
    sink.append([make_entry(2)])

    lines = path.read_text().splitlines()
    assert len(lines[0]) == 20
    assert json.loads(lines[1]) == {"gap": 1}
    assert json.loads(lines[2])["path"] == "/accounts/2"


def test_backlog_that_is_full_counts_what_it_lets_go() -> None:
    backlog = make_backlog(size=2)
    entries = [make_entry(number) for number in range(4)]
    for entry in entries:
        backlog.put(entry)

    assert dropped(backlog) == 2
    taken = backlog.take(5)
    assert taken == entries[:2]
    backlog.put(entries[2])
    backlog.put_back(taken)
    assert backlog.take(5) == [entries[0], entries[2]]
    assert dropped(backlog) == 3


async def test_database_writer_keeps_entries_while_the_database_is_away() -> None:
    backlog, stop = make_backlog(), asyncio.Event()
    written: list[Entry] = []
    refusals = 2

    async def write(batch: list[Entry]) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise Unavailable
        written.extend(batch)
        stop.set()

    entries = [make_entry(number) for number in range(3)]
    for entry in entries:
        backlog.put(entry)
    await asyncio.wait_for(
        _Writer("database", backlog, write, keep=True, refill=_nothing).run(stop), 20
    )

    assert written == entries
    assert dropped(backlog) == 0


async def test_file_writer_counts_what_the_disk_refused() -> None:
    backlog, stop = make_backlog(), asyncio.Event()

    async def write(_batch: list[Entry]) -> None:
        stop.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    backlog.put(make_entry())
    await asyncio.wait_for(
        _Writer("file", backlog, write, keep=False, refill=_nothing).run(stop), 20
    )

    assert dropped(backlog) == 1


async def test_writer_writes_what_is_left_when_it_is_told_to_stop() -> None:
    backlog, stop = make_backlog(size=2000), asyncio.Event()
    written: list[Entry] = []

    async def write(batch: list[Entry]) -> None:
        written.extend(batch)

    for number in range(1200):
        backlog.put(make_entry(number))
    stop.set()
    await asyncio.wait_for(
        _Writer("database", backlog, write, keep=True, refill=_nothing).run(stop), 20
    )

    assert len(written) == 1200
    assert not backlog


def _refusal(address: str, *, status: int = 401, route: str = "", second: int = 0) -> Entry:
    return replace(
        make_entry(),
        remote_addr=address,
        status=status,
        route=route,
        time=NOW + timedelta(seconds=second),
    )


def test_refusals_of_a_stranger_in_a_minute_share_an_entry() -> None:
    strangers = Strangers()
    strangers.take(NOW)

    at_once = [strangers.note(_refusal("10.0.0.1")) for _ in range(1000)]

    assert [entry is not None for entry in at_once] == [True] + [False] * 999
    assert strangers.take(NOW) == []
    (gathered,) = strangers.take(NOW + timedelta(minutes=1))
    assert (gathered.requests, gathered.remote_addr) == (999, "10.0.0.1")
    assert strangers.note(_refusal("10.0.0.1")) is not None


@pytest.mark.parametrize(
    ("addresses", "most"),
    [
        ([f"10.{n // 250}.0.{n % 250}" for n in range(2000)], 201),
        ([f"2001:db8::{n:x}" for n in range(2000)], 1),
        (["10.0.0.1"] * 2000, 9),
        ([f"10.0.0.{n % 30}" for n in range(2000)], 201),
    ],
)
def test_the_entries_of_a_minute_are_bounded_and_add_up(addresses: list[str], most: int) -> None:
    strangers = Strangers()
    strangers.take(NOW)

    entries = [
        strangers.note(_refusal(address, route=f"/{number % 40 if most != 1 else 0}"))
        for number, address in enumerate(addresses)
    ]
    written = [entry for entry in entries if entry is not None]
    gathered = strangers.take(NOW, last=True)

    assert len(written) <= most
    assert len(gathered) <= most
    assert len(written) + sum(int(cast("int", entry.requests)) for entry in gathered) == 2000


def test_the_leaf_of_an_entry_for_one_request_is_as_it_always_was() -> None:
    one = make_entry()

    assert b"requests" not in rules.leaf_data(one)
    assert b'"requests":7' in rules.leaf_data(replace(one, requests=7))
