"""Who is told why a module is not ready: the platform, and nobody who is bound to a tenant."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import msgspec
import pytest

from servicelayer_api.clock import SystemClock
from servicelayer_api.settings import Settings
from servicelayer_api.system.service import SystemService
from servicelayer_api.web.modules import Module, ModuleRegistry, ModuleState
from servicelayer_api.web.principal import Credential, CredentialKind, Principal, Role

if TYPE_CHECKING:
    from servicelayer_api.web.store_module import Store

INSIDE = "the database at db.internal:5432 says: no such user"
WAITS = "waiting for dependencies: store"


class States(ModuleRegistry):
    """A registry in which the database is away."""

    def states(self) -> list[ModuleState]:
        return [
            ModuleState(
                module=Module(name="store", domain="d"), ready="not-ready", ready_error=INSIDE
            ),
            ModuleState(
                module=Module(name="vault", domain="d"), ready="not-ready", ready_error=WAITS
            ),
            ModuleState(module=Module(name="system", domain="d"), ready="ready"),
        ]


@pytest.mark.parametrize(("tenant", "told"), [(None, True), ("t", False)])
def test_why_a_module_is_not_ready_is_told_to_the_platform_only(
    tenant: str | None, told: bool
) -> None:
    clock = SystemClock()
    store = cast("Store", SimpleNamespace(current=1, latest=1))
    system = SystemService(Settings(), clock, States(clock), store)
    credential = Credential(user="u", role=Role.USER, kind=CredentialKind.PASSWORD, tenant=tenant)

    shown = msgspec.to_builtins(system.status(Principal(credential=credential, tenant="t")))

    text = str(shown)
    assert (INSIDE in text) is told
    assert ("db.internal" in text) is told
    assert WAITS in text
