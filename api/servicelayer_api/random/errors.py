"""Refusals of randomness."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, NotFound


class RandomRequestNotFound(NotFound):
    """The account made no random request of this id."""

    code = "random-request-not-found"
    title = "Random request not found"


class RandomRequestDiffers(Conflict):
    """The account used this `request_id` before, with another length or client seed.

    A request id stands for one draw for ever: the same parameters give the same answer again,
    others need another id.
    """

    code = "random-request-differs"
    title = "Random request differs"


class RandomKeyRetired(Conflict):
    """The request was committed under a key that the server no longer holds.

    What was answered before stays readable. What was not can be computed once the operator puts the
    key into `RANDOM_PREVIOUS_KEYS`; another key would give another value and is never used.
    """

    code = "random-key-retired"
    title = "Random key retired"
