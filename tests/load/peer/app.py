"""The peer that the product is measured against.

The same handlers, as an ordinary developer of FastAPI and SQLAlchemy 2 would write them. It does
what the answer needs and no more: no audit, no idempotency, no rate limit, no metrics.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from load.peer import oracle, schemas, sealing
from load.peer.database import (
    Account,
    Base,
    GasAccount,
    GasTransaction,
    RandomAnswer,
    SecretRow,
    Session,
    engine,
)
from load.peer.security import OwnAccount, Tenant


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    dispatcher = asyncio.create_task(oracle.dispatch_for_ever())
    yield
    dispatcher.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await dispatcher
    await engine.dispose()


app = FastAPI(lifespan=_lifespan)
app.include_router(oracle.router)


@app.get("/livez")
async def live() -> str:
    return "ok"


@app.post("/accounts", status_code=201, response_model=schemas.AccountOut)
async def create_account(new: schemas.NewAccount, tenant: Tenant, session: Session) -> Account:
    account = Account(
        tenant=tenant, owner=new.owner, meta={**(new.metadata or {}), "tenant": tenant}
    )
    session.add(account)
    await session.commit()
    return account


@app.get("/accounts", response_model=list[schemas.AccountOut])
async def list_accounts(tenant: Tenant, session: Session) -> Any:
    rows = await session.scalars(
        select(Account).where(Account.tenant == tenant).order_by(Account.created_at, Account.id)
    )
    return rows.all()


@app.post("/accounts/{account_id}/gasbank", response_model=schemas.GasAccountOut)
async def open_gas_account(
    new: schemas.NewGasAccount, account: OwnAccount, session: Session
) -> GasAccount:
    found = await session.scalar(select(GasAccount).where(GasAccount.account_id == account.id))
    if found is None:
        found = GasAccount(account_id=account.id)
        session.add(found)
    found.wallet_address = new.wallet_address.lower()
    await session.commit()
    return found


@app.post("/accounts/{account_id}/gasbank/deposit", response_model=schemas.DepositOut)
async def deposit(new: schemas.NewDeposit, account: OwnAccount, session: Session) -> Any:
    gas = await session.scalar(
        select(GasAccount)
        .where(GasAccount.id == new.gas_account_id, GasAccount.account_id == account.id)
        .with_for_update()
    )
    if gas is None:
        raise HTTPException(404, "gas account not found")
    amount = round(new.amount * 100_000_000)
    gas.balance += amount
    gas.available += amount
    entry = GasTransaction(
        gas_account_id=gas.id,
        account_id=account.id,
        amount=amount,
        tx_id=new.tx_id,
        from_address=new.from_address,
        to_address=new.to_address,
    )
    session.add(entry)
    try:
        await session.commit()
    except IntegrityError as exc:
        raise HTTPException(409, "this transaction is booked already") from exc
    return {"account": gas, "transaction": entry}


@app.post("/accounts/{account_id}/secrets", status_code=201, response_model=schemas.SecretMetadata)
async def create_secret(new: schemas.NewSecret, account: OwnAccount, session: Session) -> SecretRow:
    row = SecretRow(
        account_id=account.id,
        name=new.name,
        sealed=sealing.seal(new.value, f"{account.id}|{new.name}"),
        acl=new.acl,
    )
    session.add(row)
    await session.commit()
    return row


@app.get("/accounts/{account_id}/secrets/{name}", response_model=schemas.SecretOut)
async def read_secret(name: str, account: OwnAccount, session: Session) -> schemas.SecretOut:
    row = await session.scalar(
        select(SecretRow).where(
            SecretRow.account_id == account.id, func.lower(SecretRow.name) == name.lower()
        )
    )
    if row is None:
        raise HTTPException(404, "secret not found")
    return schemas.SecretOut(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        value=sealing.unseal(row.sealed, f"{account.id}|{row.name}"),
        version=row.version,
        acl=row.acl,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


@app.post("/accounts/{account_id}/random", response_model=schemas.RandomOut)
async def random_bytes(
    question: schemas.RandomQuestion, account: OwnAccount, session: Session
) -> schemas.RandomOut:
    drawn = sealing.draw(question.length, question.request_id)
    session.add(
        RandomAnswer(
            account_id=account.id,
            request_id=question.request_id,
            counter=drawn.counter,
            length=question.length,
            value=drawn.value,
            signature=drawn.signature,
            created_at=drawn.created_at,
        )
    )
    await session.commit()
    return schemas.RandomOut.model_construct(
        account_id=account.id,
        length=question.length,
        value=drawn.value,
        created_at=drawn.created_at,
        request_id=question.request_id,
        counter=drawn.counter,
        signature=drawn.signature,
        public_key=sealing.PUBLIC_KEY,
    )
