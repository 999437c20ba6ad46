"""The routes of the configuration, a file a collection; all need an admin of the platform."""

from servicelayer_api.admin.routes import chains, features, methods, providers, quotas, settings

ROUTES = [
    *chains.ROUTES,
    *providers.ROUTES,
    *settings.ROUTES,
    *features.ROUTES,
    *quotas.ROUTES,
    *methods.ROUTES,
]

__all__ = ["ROUTES"]
