"""Who did what, from where and with which result.

Promise: a change and its entry are in the database together or not at all; a refused change is
    noted as well. Reads and
probes leave no entry: they are in the access log and the metrics. `AUDIT_LOG_PATH` gets a copy of
every entry as JSON lines; a full disk there stops nothing, and the gap is counted and told. Every
entry is sealed within seconds into a Merkle tree with signed checkpoints, so that a row that is
changed, removed, added or moved later is found, whoever did it.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from servicelayer_api.audit.middleware import AuditTrail
from servicelayer_api.audit.models import Change
from servicelayer_api.audit.proofs import Proofs
from servicelayer_api.audit.routes import ROUTES
from servicelayer_api.audit.sealer import Sealer
from servicelayer_api.audit.service import AuditLog
from servicelayer_api.audit.signing import SigningKey
from servicelayer_api.audit.sink import FileSink
from servicelayer_api.audit.worker import database_writer, file_writer, sealing
from servicelayer_api.web.feature import Feature, Worker
from servicelayer_api.web.modules import Module, NotReady

if TYPE_CHECKING:
    from servicelayer_api.web.feature import Core

__all__ = ["AuditLog", "Change", "build", "build_service"]


def build_service(core: Core) -> AuditLog:
    """Make the service that the other features record with."""
    return AuditLog(
        core.database, core.clock, core.metrics, to_file=bool(core.settings.audit_log_path)
    )


def build(core: Core, audit: AuditLog) -> Feature:
    """Put the feature together; its middleware must stand outside the authentication."""
    path = core.settings.audit_log_path
    key = SigningKey(core.settings)
    sealer = Sealer(core.database, core.clock, key, core.metrics)
    workers = [
        Worker("audit-database", database_writer(audit)),
        Worker("audit-sealing", sealing(sealer)),
    ]
    files: list[Module] = []
    if path:
        sink = FileSink(Path(path))
        workers.append(Worker("audit-file", file_writer(audit, sink)))
        files.append(_file_module(path, sink))
    return Feature(
        name="audit",
        routes=ROUTES,
        dependencies={"audit": audit, "proofs": Proofs(core.database, key)},
        middleware=[lambda app, _public: AuditTrail(app, audit)],
        workers=workers,
        modules=[
            Module(
                name="audit",
                domain="audit",
                layer="infra",
                depends_on=("store",),
                probe=sealer.probe,
                figures=sealer.figures,
            ),
            *files,
        ],
    )


def _file_module(path: str, sink: FileSink) -> Module:
    async def probe() -> None:
        try:
            await asyncio.to_thread(sink.check)
        except OSError as exc:
            raise NotReady(
                f"AUDIT_LOG_PATH={path} cannot be written ({exc.strerror}): the folder must exist "
                f"and user {os.getuid()} must be allowed to write there; lines are lost meanwhile"
            ) from exc

    return Module(name="audit-file", domain="audit", layer="runner", probe=probe)
