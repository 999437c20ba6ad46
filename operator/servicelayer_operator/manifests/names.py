"""The names of all objects of a ServiceLayer, and the images they run.

The invariant: the ServiceLayer's name has at most 40 characters, so every name here fits 63. A name
depends on the spec alone and never changes while the spec's references stay.
"""

import msgspec

from servicelayer_operator.resource import ServiceLayer

DATABASE_URL = "DATABASE_URL"


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What each child is called.

    Attributes:
        api_secret: The Secret the API pods read: the generated one or the user's.
        database_secret: The Secret with the connection string.
        database_key: The key in it.
        tls_secret: The certificate of the Ingress; empty without TLS.
        issued_secret: The same when cert-manager is to write it; empty otherwise.
    """

    base: str
    config_map: str
    network_policy: str
    postgres: str
    api_secret: str
    database_secret: str
    database_key: str
    tls_secret: str
    issued_secret: str


def names_of(resource: ServiceLayer) -> Names:
    """Name all children of the resource."""
    base, spec = resource.metadata.name, resource.spec
    existing, own_database = spec.secrets.existing, spec.database.secret_ref
    postgres, tls = f"{base}-postgres", spec.expose.tls
    return Names(
        base=base,
        config_map=f"{base}-config",
        network_policy=f"{base}-network",
        postgres=postgres,
        api_secret=existing.name if existing else f"{base}-secrets",
        database_secret=own_database.name if own_database else postgres,
        database_key=own_database.key if own_database else DATABASE_URL,
        tls_secret=_tls_secret(resource),
        issued_secret=_tls_secret(resource) if tls and tls.issuer_ref else "",
    )


def _tls_secret(resource: ServiceLayer) -> str:
    tls = resource.spec.expose.tls
    if tls is None:
        return ""
    return tls.secret_name or f"{resource.metadata.name}-tls"


def api_image(resource: ServiceLayer, default: str) -> str:
    """Resolve the API's image: the spec's, laid over the operator's default."""
    return resource.spec.image.reference(default)


def postgres_image(resource: ServiceLayer, default: str) -> str:
    """Resolve the embedded database's image."""
    embedded = resource.spec.database.embedded
    return (embedded.image if embedded else None) or default


def image_version(image: str) -> str:
    """Read the version off an image reference: its tag, else its digest, else `latest`."""
    name, _, content = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag or content or "latest"
