from __future__ import annotations

import json
from typing import Any

import pytest

from servicelayer_operator import errors
from servicelayer_operator.answers import error_of, retry_delay


def answer(status: int, **body: Any) -> errors.ClusterError:
    return error_of("PATCH", "/apis/x", status, json.dumps(body).encode(), {})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {}, errors.InvalidError),
        (401, {}, errors.UnauthorizedError),
        (403, {"reason": "Forbidden"}, errors.ForbiddenError),
        (404, {"reason": "NotFound"}, errors.NotFoundError),
        (409, {"reason": "AlreadyExists"}, errors.AlreadyExistsError),
        (409, {"reason": "Conflict"}, errors.ConflictError),
        (409, {}, errors.ConflictError),
        (
            409,
            {"reason": "Conflict", "message": "Precondition failed: UID in precondition: a, b"},
            errors.PreconditionError,
        ),
        (
            409,
            {"reason": "Conflict", "details": {"causes": [{"reason": "FieldManagerConflict"}]}},
            errors.FieldConflictError,
        ),
        (422, {"reason": "Invalid"}, errors.InvalidError),
        (429, {}, errors.ThrottledError),
        (500, {}, errors.UnavailableError),
        (503, {}, errors.UnavailableError),
        (418, {}, errors.ClusterError),
        (599, {}, errors.UnavailableError),
    ],
)
def test_each_answer_has_its_error(
    status: int, body: dict[str, Any], kind: type[errors.ClusterError]
) -> None:
    error = answer(status, **body)
    assert type(error) is kind
    assert error.status == status


def test_only_what_a_retry_can_mend_is_retried() -> None:
    retried = {
        status
        for status in (400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)
        if answer(status).retriable
    }
    assert retried == {401, 409, 429, 500, 502, 503, 504}


def test_an_answer_that_is_not_json_is_still_an_error() -> None:
    error = error_of("GET", "/x", 502, b"<html>bad gateway</html>", {})
    assert isinstance(error, errors.UnavailableError)
    assert "502" in str(error)


def test_the_servers_wish_to_wait_is_obeyed_up_to_a_limit() -> None:
    asked = error_of("GET", "/x", 429, b"{}", {"Retry-After": "3"})
    assert 3.0 <= retry_delay(asked, 1, 0.0) <= 3.5
    never = error_of("GET", "/x", 429, b"{}", {"Retry-After": "86400"})
    assert retry_delay(never, 1, 0.9) == 30.0
    odd = error_of("GET", "/x", 429, b"{}", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})
    assert odd.retry_after is None


def test_waits_in_place_grow() -> None:
    error = answer(500)
    delays = [retry_delay(error, attempt, 0.5) for attempt in range(1, 6)]
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2]
