import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.processes import (
    ProcessRecord,
    kill_pids,
    log_tail,
    pids_with_marker,
    spawn,
    start_ticks,
    stop,
)

MARKER = "SERVICELAYER_UNIT_TEST"


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[ProcessRecord]:
    record = spawn("sleeper", ["sleep", "60"], log=tmp_path / "log", env={MARKER: str(tmp_path)})
    yield record
    stop([record], grace=0)


def test_a_running_process_is_alive_by_its_record(sleeper: ProcessRecord) -> None:
    assert sleeper.alive()


def test_a_record_refuses_a_process_that_got_the_same_id_later(sleeper: ProcessRecord) -> None:
    reused = dataclasses.replace(sleeper, started=sleeper.started - 1)
    assert not reused.alive()
    stop([reused])
    assert sleeper.alive()


def test_a_record_of_another_boot_is_dead(sleeper: ProcessRecord) -> None:
    earlier = dataclasses.replace(sleeper, boot="00000000-0000-0000-0000-000000000000")
    stop([earlier])
    assert sleeper.alive()


def test_stop_ends_a_process_and_leaves_no_zombie(sleeper: ProcessRecord) -> None:
    stop([sleeper])
    assert not sleeper.alive()
    assert not Path(f"/proc/{sleeper.pid}").exists()


def test_stop_kills_a_process_that_ignores_being_asked(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap '' TERM; touch {ready}; while :; do sleep 0.05; done"
    record = spawn("stubborn", ["bash", "-c", script], log=tmp_path / "log")
    while not ready.exists():
        assert record.alive()
    stop([record], grace=0.2)
    assert not record.alive()


def test_a_process_is_found_by_its_mark_without_any_record(
    sleeper: ProcessRecord, tmp_path: Path
) -> None:
    assert pids_with_marker(MARKER, str(tmp_path)) == [sleeper.pid]
    assert pids_with_marker(MARKER, f"{tmp_path}/other") == []


def test_processes_found_by_mark_are_killed(sleeper: ProcessRecord, tmp_path: Path) -> None:
    kill_pids(pids_with_marker(MARKER, str(tmp_path)))
    assert not sleeper.alive()


def test_a_program_does_not_inherit_a_proxy_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.test")
    record = spawn("sleeper", ["sleep", "60"], log=tmp_path / "log")
    try:
        assert b"HTTPS_PROXY" not in Path(f"/proc/{record.pid}/environ").read_bytes()
    finally:
        stop([record], grace=0)


def test_a_program_that_cannot_be_found_is_named(tmp_path: Path) -> None:
    with pytest.raises((ClusterError, FileNotFoundError), match="no-such-program"):
        spawn("no-such-program", ["/no-such-program"], log=tmp_path / "log")


def test_start_ticks_of_a_process_that_is_gone_is_none() -> None:
    assert start_ticks(2**22 + 1) is None
    assert start_ticks(os.getpid()) is not None


def test_the_end_of_a_log_is_shown_with_its_path(tmp_path: Path) -> None:
    log = tmp_path / "etcd.log"
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    shown = log_tail(log, lines=2)
    assert "line 98" in shown
    assert "line 99" in shown
    assert "line 97" not in shown
    assert str(log) in shown
