"""Oracle sources and requests, and the loop that answers the requests."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any
from uuid import UUID

import httpx
from fastapi import APIRouter, HTTPException, Query
from sqlalchemy import select, update

from load.peer import schemas
from load.peer.database import OracleRequest, OracleSource, Session, new_session, now
from load.peer.security import OwnAccount

_BATCH = 64
# As many as the product asks at the same time by default (ORACLE_CONCURRENCY).
_AT_ONCE = 64
_IDLE = 0.1

router = APIRouter(prefix="/accounts/{account_id}/oracle")
_log = logging.getLogger(__name__)


@router.post("/sources", status_code=201, response_model=schemas.SourceOut)
async def create_source(
    new: schemas.NewSource, account: OwnAccount, session: Session
) -> OracleSource:
    source = OracleSource(account_id=account.id, **new.model_dump())
    session.add(source)
    await session.commit()
    return source


@router.post("/requests", status_code=201, response_model=schemas.RequestOut)
async def create_request(
    new: schemas.NewRequest, account: OwnAccount, session: Session
) -> OracleRequest:
    source = await session.get(OracleSource, new.data_source_id)
    if source is None or source.account_id != account.id or not source.enabled:
        raise HTTPException(400, "data source not found")
    row = OracleRequest(account_id=account.id, source_id=source.id, payload=new.payload)
    session.add(row)
    await session.commit()
    return row


@router.get("/requests", response_model=list[schemas.RequestOut])
async def list_requests(
    account: OwnAccount,
    session: Session,
    status: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Any:
    question = select(OracleRequest).where(OracleRequest.account_id == account.id)
    if status is not None:
        question = question.where(OracleRequest.status == status)
    newest = question.order_by(OracleRequest.created_at.desc(), OracleRequest.id.desc())
    return (await session.scalars(newest.limit(limit))).all()


async def dispatch_for_ever() -> None:
    async with httpx.AsyncClient(
        timeout=10, limits=httpx.Limits(max_connections=_AT_ONCE), trust_env=False
    ) as client:
        while True:
            try:
                found = await _dispatch_batch(client)
            except Exception:  # noqa: BLE001 - the loop must go on
                _log.exception("dispatch failed")
                found = 0
            if not found:
                await asyncio.sleep(_IDLE)


async def _dispatch_batch(client: httpx.AsyncClient) -> int:
    async with new_session() as session:
        due = (
            select(OracleRequest.id)
            .where(OracleRequest.status == "pending")
            .order_by(OracleRequest.created_at)
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
        )
        taken = await session.execute(
            update(OracleRequest)
            .where(OracleRequest.id.in_(due))
            .values(status="running", attempts=OracleRequest.attempts + 1)
            .returning(OracleRequest.id, OracleRequest.source_id, OracleRequest.payload)
        )
        work = taken.all()
        wanted = {row.source_id for row in work}
        sources = await session.scalars(select(OracleSource).where(OracleSource.id.in_(wanted)))
        by_id = {source.id: source for source in sources}
        await session.commit()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(request_id: UUID, source: OracleSource) -> None:
        async with gate:
            try:
                answer = await client.request(source.method, source.url, content=source.body)
                answer.raise_for_status()
                change = {"status": "succeeded", "result": answer.text, "error": ""}
            except httpx.HTTPError as exc:
                change = {"status": "failed", "error": str(exc)}
            async with new_session() as session:
                await session.execute(
                    update(OracleRequest)
                    .where(OracleRequest.id == request_id)
                    .values(**change, completed_at=now(), updated_at=now())
                )
                await session.commit()

    await asyncio.gather(*(one(row.id, by_id[row.source_id]) for row in work))
    return len(work)
