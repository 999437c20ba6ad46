"""Kubernetes quantities ("250m", "512Mi", "1e3") as exact numbers that can be compared.

Pure arithmetic on text. It refuses what the API server would refuse and never guesses a unit.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

PATTERN: Final = (
    r"^([0-9]{1,15}(\.[0-9]{1,9})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]{1,2})?$"
)
"""Non-negative quantities; the CRD carries the same pattern."""

_QUANTITY: Final = re.compile(PATTERN)
_DECIMAL: Final = {"m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse_quantity(text: str | int) -> Decimal:
    """Return the value of a quantity in its base unit (cores, bytes).

    Args:
        text: as it stands in a manifest; YAML may have made a plain number of it.

    Raises:
        ValueError: the text is no quantity, or is negative.
    """
    found = _QUANTITY.fullmatch(str(text))
    if found is None:
        raise ValueError("is no quantity; write a number with a unit, such as 500m, 2 or 512Mi")
    number, suffix = Decimal(found.group(1)), found.group(3) or ""
    if suffix in _BINARY:
        return number * (1 << _BINARY[suffix])
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    return number.scaleb(int(suffix[1:]))
