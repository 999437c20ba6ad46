"""What a struct says of its fields to those who read the description of the API."""

from __future__ import annotations

from typing import Final

from msgspec import Meta

IS_NEEDED: Final = "x-needed"

NEEDED: Final = Meta(extra_json_schema={IS_NEEDED: True})
"""A field that the rules ask for, though the decoder takes a body without it.

So all that is missing is told at once, not one by one, and with the other faults.
"""
