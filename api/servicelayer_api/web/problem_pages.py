"""`GET /problems/{code}`: what a problem's `type` points at, made from the error classes."""

from __future__ import annotations

import html
from inspect import cleandoc
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from servicelayer_api.errors import NotFound, ServiceError, error_types


def _page(kind: type[ServiceError]) -> dict[str, object]:
    return {
        "type": f"/problems/{kind.code}",
        "code": kind.code,
        "title": kind.title,
        "status": kind.status,
        "description": cleandoc(kind.__doc__ or ""),
    }


def _html(page: dict[str, object]) -> str:
    title = html.escape(str(page["title"]))
    text = html.escape(str(page["description"]))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>{text}</p><p>Status {page['status']}, code "
        f"<code>{html.escape(str(page['code']))}</code>.</p></html>"
    )


@get(
    "/problems",
    operation_id="listProblems",
    summary="All kinds of problem",
    tags=["problems"],
    opt={"public": True},
)
async def list_problems() -> list[dict[str, object]]:
    """List every kind of refusal that this API knows."""
    return [_page(kind) for kind in error_types()]


@get(
    "/problems/{code:str}",
    operation_id="getProblem",
    summary="One kind of problem",
    tags=["problems"],
    opt={"public": True},
)
async def get_problem(code: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """Explain a kind of refusal, as a page for people or as JSON.

    Raises:
        NotFound: There is no such kind.
    """
    for kind in error_types():
        if kind.code == code:
            if "text/html" in request.headers.get("accept", ""):
                return Response(_html(_page(kind)), media_type="text/html")
            return Response(_page(kind), media_type="application/json")
    raise NotFound("there is no problem of this code")


problem_routes = (list_problems, get_problem)
