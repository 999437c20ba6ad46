"""Names that stand in a path, and paths that mean the same to everybody."""

from __future__ import annotations

import pytest

from servicelayer_api.path_names import cannot_be_addressed, is_canonical


@pytest.mark.parametrize("name", [".", "..", " .. ", "a/b", "/", "db/", "a\\b", "../x"])
def test_a_name_that_separates_or_climbs_is_none(name: str) -> None:
    assert cannot_be_addressed(name)


@pytest.mark.parametrize("name", ["db", "a.b", "...", ".env", "50%2F", "a b", "ünï"])
def test_any_other_name_is_one(name: str) -> None:
    assert not cannot_be_addressed(name)


@pytest.mark.parametrize(
    "path",
    [
        *(b"/%2Flivez", b"/admin%2faudit", b"/accounts/a/secrets/db%2F", b"/a%5Cb", b"/a\\b"),
        *(b"/a/../b", b"/a/..", b"/./a", b"/a/%2e%2E/b", b"/a/.%2e", b"/a%00"),
    ],
)
def test_a_path_that_readers_understand_differently_is_not_canonical(path: bytes) -> None:
    assert not is_canonical(path)


@pytest.mark.parametrize(
    "path",
    [b"/", b"/livez", b"/openapi.json", b"/a/...", b"/a/.env", b"/a/50%252F", b"/a/%C3%A9", b"//a"],
)
def test_any_other_path_is(path: bytes) -> None:
    assert is_canonical(path)
