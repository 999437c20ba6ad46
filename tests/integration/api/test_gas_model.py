"""The ledger against a plain model, disturbed; `tests/load/ledger_model.py` goes on longer."""

from __future__ import annotations

import pytest

from support.ledger_model import LedgerDriver

OPERATIONS = 1500


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_operations_do_to_the_ledger_what_they_do_to_a_plain_model(
    database_url: str, seed: int
) -> None:
    driver = LedgerDriver(database_url, seed)

    await driver.run(OPERATIONS)

    assert driver.done >= OPERATIONS
    assert driver.disturbances > 10
    assert len(driver.kinds) == 7
    ended = {one.status for one in driver.model.withdrawals.values()}
    assert {"completed", "failed", "cancelled"} <= ended
