"""Login tokens: what this server made comes back, anything else is refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from servicelayer_api.crypto.tokens import Claims, TokenRefusedError, TokenSigner

SECRET = "a-secret-of-sixty-four-characters-" + "x" * 40
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLAIMS = Claims(
    sub="alice",
    role="user",
    method="password",
    jti="id-1",
    iat=int(NOW.timestamp()),
    exp=int((NOW + timedelta(hours=1)).timestamp()),
    tenant="acme",
    fingerprint="f1",
)
BODY: dict[str, Any] = {
    "iss": "servicelayer",
    "aud": "servicelayer-api",
    "sub": "alice",
    "role": "user",
    "method": "password",
    "jti": "id-1",
    "iat": CLAIMS.iat,
    "exp": CLAIMS.exp,
}
HEADER: dict[str, Any] = {"typ": "at+jwt"}


def forge(
    *,
    header: dict[str, Any] | None = None,
    key: str = SECRET,
    algorithm: str = "HS256",
    without: str = "",
    **claims: Any,
) -> str:
    body = {name: value for name, value in {**BODY, **claims}.items() if name != without}
    return jwt.encode(body, key, algorithm=algorithm, headers=HEADER if header is None else header)


def unsigned(algorithm: str) -> str:
    parts = [{"alg": algorithm, "typ": "at+jwt"}, BODY]
    return (
        ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
            for part in parts
        )
        + "."
    )


def test_what_was_signed_comes_back() -> None:
    signer = TokenSigner(SECRET)

    assert signer.verify(signer.sign(CLAIMS), NOW) == CLAIMS


def test_claims_that_are_empty_are_not_written() -> None:
    signer = TokenSigner(SECRET)
    claims = Claims(
        sub="a", role="admin", method="password", jti="1", iat=CLAIMS.iat, exp=CLAIMS.exp
    )

    body = jwt.decode(signer.sign(claims), options={"verify_signature": False})

    assert body.keys().isdisjoint({"tenant", "fingerprint"})


def test_the_forgery_of_this_file_would_pass_if_nothing_were_wrong() -> None:
    assert TokenSigner(SECRET).verify(forge(), NOW).sub == "alice"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "...",
        "x" * 5000,
        unsigned("none"),
        unsigned("None"),
        unsigned("HS256"),
        forge(key="another-secret-of-more-than-thirty-two-characters"),
        forge(algorithm="HS384"),
        forge(algorithm="HS512"),
        forge(header={"typ": "JWT"}),
        forge(header={"typ": "at+jwt", "kid": "../../etc/passwd"}),
        forge(header={"typ": "at+jwt", "crit": ["exp"], "exp": 1}),
        forge(iss="somebody"),
        forge(aud="something"),
        forge(aud=["servicelayer-api", "something"]),
        forge(exp="never"),
        forge(exp=1e400),
        forge(iat=CLAIMS.iat + 3600),
        forge(role=7),
        forge(sub=None),
        forge(method="magic"),
        *(
            forge(without=name)
            for name in ("iss", "aud", "sub", "role", "method", "jti", "iat", "exp")
        ),
    ],
)
def test_what_this_server_did_not_make_is_refused(token: str) -> None:
    with pytest.raises(TokenRefusedError):
        TokenSigner(SECRET).verify(token, NOW)


def test_a_changed_byte_anywhere_is_refused() -> None:
    signer = TokenSigner(SECRET)
    token = signer.sign(CLAIMS)
    for place in range(0, len(token) - 1, 7):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(TokenRefusedError):
            signer.verify(changed, NOW)


def test_a_token_is_refused_from_the_second_it_expires() -> None:
    signer = TokenSigner(SECRET)
    token, end = signer.sign(CLAIMS), NOW + timedelta(hours=1)

    assert signer.verify(token, end - timedelta(seconds=1)) == CLAIMS
    with pytest.raises(TokenRefusedError):
        signer.verify(token, end)


def test_clocks_of_replicas_may_differ_a_little() -> None:
    signer = TokenSigner(SECRET)

    assert signer.verify(signer.sign(CLAIMS), NOW - timedelta(seconds=30)) == CLAIMS
