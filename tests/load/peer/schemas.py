"""What goes in and out, in the contract's names."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, PlainSerializer

Gas = Annotated[int, PlainSerializer(lambda amount: amount / 100_000_000, return_type=float)]
"""Integers of 10^-8 GAS inside, a number of GAS outside."""


class Strict(BaseModel):
    """What a caller sends."""

    model_config = ConfigDict(extra="forbid")


class Shown(BaseModel):
    """What a caller gets; read off a row."""

    model_config = ConfigDict(from_attributes=True)


class NewAccount(Strict):
    owner: str = Field(min_length=1)
    metadata: dict[str, str] | None = None


class AccountOut(Shown):
    id: UUID = Field(serialization_alias="ID")
    owner: str = Field(serialization_alias="Owner")
    meta: dict[str, str] = Field(serialization_alias="Metadata")
    status: str = Field(serialization_alias="Status")
    created_at: datetime = Field(serialization_alias="CreatedAt")
    updated_at: datetime = Field(serialization_alias="UpdatedAt")


class NewGasAccount(Strict):
    wallet_address: str = ""


class GasAccountOut(Shown):
    id: UUID = Field(serialization_alias="ID")
    account_id: UUID = Field(serialization_alias="AccountID")
    wallet_address: str = Field(serialization_alias="WalletAddress")
    status: str = Field("", serialization_alias="Status")
    balance: Gas = Field(serialization_alias="Balance")
    available: Gas = Field(serialization_alias="Available")
    pending: Gas = Field(serialization_alias="Pending")
    locked: Gas = Field(serialization_alias="Locked")
    min_balance: Gas = Field(0, serialization_alias="MinBalance")
    daily_limit: Gas = Field(0, serialization_alias="DailyLimit")
    daily_withdrawal: Gas = Field(0, serialization_alias="DailyWithdrawal")
    notification_threshold: Gas = Field(0, serialization_alias="NotificationThreshold")
    required_approvals: int = Field(0, serialization_alias="RequiredApprovals")
    flags: dict[str, bool] | None = Field(None, serialization_alias="Flags")
    meta: dict[str, str] | None = Field(None, serialization_alias="Metadata")
    last_withdrawal: datetime | None = Field(None, serialization_alias="LastWithdrawal")
    created_at: datetime = Field(serialization_alias="CreatedAt")
    updated_at: datetime = Field(serialization_alias="UpdatedAt")


class NewDeposit(Strict):
    gas_account_id: UUID
    amount: float = Field(gt=0)
    tx_id: str = ""
    from_address: str = ""
    to_address: str = ""


class ApprovalPolicy(BaseModel):
    required: int = Field(0, serialization_alias="Required")
    approvers: list[str] = Field([], serialization_alias="Approvers")


class GasTransactionOut(Shown):
    id: UUID = Field(serialization_alias="ID")
    gas_account_id: UUID = Field(serialization_alias="AccountID")
    account_id: UUID = Field(serialization_alias="UserAccountID")
    kind: str = Field(serialization_alias="Type")
    status: str = Field(serialization_alias="Status")
    amount: Gas = Field(serialization_alias="Amount")
    net_amount: Gas = Field(validation_alias="amount", serialization_alias="NetAmount")
    tx_id: str = Field(serialization_alias="BlockchainTxID")
    from_address: str = Field(serialization_alias="FromAddress")
    to_address: str = Field(serialization_alias="ToAddress")
    schedule_at: datetime | None = Field(None, serialization_alias="ScheduleAt")
    cron_expression: str = Field("", serialization_alias="CronExpression")
    approval_policy: ApprovalPolicy = Field(ApprovalPolicy(), serialization_alias="ApprovalPolicy")
    approvals: list[Any] = Field([], serialization_alias="Approvals")
    resolver_attempt: int = Field(0, serialization_alias="ResolverAttempt")
    resolver_error: str = Field("", serialization_alias="ResolverError")
    last_attempt_at: datetime | None = Field(None, serialization_alias="LastAttemptAt")
    next_attempt_at: datetime | None = Field(None, serialization_alias="NextAttemptAt")
    dead_letter_reason: str = Field("", serialization_alias="DeadLetterReason")
    notes: str = Field("", serialization_alias="Notes")
    error: str = Field("", serialization_alias="Error")
    meta: dict[str, str] | None = Field(None, serialization_alias="Metadata")
    dispatched_at: datetime | None = Field(None, serialization_alias="DispatchedAt")
    resolved_at: datetime | None = Field(None, serialization_alias="ResolvedAt")
    completed_at: datetime | None = Field(
        None, validation_alias="created_at", serialization_alias="CompletedAt"
    )
    created_at: datetime = Field(serialization_alias="CreatedAt")
    updated_at: datetime = Field(serialization_alias="UpdatedAt")


class DepositOut(Shown):
    account: GasAccountOut
    transaction: GasTransactionOut


class NewSecret(Strict):
    name: str = Field(min_length=1)
    value: str = Field(min_length=1)
    acl: int = Field(0, ge=0, le=255)


class SecretMetadata(Shown):
    id: UUID
    account_id: UUID
    name: str
    version: int
    acl: int
    created_at: datetime
    updated_at: datetime


class SecretOut(BaseModel):
    id: UUID = Field(serialization_alias="ID")
    account_id: UUID = Field(serialization_alias="AccountID")
    name: str = Field(serialization_alias="Name")
    value: str = Field(serialization_alias="Value")
    version: int = Field(serialization_alias="Version")
    acl: int = Field(serialization_alias="ACL")
    created_at: datetime = Field(serialization_alias="CreatedAt")
    updated_at: datetime = Field(serialization_alias="UpdatedAt")


class RandomQuestion(Strict):
    length: int = Field(32, ge=1, le=1024)
    request_id: str = ""


class RandomOut(BaseModel):
    account_id: UUID = Field(serialization_alias="AccountID")
    length: int = Field(serialization_alias="Length")
    value: Base64Bytes = Field(serialization_alias="Value")
    created_at: datetime = Field(serialization_alias="CreatedAt")
    request_id: str = Field(serialization_alias="RequestID")
    counter: int = Field(serialization_alias="Counter")
    signature: Base64Bytes = Field(serialization_alias="Signature")
    public_key: Base64Bytes = Field(serialization_alias="PublicKey")


class NewSource(Strict):
    name: str = Field(min_length=1)
    url: str = Field(min_length=1)
    method: str = "GET"
    description: str = ""
    body: str = ""


class SourceOut(Shown):
    id: UUID = Field(serialization_alias="ID")
    account_id: UUID = Field(serialization_alias="AccountID")
    name: str = Field(serialization_alias="Name")
    description: str = Field(serialization_alias="Description")
    url: str = Field(serialization_alias="URL")
    method: str = Field(serialization_alias="Method")
    headers: dict[str, str] = Field({}, serialization_alias="Headers")
    body: str = Field(serialization_alias="Body")
    enabled: bool = Field(serialization_alias="Enabled")
    created_at: datetime = Field(serialization_alias="CreatedAt")
    updated_at: datetime = Field(serialization_alias="UpdatedAt")


class NewRequest(Strict):
    data_source_id: UUID
    payload: str = ""


class RequestOut(Shown):
    id: UUID = Field(serialization_alias="ID")
    account_id: UUID = Field(serialization_alias="AccountID")
    source_id: UUID = Field(serialization_alias="DataSourceID")
    status: str = Field(serialization_alias="Status")
    attempts: int = Field(serialization_alias="Attempts")
    fee: int = Field(0, serialization_alias="Fee")
    payload: str = Field(serialization_alias="Payload")
    result: str = Field(serialization_alias="Result")
    error: str = Field(serialization_alias="Error")
    created_at: datetime = Field(serialization_alias="CreatedAt")
    updated_at: datetime = Field(serialization_alias="UpdatedAt")
    completed_at: datetime | None = Field(None, serialization_alias="CompletedAt")
