"""The system's use cases: version, status, descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.system import rules
from servicelayer_api.system.models import Descriptor, Migrations, Status
from servicelayer_api.version import build_info

if TYPE_CHECKING:
    from servicelayer_api.clock import Clock
    from servicelayer_api.settings import Settings
    from servicelayer_api.web.modules import ModuleRegistry
    from servicelayer_api.web.principal import Principal
    from servicelayer_api.web.store_module import Store


class SystemService:
    """Tells about the program; everything it says was found out before it is asked."""

    def __init__(
        self, settings: Settings, clock: Clock, modules: ModuleRegistry, store: Store
    ) -> None:
        """Tell about these parts."""
        self._settings = settings
        self._clock = clock
        self._modules = modules
        self._store = store
        self._version = build_info()

    def version(self) -> dict[str, str]:
        """Give the build."""
        return self._version

    def descriptors(self) -> list[Descriptor]:
        """List the modules with their capabilities, by layer and name."""
        return rules.descriptors(self._modules.states())

    def status(self, principal: Principal) -> Status:
        """Give the state of all modules; to who is bound to a tenant without the reasons."""
        states = self._modules.states()
        return rules.status(
            states if principal.credential.tenant is None else list(map(rules.hide, states)),
            version=self._version,
            listen_addr=str(self._settings.listen_addr),
            slow_ms=self._settings.module_slow_ms,
            migrations=Migrations(current=self._store.current, latest=self._store.latest),
            now=self._clock.now(),
        )
