"""Refusals of the gas bank."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, Forbidden, NotFound
from servicelayer_api.gasbank.amounts import write_amount


class GasAccountNotFound(NotFound):
    """The account has no gas account of this id; `GET /accounts/{id}/gasbank` lists what it has."""

    code = "gas-account-not-found"
    title = "Gas account not found"


class GasTransactionNotFound(NotFound):
    """The account has no such transaction, or it is not of the kind the path is for."""

    code = "gas-transaction-not-found"
    title = "Gas transaction not found"


class GasWalletTaken(Conflict):
    """The wallet belongs to the gas account of another account."""

    code = "gas-wallet-taken"
    title = "Wallet assigned to another account"


class DepositDiffers(Conflict):
    """The transaction on the chain was deposited already, and not like this.

    Another gas account, amount or address was given then. A repeated deposit with the same values
    is answered with the first one and changes nothing.
    """

    code = "deposit-differs"
    title = "Deposited before, differently"


class GasRefused(Conflict):
    """More gas is asked for than there is or than may be taken; gives both numbers, in GAS."""

    def __init__(
        self, detail: str, *, requested: int | None = None, available: int | None = None
    ) -> None:
        """Refuse an amount.

        Args:
            detail: what is wrong; the amounts are added.
            requested: fractions that were asked for.
            available: fractions that there are, or that may be taken.
        """
        self.amounts = {
            name: write_amount(max(0, amount))
            for name, amount in (("requested", requested), ("available", available))
            if amount is not None
        }
        told = ", ".join(f"{bytes(raw).decode()} GAS {name}" for name, raw in self.amounts.items())
        super().__init__(f"{detail}: {told}" if told else detail)

    def members(self) -> dict[str, object]:
        """Give the amounts, as JSON numbers with all their digits."""
        return dict(self.amounts)


class InsufficientGas(GasRefused):
    """Less gas is available than the request needs; `requested` and `available` are in GAS."""

    code = "insufficient-gas"
    title = "Insufficient gas"


class BelowMinimumBalance(GasRefused):
    """The withdrawal would leave less than the minimum balance of the gas account.

    `available` is what may be withdrawn at most, in GAS.
    """

    code = "below-minimum-balance"
    title = "Below the minimum balance"


class DailyLimitExceeded(GasRefused):
    """The withdrawal would exceed what the gas account may withdraw on one day (UTC).

    Withdrawals that failed or were cancelled do not count. `available` is what is left of the day,
    in GAS.
    """

    code = "daily-limit-exceeded"
    title = "Daily limit exceeded"


class GasQuotaExceeded(Conflict):
    """The withdrawal would exceed what the tenant may withdraw on one day (UTC), all accounts.

    `quota` names the quota, `limit` says what it allows in fractions of GAS (10^-8). Withdrawals
    that failed or were cancelled do not count.
    """

    code = "gas-quota-exceeded"
    title = "Gas quota of the tenant exceeded"

    def __init__(self, detail: str, limit: int) -> None:
        """Refuse a withdrawal.

        Args:
            detail: says what is left.
            limit: what the quota allows on one day, in fractions.
        """
        self.limit = limit
        super().__init__(detail)

    def members(self) -> dict[str, object]:
        """Name the quota and its limit."""
        return {"quota": "max_gas_per_day", "limit": self.limit}


class GasBalanceTooLarge(Conflict):
    """The balance would be larger than the ledger can hold: 92,233,720,368.54775807 GAS."""

    code = "gas-balance-too-large"
    title = "Balance too large"


class WithdrawalState(Conflict):
    """The withdrawal is in a state that does not allow this.

    It can be cancelled until it was handed to settlement; approved or rejected likewise; retried
    and discarded only as a dead letter.
    """

    code = "withdrawal-state"
    title = "Not in this state"


class OwnWithdrawal(Forbidden):
    """The API key asked for this withdrawal itself, or another key of the same maker did.

    A person or a key of somebody else must approve it. Rejecting and cancelling is open to both.
    """

    code = "own-withdrawal"
    title = "Own withdrawal"


class DepositUnproven(Forbidden):
    """Only the platform credits deposits: a platform token, or a user who is bound to no tenant.

    An API key, a wallet or a user of a tenant would need a proof from the chain, which this version
    does not read.
    """

    code = "deposit-unproven"
    title = "Deposit not proven"


class ApproverUnknown(Forbidden):
    """It is not known who made the API key, so its approval would count for nobody.

    It was made before the server kept that. Rotate it: the new key counts as who rotates it.
    """

    code = "approver-unknown"
    title = "Approver unknown"


class ChargeDiffers(Conflict):
    """The reference was used before, for another amount or in another way."""

    code = "gas-charge-differs"
    title = "Charged before, differently"


class ChargeState(Conflict):
    """The reservation is gone, or less was charged than is to be given back."""

    code = "gas-charge-state"
    title = "Charge not in this state"
