"""The egress guard over TLS: whose certificate is believed, and for which name."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry

from support.guarded_egress import OK, Guarded, failure, guard
from support.hostile_targets import HOST, PUBLIC
from support.outside_world import answering, serving

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    async with guard() as found:
        yield found


class Authority:
    """Signs certificates for the test's servers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.file = folder / "ca.pem"
        self.file.write_bytes(
            self._sign(self._name, self._key.public_key(), None).public_bytes(
                serialization.Encoding.PEM
            )
        )

    def server(self, name: str, *, days: int = 1, own: bool = False) -> ssl.SSLContext:
        """Make a server's context; `own` is signed by nobody else."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), name, days, key if own else self._key)
        file = self._folder / f"{name}-{days}-{own}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        name: str | None,
        days: int = 1,
        by: ec.EllipticCurvePrivateKey | None = None,
    ) -> x509.Certificate:
        end = datetime.now(UTC) + timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if by not in {None, self._key} else self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - timedelta(days=5))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=name is None, path_length=None), critical=True)
        )
        if name is not None:
            names = x509.SubjectAlternativeName([x509.DNSName(name)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(by or self._key, hashes.SHA256())


async def test_tls_is_verified_against_the_name_and_not_the_address(
    guarded: Guarded, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    asked: list[str | None] = []
    context = authority.server(HOST)
    context.sni_callback = lambda _, name, __: asked.append(name)
    await guarded.egress.close()
    guarded.metrics = CollectorRegistry()
    guarded.egress = guarded.build(str(authority.file))
    async with serving(answering(OK), context) as port:
        guarded.world.ports[PUBLIC] = port
        assert (await guarded.egress.request("GET", f"https://{HOST}/")).body == b"{}"
        assert asked == [HOST]
        assert await failure(guarded.egress, "https://other.com/") == "tls"
        assert await failure(guarded.egress, f"https://{PUBLIC}/") == "tls"


@pytest.mark.parametrize("fault", ["expired", "self-signed", "unknown authority", "no TLS"])
async def test_a_certificate_that_cannot_be_verified_is_a_tls_failure(
    guarded: Guarded, tmp_path: Path, fault: str
) -> None:
    authority = Authority(tmp_path)
    context = {
        "expired": lambda: authority.server(HOST, days=-1),
        "self-signed": lambda: authority.server(HOST, own=True),
        "unknown authority": lambda: authority.server(HOST),
        "no TLS": lambda: None,
    }[fault]()
    await guarded.egress.close()
    guarded.metrics = CollectorRegistry()
    guarded.egress = guarded.build("" if fault == "unknown authority" else str(authority.file))
    seen: list[bytes] = []
    handler = answering(OK, seen=seen) if context else answering_at_once()
    async with serving(handler, context) as port:
        guarded.world.ports[PUBLIC] = port
        assert await failure(guarded.egress, f"https://{HOST}/") == "tls"
    assert seen == []


def answering_at_once():  # noqa: ANN201 - a handler
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(OK)
        await writer.drain()

    return handle
