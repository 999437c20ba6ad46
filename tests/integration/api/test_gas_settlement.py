"""Settlement against a resolver, by one replica and by three that are killed at random."""

from __future__ import annotations

import random
import re
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.api_server import ApiProcess, running_api
from support.fake_resolver import FakeResolver, planned
from support.gas import Bank, Gas, as_user, run_sql
from support.patience import patience
from support.people import auth_users
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servicelayer_api.local_postgres import LocalPostgres

KEY = "canary-resolver-key-81d7"
WITHDRAWALS = 60
LIMIT = 60.0


def settings(resolver: FakeResolver, **more: str) -> dict[str, str]:
    return {
        "GASBANK_RESOLVER_URL": resolver.url,
        "GASBANK_RESOLVER_KEY": KEY,
        "GASBANK_RESOLVER_TIMEOUT": "1s",
        "GASBANK_POLL_INTERVAL": "100ms",
        "GASBANK_MAX_ATTEMPTS": "3",
        "GASBANK_CHECK_INTERVAL": "200ms",
        "EGRESS_ALLOW": "127.0.0.1/32",
        "AUTH_USERS": auth_users(),
        "LOG_LEVEL": "warning",
        **more,
    }


@pytest.fixture(scope="module")
def resolver() -> Iterator[FakeResolver]:
    with FakeResolver(KEY) as running:
        yield running


@pytest.fixture(scope="module")
def bank(
    resolver: FakeResolver, postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("settlement")
    with (
        own_database(postgres) as dsn,
        running_api(dsn, folder, **settings(resolver)) as api,
        api.client() as client,
    ):
        yield Bank(api, client, dsn)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + patience(LIMIT)
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def status(gas: Gas, withdrawal: str) -> str:
    return str(gas.get(f"/withdrawals/{withdrawal}")["Status"])


def ended(gas: Gas, withdrawal: str) -> dict[str, Any]:
    wait_until(
        lambda: status(gas, withdrawal) not in {"scheduled", "pending", "dispatched"},
        f"{withdrawal} does not end",
    )
    found: dict[str, Any] = gas.get(f"/withdrawals/{withdrawal}")
    return found


def test_withdrawal_is_settled_and_leaves_the_ledger(bank: Bank, resolver: FakeResolver) -> None:
    resolver.plan = "succeeds"
    gas = Gas(bank)
    gas.deposit(5)

    found = ended(gas, gas.withdrawn(2))

    assert (found["Status"], found["NetAmount"], found["Error"]) == ("completed", 2, "")
    assert found["CompletedAt"] >= found["DispatchedAt"] > found["CreatedAt"]
    assert gas.figures == (3, 3, 0, 2)
    assert gas.cancel(found["ID"]).status_code == 409
    assert not resolver.unauthorised


def test_refused_withdrawal_gives_its_gas_and_the_daily_limit_back(
    bank: Bank, resolver: FakeResolver
) -> None:
    resolver.plan = "fails"
    gas = Gas(bank)
    gas.deposit(5)

    found = ended(gas, gas.withdrawn(2))

    assert (found["Status"], found["NetAmount"]) == ("failed", 0)
    assert found["Error"] == "as planned"
    assert gas.figures == (5, 5, 0, 0)


def test_waiting_is_no_failure_however_long(bank: Bank, resolver: FakeResolver) -> None:
    resolver.plan = "waits"
    gas = Gas(bank)
    gas.deposit(5)
    withdrawal = gas.withdrawn(2)
    resolver.asked[withdrawal] = -8

    wait_until(lambda: resolver.asked[withdrawal] > -2, "it is not asked about again")
    waiting = gas.get(f"/withdrawals/{withdrawal}/attempts")
    refused = gas.cancel(withdrawal)

    assert [(a["Attempt"], a["Status"]) for a in waiting] == [(1, "retry")]
    assert refused.status_code == 409
    assert ended(gas, withdrawal)["Status"] == "completed"
    attempts = gas.get(f"/withdrawals/{withdrawal}/attempts")
    assert [(a["Attempt"], a["Status"]) for a in attempts] == [(2, "succeeded"), (1, "retry")]


def test_errors_end_in_a_dead_letter_that_its_owner_finds_retries_and_deletes(
    bank: Bank, resolver: FakeResolver
) -> None:
    resolver.plan = "breaks"
    gas, other = Gas(bank), Gas(bank)
    gas.deposit(5)
    withdrawal = gas.withdrawn(2)

    found = ended(gas, withdrawal)
    assert (found["Status"], found["ResolverError"]) == ("dead_letter", "the resolver answered 500")
    assert gas.figures == (5, 3, 2, 2)
    letters = gas.get("/deadletters")
    assert [(d["TransactionID"], d["AccountID"], d["Retries"]) for d in letters] == [
        (withdrawal, gas.account, 3)
    ]
    assert other.get("/deadletters") == []

    again = bank.http.post(f"{gas.base}/deadletters/{withdrawal}/retry", json={})
    assert again.json()["Status"] == "pending"
    assert ended(gas, withdrawal)["Status"] == "dead_letter"
    assert bank.http.delete(f"{gas.base}/deadletters/{withdrawal}").status_code == 204
    assert status(gas, withdrawal) == "cancelled"
    assert gas.get("/deadletters") == []
    assert gas.figures == (5, 5, 0, 0)


def test_scheduled_withdrawal_starts_when_due_and_repeats_until_there_is_too_little(
    bank: Bank, resolver: FakeResolver
) -> None:
    resolver.plan = "succeeds"
    gas = Gas(bank)
    gas.deposit(5)

    first = gas.withdraw(2, cron_expression="@every 1s").json()["transaction"]

    assert first["Status"] == "scheduled"
    assert ended(gas, first["ID"])["Status"] == "completed"
    listed = {"gas_account_id": gas.id}
    wait_until(
        lambda: (
            len(gas.get("/withdrawals", **listed, status="completed")) == 2
            and gas.get()[0]["Pending"] == 0
        ),
        "the second one does not come",
    )
    notes = [found["Notes"] for found in gas.get("/withdrawals", **listed)]
    assert notes[0].startswith("not repeated: insufficient funds")
    assert notes[1] == ""
    assert gas.figures[0] == 1


def test_metrics_show_the_queue_and_that_the_ledger_is_sound(
    bank: Bank, resolver: FakeResolver
) -> None:
    resolver.plan = "succeeds"
    gas = Gas(bank)
    gas.deposit(5)
    ended(gas, gas.withdrawn(2))

    def shown() -> str:
        return bank.http.get("/metrics").text

    rows = run_sql(bank.dsn, "SELECT count(*) AS count FROM gas_ledger")
    entries = f"gasbank_ledger_entries {float(rows[0]['count'])}"
    wait_until(lambda: entries in shown(), "the ledger is not checked")
    text = shown()
    assert "gasbank_ledger_balanced 1.0" in text
    assert "gasbank_ledger_drift 0.0" in text
    assert re.search(r'gasbank_settlement_attempts_total\{outcome="succeeded"\} [1-9]', text)
    wait_until(lambda: "gasbank_settlement_queue 0.0" in shown(), "the queue is not shown")
    assert KEY not in text + bank.api.output()


def test_replicas_that_are_killed_settle_each_withdrawal_once(
    resolver: FakeResolver, database_url: str, tmp_path: Path
) -> None:
    resolver.plan = None
    draw = random.Random(7)  # noqa: S311 - who is killed
    extra = settings(resolver, GASBANK_MAX_ATTEMPTS="50")
    replicas = [ApiProcess(database_url, tmp_path, extra) for _ in range(3)]
    try:
        for replica in replicas:
            replica.wait_for("/readyz", 200)
        with replicas[0].client() as client:
            gas = Gas(Bank(replicas[0], client, database_url))
            gas.deposit(WITHDRAWALS)
            made = [gas.withdrawn(1) for _ in range(WITHDRAWALS)]
        for _ in range(3):
            place = draw.randrange(len(replicas))
            replicas[place].signal(signal.SIGKILL)
            replicas[place].wait()
            replicas[place] = ApiProcess(database_url, tmp_path, extra)
            time.sleep(draw.random())
        replicas[0].wait_for("/readyz", 200)
        with replicas[0].client() as client:
            gas.bank = Bank(replicas[0], client, database_url)
            figures = "pending_withdrawals"
            wait_until(lambda: gas.get("/summary")[figures] == 0, "some do not end")
            with as_user(gas.bank, "root") as root:
                verdict = root.get("/admin/gasbank/invariants").json()
    finally:
        for replica in replicas:
            replica.close()

    wanted = {one: "failed" if planned(one) == "fails" else "completed" for one in made}
    rows = run_sql(
        database_url, "SELECT id, status FROM gas_transactions WHERE type = 'withdrawal'"
    )
    assert {str(row["id"]): row["status"] for row in rows} == wanted
    ends = run_sql(
        database_url,
        "SELECT transaction_id AS id, kind FROM gas_ledger WHERE kind IN ('settle', 'release')",
    )
    assert sorted((str(row["id"]), row["kind"]) for row in ends) == sorted(
        (one, "release" if end == "failed" else "settle") for one, end in wanted.items()
    )
    assert verdict["balanced"] is True


def test_a_suspended_account_pays_nothing_out_and_can_be_stopped(
    bank: Bank, resolver: FakeResolver
) -> None:
    resolver.plan = "succeeds"
    gas, other = Gas(bank), Gas(bank)
    for each in (gas, other):
        each.deposit(100)
    due = in_seconds(5)
    resting = gas.withdrawn(1, schedule_at=due)
    bank.http.patch(f"/accounts/{gas.account}", json={"status": "suspended"}).raise_for_status()
    before = statuses(bank, gas)

    # What another account asked for later, and for the same time, is paid meanwhile.
    later = other.withdrawn(1, schedule_at=due)
    wait_until(lambda: statuses(bank, other)[later] == "completed", "not paid")

    assert statuses(bank, gas) == before == {resting: "scheduled"}
    assert gas.cancel(resting).status_code == 200
    assert gas.figures[2] == 0


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def statuses(bank: Bank, gas: Gas) -> dict[str, str]:
    rows = run_sql(
        bank.dsn,
        "SELECT id::text, status FROM gas_transactions "
        "WHERE gas_account_id = $1 AND type = 'withdrawal'",
        gas.id,
    )
    return {row["id"]: row["status"] for row in rows}
