"""What a struct says of its fields: to those who read the API's description, and to its readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Meta, inspect

if TYPE_CHECKING:
    from collections.abc import Iterator

IS_NEEDED: Final = "x-needed"

NEEDED: Final = Meta(extra_json_schema={IS_NEEDED: True})
"""A field that the rules ask for, though the decoder takes a body without it.

So all that is missing is told at once, not one by one, and with the other faults.
"""


def plain_kinds(kind: inspect.Type) -> Iterator[inspect.Type]:
    """A type without what stands around it; of a union each."""
    if isinstance(kind, inspect.Metadata):
        yield from plain_kinds(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from plain_kinds(one)
    else:
        yield kind
