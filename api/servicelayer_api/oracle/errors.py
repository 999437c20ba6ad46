"""Refusals of the oracle."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, NotFound, Unauthenticated


class SourceNotFound(NotFound):
    """The account has no such data source."""

    code = "oracle-source-not-found"
    title = "Data source not found"


class SourceExists(Conflict):
    """The account has a data source of this name; upper and lower case are the same."""

    code = "oracle-source-exists"
    title = "Data source exists"


class SourceInUse(Conflict):
    """The data source is enabled, or requests to it are open.

    Before it is deleted, disable it, then wait for its requests or fail them.
    """

    code = "oracle-source-in-use"
    title = "Data source in use"


class SourceDisabled(Conflict):
    """The data source is switched off: enable it before it is asked."""

    code = "oracle-source-disabled"
    title = "Data source disabled"


class TooManySources(Conflict):
    """The account has as many data sources as it may."""

    code = "oracle-too-many-sources"
    title = "Too many data sources"


class RequestNotFound(NotFound):
    """The account has no such oracle request."""

    code = "oracle-request-not-found"
    title = "Oracle request not found"


class RequestState(Conflict):
    """The oracle request is in a state that does not allow this."""

    code = "oracle-request-state"
    title = "Wrong state of the oracle request"


class RunnerTokenRequired(Unauthenticated):
    """Only an oracle runner may do this: send its token in the header `X-Oracle-Runner-Token`."""

    code = "oracle-runner-token-required"
    title = "Oracle runner token required"
