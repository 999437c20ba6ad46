"""Oracle requests while servers are killed: each is done once in effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.oracle_crashes import drain

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(240)
def test_requests_are_each_done_once_whichever_servers_are_killed(
    database_url: str, tmp_path: Path
) -> None:
    tally = drain(database_url, tmp_path, requests=600, servers=3, kills=4)
    assert tally.kills == 4
    assert tally.succeeded == tally.asked == 600
    assert tally.audited == {1}
    assert tally.failed_in_audit == 0
    assert tally.asked <= tally.calls <= tally.attempts
