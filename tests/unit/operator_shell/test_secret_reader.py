from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, cast

import pytest

from servicelayer_operator.errors import NotFoundError
from servicelayer_operator.secret_reader import SecretReader, SecretView
from support.fake_clock import FakeClock

if TYPE_CHECKING:
    from servicelayer_operator.cluster import Cluster

KEY = b"k" * 64


def body(version: int, **values: str) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": "mine", "namespace": "trade", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


class Secrets:
    def __init__(self) -> None:
        self.live: dict[str, Any] | None = None
        self.reads = 0

    async def get(self, kind: Any, namespace: str, name: str) -> dict[str, Any]:
        assert (kind.plural, namespace, name) == ("secrets", "trade", "mine")
        self.reads += 1
        if self.live is None:
            raise NotFoundError("none")
        return self.live


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
def reader(secrets: Secrets, clock: FakeClock) -> SecretReader:
    return SecretReader(cast("Cluster", secrets), clock)


async def view(reader: SecretReader, **options: Any) -> SecretView:
    return await reader.read("trade", "mine", **options)


async def test_a_missing_secret_is_a_fact(reader: SecretReader) -> None:
    seen = await view(reader)
    assert not seen.fact.exists
    assert seen.fingerprint(KEY) is None
    assert seen.token() is None


async def test_a_watched_secret_is_read_again_only_when_it_changed(
    reader: SecretReader, secrets: Secrets, clock: FakeClock
) -> None:
    secrets.live = body(5, API_TOKENS="one,two")
    for _ in range(3):
        assert (await view(reader, version="5")).token() == "one"
        await clock.advance(1000)
    assert secrets.reads == 1
    secrets.live = body(6, API_TOKENS="three")
    assert (await view(reader, version="6")).token() == "three"


async def test_an_unwatched_secret_is_read_again_after_a_while(
    reader: SecretReader, secrets: Secrets, clock: FakeClock
) -> None:
    secrets.live = body(5, A="1")
    await view(reader, max_age=30)
    await clock.advance(29)
    await view(reader, max_age=30)
    assert secrets.reads == 1
    await clock.advance(2)
    await view(reader, max_age=30)
    assert secrets.reads == 2


async def test_the_fingerprint_follows_the_values_and_the_key(
    reader: SecretReader, secrets: Secrets
) -> None:
    secrets.live = body(1, A="1", B="2")
    first = (await view(reader)).fingerprint(KEY)
    secrets.live = body(2, B="2", A="1")
    assert (await view(reader)).fingerprint(KEY) == first
    assert (await view(reader)).fingerprint(b"another") != first
    secrets.live = body(3, A="1", B="3")
    assert (await view(reader)).fingerprint(KEY) != first
    secrets.live = body(4, A="12", B="")
    moved = (await view(reader)).fingerprint(KEY)
    secrets.live = body(5, A="1", B="2")
    assert (await view(reader)).fingerprint(KEY) == first != moved


async def test_what_moves_from_one_value_into_the_next_is_another_fingerprint(
    reader: SecretReader, secrets: Secrets
) -> None:
    secrets.live = body(1, A="1B:2", B="3")
    first = (await view(reader)).fingerprint(KEY)
    secrets.live = body(2, A="1", B="2B:3")
    assert (await view(reader)).fingerprint(KEY) != first


async def test_of_the_encryption_key_eight_digits_are_told(
    reader: SecretReader, secrets: Secrets
) -> None:
    secrets.live = body(1, SECRET_ENCRYPTION_KEY="canary")
    told = (await view(reader)).key_fingerprint()
    assert len(told) == 8
    assert set(told) <= set("0123456789abcdef")
    secrets.live = body(2, A="1")
    assert (await view(reader)).key_fingerprint() == ""


async def test_the_administrators_password_is_no_reason_to_roll_the_pods(
    reader: SecretReader, secrets: Secrets
) -> None:
    secrets.live = body(1, A="1", ADMIN_PASSWORD="old")
    first = (await view(reader)).fingerprint(KEY)
    secrets.live = body(2, A="1", ADMIN_PASSWORD="new")
    assert (await view(reader)).fingerprint(KEY) == first


async def test_a_missing_key_has_no_fingerprint(reader: SecretReader, secrets: Secrets) -> None:
    secrets.live = body(1, A="1")
    assert (await view(reader)).fingerprint(KEY, "DATABASE_URL") is None
    assert (await view(reader)).fingerprint(None, "A") is None


async def test_no_representation_shows_a_value(reader: SecretReader, secrets: Secrets) -> None:
    secrets.live = body(1, A="canary", SECRET_ENCRYPTION_KEY="canary-2")
    seen = await view(reader)
    assert "canary" not in f"{seen!r} {seen} {seen.fact!r}"


async def test_broken_base64_is_an_empty_value(reader: SecretReader, secrets: Secrets) -> None:
    secrets.live = body(1, A="1")
    secrets.live["data"]["A"] = "%"
    assert (await view(reader)).value("A") is None
