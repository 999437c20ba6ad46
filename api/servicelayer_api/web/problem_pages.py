"""`GET /problems/{code}`: what a problem's `type` points at, made from the error classes."""

from __future__ import annotations

import html
from inspect import cleandoc
from typing import Any, cast

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from servicelayer_api.errors import NotFound, ServiceError, error_types


class ProblemKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of refusal.

    Attributes:
        type: What a problem of this kind has as its `type`.
        code: The last part of it.
        title: For people.
        status: The HTTP status.
        description: What it means and what to do.
    """

    type: str
    code: str
    title: str
    status: int
    description: str


def _page(kind: type[ServiceError]) -> ProblemKind:
    return ProblemKind(
        type=f"/problems/{kind.code}",
        code=kind.code,
        title=kind.title,
        status=kind.status,
        description=cleandoc(kind.__doc__ or ""),
    )


def _html(page: ProblemKind) -> str:
    title = html.escape(page.title)
    text = html.escape(page.description)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>{text}</p><p>Status {page.status}, code "
        f"<code>{html.escape(page.code)}</code>.</p></html>"
    )


@get(
    "/problems",
    operation_id="listProblems",
    summary="All kinds of problem",
    tags=["problems"],
    opt={"public": True},
)
async def list_problems() -> list[ProblemKind]:
    """List every kind of refusal that this API knows."""
    return [_page(kind) for kind in error_types()]


@get(
    "/problems/{code:str}",
    operation_id="getProblem",
    summary="One kind of problem",
    tags=["problems"],
    opt={"public": True},
)
async def get_problem(
    code: FromPath[str], request: Request[Any, Any, Any]
) -> Response[ProblemKind]:
    """Explain a kind of refusal, as a page for people or as JSON.

    Raises:
        NotFound: There is no such kind.
    """
    for kind in error_types():
        if kind.code == code:
            if "text/html" in request.headers.get("accept", ""):
                return Response(cast("Any", _html(_page(kind))), media_type="text/html")
            return Response(_page(kind), media_type="application/json")
    raise NotFound("there is no problem of this code")


problem_routes = (list_problems, get_problem)
