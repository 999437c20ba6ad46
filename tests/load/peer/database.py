"""The engine, the session of a request, and the tables."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends
from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# The same number of connections as the product has.
engine = create_async_engine(os.environ["PEER_DATABASE_URL"], pool_size=8, max_overflow=0)
new_session = async_sessionmaker(engine, expire_on_commit=False)


async def _session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(_session)]


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own form


class Account(Base):
    __tablename__ = "accounts"
    __table_args__ = (Index("accounts_by_tenant", "tenant", "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    tenant: Mapped[str]
    owner: Mapped[str]
    meta: Mapped[dict[str, str]] = mapped_column("metadata", JSONB)
    status: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class GasAccount(Base):
    __tablename__ = "gas_accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), unique=True)
    wallet_address: Mapped[str] = mapped_column(default="")
    # Integers of 10^-8 GAS.
    balance: Mapped[int] = mapped_column(BigInteger, default=0)
    available: Mapped[int] = mapped_column(BigInteger, default=0)
    pending: Mapped[int] = mapped_column(BigInteger, default=0)
    locked: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class GasTransaction(Base):
    __tablename__ = "gas_transactions"
    __table_args__ = (Index("gas_once_a_tx", "gas_account_id", "tx_id", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    gas_account_id: Mapped[UUID] = mapped_column(ForeignKey("gas_accounts.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    kind: Mapped[str] = mapped_column(String(20), default="deposit")
    status: Mapped[str] = mapped_column(String(20), default="completed")
    amount: Mapped[int] = mapped_column(BigInteger)
    tx_id: Mapped[str]
    from_address: Mapped[str]
    to_address: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class SecretRow(Base):
    __tablename__ = "secrets"
    __table_args__ = (Index("secrets_by_name", "account_id", text("lower(name)"), unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    version: Mapped[int] = mapped_column(default=1)
    acl: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class RandomAnswer(Base):
    __tablename__ = "random_answers"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    request_id: Mapped[str]
    counter: Mapped[int] = mapped_column(BigInteger)
    length: Mapped[int]
    value: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=now)


class OracleSource(Base):
    __tablename__ = "oracle_sources"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    url: Mapped[str]
    method: Mapped[str] = mapped_column(default="GET")
    body: Mapped[str] = mapped_column(default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class OracleRequest(Base):
    __tablename__ = "oracle_requests"
    __table_args__ = (
        Index("oracle_by_status", "status", "created_at"),
        Index("oracle_by_account", "account_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    source_id: Mapped[UUID] = mapped_column(ForeignKey("oracle_sources.id"))
    status: Mapped[str] = mapped_column(String(20), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    payload: Mapped[str] = mapped_column(default="")
    result: Mapped[str] = mapped_column(default="")
    error: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    completed_at: Mapped[datetime | None]
