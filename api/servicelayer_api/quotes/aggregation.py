"""How several prices become one: median, means, extremes, and the filter of outliers.

Integers in, integers out; a division rounds down. The result depends on the values only, never on
their order, and lies between the least and the greatest of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

type Method = Literal["median", "mean", "min", "max", "trimmed", "weighted"]

METHODS: Final[tuple[Method, ...]] = cast("tuple[Method, ...]", get_args(Method.__value__))
# The filter needs a majority to compare with.
LEAST_FOR_FILTER: Final = 3
# A value is an outlier when it is further from the median than this many times the median
# distance; the usual 3 sigma of a normal distribution are 4.45 of them.
OUTLIER_FACTOR: Final = 5
# While the others agree to the last digit, this share of the price is still no outlier.
OUTLIER_FLOOR_PPM: Final = 1_000

_MILLION: Final = 1_000_000
_TRIM_PARTS: Final = 5
_ALIASES: Final[dict[str, Method]] = {"avg": "mean", "average": "mean"}


def parse_method(text: str) -> Method | None:
    """Read the name of a method or one of its aliases; `None` for anything else."""
    name = text.strip().lower()
    return _ALIASES.get(name) or next((known for known in METHODS if known == name), None)


def aggregate(method: Method, values: Sequence[int], weights: Sequence[int] = ()) -> int:
    """Make one value of several.

    Args:
        method: `trimmed` is the mean without the fifth at either end (at least one value of
            three or more); `weighted` the mean by weights.
        values: One or more, positive.
        weights: Positive, one a value; for `weighted` only.

    Returns:
        The value, rounded down.
    """
    ordered = sorted(values)
    if method == "median":
        return median(ordered)
    if method == "min":
        return ordered[0]
    if method == "max":
        return ordered[-1]
    if method == "weighted":
        total = sum(value * weight for value, weight in zip(values, weights, strict=True))
        return total // sum(weights)
    if method == "trimmed" and len(ordered) >= LEAST_FOR_FILTER:
        cut = max(1, len(ordered) // _TRIM_PARTS)
        ordered = ordered[cut:-cut]
    return sum(ordered) // len(ordered)


def median(values: Sequence[int]) -> int:
    """The value in the middle; of an even number the mean of the two in the middle."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2


def spread(values: Sequence[int]) -> int:
    """The median distance from the median (MAD): how far the sources are apart."""
    middle = median(values)
    return median([abs(value - middle) for value in values])


def outliers(values: Sequence[int]) -> frozenset[int]:
    """Find the values that the majority contradicts.

    Returns:
        The values that are further from the median than five times the median distance and
        further than 0.1 %; never half of them or more. Empty for fewer than three.
    """
    if len(values) < LEAST_FOR_FILTER:
        return frozenset()
    middle = median(values)
    limit = max(OUTLIER_FACTOR * spread(values), abs(middle) * OUTLIER_FLOOR_PPM // _MILLION)
    return frozenset(value for value in values if abs(value - middle) > limit)


def moved(before: int, after: int, threshold_ppm: int) -> bool:
    """Whether a price changed by at least so many millionths of what it was."""
    return abs(after - before) * _MILLION >= before * threshold_ppm
