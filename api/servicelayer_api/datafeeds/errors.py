"""Refusals of data feeds."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, Forbidden, NotFound, signed_members


class DataFeedNotFound(NotFound):
    """The account has no data feed of this id."""

    code = "data-feed-not-found"
    title = "Data feed not found"


class RoundNotFound(NotFound):
    """The feed has no accepted round of this number, or none at all yet."""

    code = "data-feed-round-not-found"
    title = "Round not found"


class SignatureRefused(Forbidden):
    """The signature is not that of the signer over this update.

    Signed is the text `servicelayer/datafeeds/update/1|<feed id>|<round>|<price>|<timestamp>`: the
    price without needless zeros, the timestamp in UTC as `2026-01-02T03:04:05Z`, with six digits of
    a second where it has any. A wallet signs with secp256r1 and sends its public key as `pubkey`; a
    signer that is a public key itself need not. `signed_text` is the text that this update had to
    have signed, `signed_bytes` the same in hex.
    """

    code = "signature-refused"
    title = "Signature refused"

    def __init__(self, detail: str, signed_text: str) -> None:
        """Refuse an update.

        Args:
            detail: What is wrong with the signature.
            signed_text: ASCII; what it had to be over.
        """
        self.signed_text = signed_text
        super().__init__(detail)

    def members(self) -> dict[str, object]:
        """Give what is to be signed."""
        return signed_members(self.signed_text)


class RoundClosed(Conflict):
    """The round is accepted already, or a later one is."""

    code = "round-closed"
    title = "Round closed"


class RoundOutOfOrder(Conflict):
    """The signer has submitted to a later round, or for a later time, or the round is far ahead."""

    code = "round-out-of-order"
    title = "Update out of order"


class AlreadySubmitted(Conflict):
    """The signer has submitted to this round; each may once."""

    code = "already-submitted"
    title = "Submitted already"


class ThresholdsNotMet(Conflict):
    """Neither heartbeat nor deviation call for a new round.

    The last accepted round is younger than the heartbeat, and the price has changed by less than
    the feed's threshold.
    """

    code = "round-not-due"
    title = "Round not due"


class DecimalsFixed(Conflict):
    """The number of decimals cannot be changed once prices were submitted: make a new feed."""

    code = "decimals-fixed"
    title = "Decimals fixed"
