"""Random bytes for an account, signed as the contract has it, and verifiable on demand.

Promise: a draw is committed, with its audit entry, before anything is computed from it, and its
answer follows from the commitment alone: it is the same after a crash, on another replica and for
whoever repeats its `request_id`. The verifiable output is the only one that its key, account,
request id and client seed have; `GET .../proof` gives a document that proves it without this
server. Keys are never reused for draws committed under others.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from servicelayer_api.crypto.signing import parse_private_key
from servicelayer_api.random import rules
from servicelayer_api.random.routes import ROUTES
from servicelayer_api.random.service import Randomness, make_keys
from servicelayer_api.random.worker import answer_writer
from servicelayer_api.web.feature import Feature, Worker
from servicelayer_api.web.modules import Module

if TYPE_CHECKING:
    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.settings import Secret, Settings
    from servicelayer_api.web.feature import Core

__all__ = ["Randomness", "build", "build_service"]


def build_service(core: Core, audit: AuditLog, accounts: Accounts) -> Randomness:
    """Make the service; functions will draw through it too."""
    keys = make_keys(_seeds(core.settings))
    return Randomness(core.database, core.clock, audit, accounts, keys)


def build(randomness: Randomness) -> Feature:
    """Put the feature together."""
    return Feature(
        name="random",
        routes=ROUTES,
        dependencies={"randomness": randomness},
        workers=[Worker("random-answers", answer_writer(randomness))],
        modules=[
            Module(
                name="random",
                domain="random",
                capabilities=("signed", "verifiable"),
                depends_on=("store", "accounts"),
            )
        ],
    )


def _seeds(settings: Settings) -> list[bytes]:
    """The current seed and all others that this server can still answer with."""
    given = [settings.random_signing_key.reveal(), *_parts(settings.random_previous_keys)]
    seeds = [parse_private_key(text) for text in given if text]
    # What stands in where no key is set: the same on all replicas and after a restart. It stays in
    # reach when a key is set later, and when the encryption key changes.
    roots = [
        settings.secret_encryption_key.reveal(),
        *_parts(settings.secret_encryption_key_previous),
    ]
    derived = [rules.derive_seed(root.encode()) for root in roots if root]
    if not settings.random_signing_key:
        seeds, derived = derived[:1] + seeds, derived[1:]
    return [*seeds, *derived] or [os.urandom(32)]


def _parts(several: Secret) -> list[str]:
    return [part.strip() for part in several.reveal().split(",") if part.strip()]
