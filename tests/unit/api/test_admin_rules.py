"""What changes make of configured items, and how requests of a tenant are counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from servicelayer_api.admin import rules
from servicelayer_api.admin.errors import RequestQuotaExceeded
from servicelayer_api.admin.models import (
    MASK,
    ChainChange,
    FeatureFlagChange,
    MethodListChange,
    Provider,
    ProviderChange,
    Quota,
    SettingChange,
)
from servicelayer_api.admin.requests import RequestQuota
from servicelayer_api.clock import FixedClock
from servicelayer_api.errors import Invalid

if TYPE_CHECKING:
    from servicelayer_api.admin.quotas import Quotas
    from servicelayer_api.db import Database

NOW = datetime(2026, 3, 4, 5, 6, 58, tzinfo=UTC)


def test_new_items_have_the_defaults_of_the_contract() -> None:
    chain = rules.new_item(rules.CHAINS, ChainChange(chain_id="c", rpc_url="http://n.test"))
    assert (chain.name, chain.chain_type, chain.enabled, chain.healthy) == ("c", "evm", True, True)
    setting = rules.new_item(rules.SETTINGS, SettingChange(key="k", value="v"))
    assert (setting.type, setting.category, setting.editable) == ("string", "general", False)
    on = rules.new_item(rules.FEATURES, FeatureFlagChange(key="f", enabled=True))
    off = rules.new_item(rules.FEATURES, FeatureFlagChange(key="f", enabled=False))
    part = rules.new_item(rules.FEATURES, FeatureFlagChange(key="f", enabled=True, rollout=5))
    assert (on.rollout, off.rollout, part.rollout) == (100, 0, 5)


def test_fields_that_are_sent_are_set_and_the_others_stay() -> None:
    before = Provider(name="n", type="t", base_url="http://p.test", retries=3, metadata={"a": "b"})
    after = rules.apply(rules.PROVIDERS, before, ProviderChange(retries=0, metadata=None))
    assert (after.retries, after.metadata, after.name) == (0, {}, "n")
    # The server's own fields are no one else's to set.
    same = rules.apply(rules.PROVIDERS, before, ProviderChange(id="x", created_at="2020"))
    assert same == before


def test_api_key_is_a_mask_as_soon_as_it_is_known() -> None:
    new = rules.apply(rules.PROVIDERS, Provider(), ProviderChange(api_key="sesame"))
    assert new.api_key == MASK
    assert rules.apply(rules.PROVIDERS, new, ProviderChange(api_key=MASK)).api_key == MASK
    assert rules.apply(rules.PROVIDERS, Provider(), ProviderChange(api_key=MASK)).api_key == ""
    assert rules.apply(rules.PROVIDERS, new, ProviderChange(api_key="")).api_key == ""


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        (ChainChange(), ["chain_id", "rpc_url"]),
        (ChainChange(chain_id="c", rpc_url="ftp://n.test"), ["rpc_url"]),
        (ChainChange(chain_id="c", rpc_url="http://"), ["rpc_url"]),
        (ChainChange(chain_id="c", rpc_url="http://[n"), ["rpc_url"]),
        (ChainChange(chain_id="c", rpc_url="http://n.test", ws_url="http://n.test"), ["ws_url"]),
        (
            ChainChange(chain_id="c", rpc_url="http://n.test", metadata={"a": "\0"}),
            ["metadata"],
        ),
    ],
)
def test_item_that_cannot_work_is_refused_by_field(change: ChainChange, fields: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        rules.new_item(rules.CHAINS, change)
    assert [fault.field for fault in caught.value.fields] == fields


def test_text_with_nul_is_refused_wherever_it_stands() -> None:
    with pytest.raises(Invalid):
        rules.new_item(rules.METHODS, MethodListChange(chain_id="c", methods=["a", "b\0"]))
    with pytest.raises(Invalid):
        rules.check_key(rules.SETTINGS, "a\0", SettingChange())


def test_body_about_another_item_than_the_path_names_is_refused() -> None:
    rules.check_key(rules.SETTINGS, "a", SettingChange(key="a"))
    rules.check_key(rules.SETTINGS, "a", SettingChange())
    rules.check_key(rules.CHAINS, "a", ChainChange(id="b"))
    with pytest.raises(Invalid):
        rules.check_key(rules.SETTINGS, "a", SettingChange(key="b"))


def make_requests(clock: FixedClock) -> RequestQuota:
    # Counting needs neither the database nor the look-up of quotas.
    return RequestQuota(cast("Database", None), clock, cast("Quotas", None))


def test_requests_of_a_minute_run_out_and_come_back_with_the_next() -> None:
    clock = FixedClock(NOW)
    requests, quota = make_requests(clock), Quota(tenant_id="t", max_requests_per_min=2)
    requests._take("t", quota)
    requests._take("t", quota)
    with pytest.raises(RequestQuotaExceeded) as caught:
        requests._take("t", quota)
    assert (caught.value.quota, caught.value.limit) == ("max_requests_per_min", 2)
    assert caught.value.retry_after == 2
    requests._take("other", quota)

    clock.advance(timedelta(seconds=2))
    requests._take("t", quota)


def test_requests_of_a_day_run_out_though_each_minute_has_some_left() -> None:
    clock = FixedClock(NOW)
    requests = make_requests(clock)
    quota = Quota(tenant_id="t", max_requests_per_min=2, max_requests_per_day=3)
    for _ in range(3):
        requests._take("t", quota)
        clock.advance(timedelta(minutes=1))
    with pytest.raises(RequestQuotaExceeded) as caught:
        requests._take("t", quota)
    assert caught.value.quota == "max_requests_per_day"
    assert caught.value.retry_after == 18 * 3600 + 50 * 60 + 2
    # What was refused by the day is not counted for the minute.
    assert requests._windows["t", "minute"].own == 0
