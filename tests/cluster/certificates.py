"""A certificate authority of the cluster's own, made with openssl, and the certificates under it.

The extensions are those that strict verifiers (Python 3.13 among them) ask for: a critical CA
flag, key usage on the authority, key identifiers on both sides. Keys are readable by their owner
only, and everything here dies with the cluster.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError

DAYS = "365"
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, as files."""

    certificate: Path
    key: Path


def make_authority(folder: Path) -> KeyPair:
    """Make the authority in `folder`, or return the one that is there."""
    pair = KeyPair(folder / "ca.crt", folder / "ca.key")
    if not pair.certificate.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _openssl(
            *("req", "-x509", *_CURVE, "-days", DAYS, "-subj", "/CN=servicelayer-test-ca"),
            *("-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-addext", "subjectKeyIdentifier=hash"),
            *("-keyout", str(pair.key), "-out", str(pair.certificate)),
        )
    return pair


def issue(
    folder: Path,
    name: str,
    *,
    authority: KeyPair,
    user: str,
    groups: Sequence[str] = (),
    hosts: Sequence[str] = (),
) -> KeyPair:
    """Issue a certificate, good for client and server use; kept when it is there already.

    Args:
        folder: where the files go.
        name: base name of the files.
        authority: who signs.
        user: the common name, which Kubernetes reads as the user.
        groups: organisations, which Kubernetes reads as the user's groups.
        hosts: subject alternative names, as `DNS:x` or `IP:x`.
    """
    pair = KeyPair(folder / f"{name}.crt", folder / f"{name}.key")
    if pair.certificate.exists():
        return pair
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    lines = [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=clientAuth,serverAuth",
        "subjectKeyIdentifier=hash",
        "authorityKeyIdentifier=keyid",
    ]
    if hosts:
        lines.append("subjectAltName=" + ",".join(hosts))
    extensions.write_text("\n".join(lines) + "\n")
    subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
    _openssl(
        *("req", *_CURVE, "-subj", subject, "-keyout", str(pair.key), "-out", str(request)),
    )
    _openssl(
        *("x509", "-req", "-in", str(request), "-days", DAYS, "-extfile", str(extensions)),
        *("-CA", str(authority.certificate), "-CAkey", str(authority.key), "-CAcreateserial"),
        *("-out", str(pair.certificate)),
    )
    return pair


def make_signing_key(folder: Path) -> KeyPair:
    """Make the RSA pair that signs service account tokens; `certificate` is its public half."""
    pair = KeyPair(folder / "service-accounts.pub", folder / "service-accounts.key")
    if not pair.certificate.exists():
        _openssl("genrsa", "-out", str(pair.key), "2048")
        _openssl("rsa", "-in", str(pair.key), "-pubout", "-out", str(pair.certificate))
    return pair


def _openssl(*arguments: str) -> None:
    done = subprocess.run(
        ["openssl", *arguments], capture_output=True, text=True, check=False, umask=0o077
    )
    if done.returncode != 0:
        raise ClusterError(f"openssl {arguments[0]} failed: {done.stderr.strip()[-400:]}")
