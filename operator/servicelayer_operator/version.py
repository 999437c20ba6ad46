"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """The version of the installed distribution."""
    try:
        return version("servicelayer")
    except PackageNotFoundError:
        return "unknown"
