"""The query parameters that cut the lists, as they are described; `Pages` reads them."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

Limit = Annotated[str | None, QueryParameter(description="Items at most, 1 to 500")]
Cursor = Annotated[str | None, QueryParameter(description="X-Next-Cursor of the page before")]
