"""Pure decisions about keys: does what was set fit what the database holds, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from servicelayer_api.vault.errors import WrongKey

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from servicelayer_api.vault.models import KeyRow

type Verdict = Literal["keep", "add"]


def judge(current: str, others: Collection[str], rows: Sequence[KeyRow]) -> Verdict:
    """Decide whether the keys of the settings open the database.

    Args:
        current: Fingerprint of SECRET_ENCRYPTION_KEY.
        others: Fingerprints of SECRET_ENCRYPTION_KEY_PREVIOUS.
        rows: The versions that the database knows, in any order.

    Returns:
        `add` when the current key is new and becomes the next version, else `keep`.

    Raises:
        WrongKey: Data keys need a key that was not set, or the newest version is unknown here.
    """
    if not rows:
        return "add"
    known = {current, *others}
    newest = max(rows, key=lambda row: row.version)
    if newest.fingerprint not in known:
        raise WrongKey(
            f"SECRET_ENCRYPTION_KEY has the fingerprint {current}, but the database was sealed "
            f"with the key of the fingerprint {newest.fingerprint} "
            f"({_count(newest.data_keys)} wrapped by it): set that key, or to change to a new one "
            "put it into SECRET_ENCRYPTION_KEY_PREVIOUS"
        )
    for row in sorted(rows, key=lambda row: row.version):
        if row.data_keys and row.fingerprint not in known:
            raise WrongKey(
                f"{_count(row.data_keys)} still wrapped by key version {row.version}, whose "
                f"fingerprint is {row.fingerprint}, and no key that is set has it "
                f"(SECRET_ENCRYPTION_KEY has {current}): put it back into "
                "SECRET_ENCRYPTION_KEY_PREVIOUS and run: servicelayer-api keys rotate"
            )
    return "keep" if any(row.fingerprint == current for row in rows) else "add"


def damaged(row: KeyRow) -> WrongKey:
    """The refusal when a key has the right fingerprint and does not open the check value."""
    return WrongKey(
        f"the key of the fingerprint {row.fingerprint} does not open the check value of key "
        f"version {row.version}: the table vault_key_versions was changed or damaged"
    )


def _count(data_keys: int) -> str:
    return "1 data key is" if data_keys == 1 else f"{data_keys} data keys are"
