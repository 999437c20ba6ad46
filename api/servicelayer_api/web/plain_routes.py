"""The short way through the router for routes that ask nothing special of it. Almost all do.

A plain route takes the request, path parameters as text, a JSON body and what the features provide,
and nothing else but a query that may be left out; it has no guards, no cache and no hooks of its
own beside the check of scopes. The router's own way builds a model, a stack of contexts and a
conversion around these at every request. Here they are put in directly, by a plan that is made
once. What a route is given and what it answers is the same either way, and whatever is not plain, a
query or an empty body among it, takes the router's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, override

import msgspec
from litestar.routes import HTTPRoute
from litestar.serialization import encode_json

from servicelayer_api.web.answers import Answer, ShortAnswer
from servicelayer_api.web.scopes import require_scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar import Request
    from litestar.handlers import HTTPRouteHandler
    from litestar.types import ASGIApp, Scope

_RESERVED: Final = frozenset({"request", "data"})
_JSON: Final = "application/json"
_WITH_BODY: Final = frozenset({200, 201, 202})
_ENCODED: Final = (msgspec.Struct, list)


class _Plan:
    """How a handler is called; stands in the place of the router's model of it."""

    __slots__ = ("body", "model", "parameters", "takes_request", "values")

    def __init__(
        self,
        model: Any,
        values: Mapping[str, object],
        parameters: tuple[tuple[str, str], ...],
    ) -> None:
        self.model = model
        self.values = values
        self.parameters = parameters
        self.takes_request = "request" in model.expected_reserved_kwargs
        self.body: Any = model.expected_data_dto


class PlainRoute(HTTPRoute):
    """A route of the router, some or all of whose handlers are plain."""

    __slots__ = ()

    @override
    async def _get_response_for_request(
        self,
        scope: Scope,
        request: Request[Any, Any, Any],
        route_handler: HTTPRouteHandler,
        parameter_model: Any,
    ) -> ASGIApp:
        model = parameter_model
        if isinstance(model, _Plan):
            if not cast("Any", scope)["query_string"]:
                answer = await self._call(model, request, route_handler)
                if answer is not None:
                    return answer
            model = model.model
        return await super()._get_response_for_request(scope, request, route_handler, model)

    @staticmethod
    async def _call(
        plan: _Plan, request: Request[Any, Any, Any], handler: HTTPRouteHandler
    ) -> ASGIApp | None:
        """Call a plain handler; `None` when there is no body where one is wanted."""
        await require_scope(request)
        values = {**plan.values}
        for name, written in plan.parameters:
            values[name] = request.scope["path_params"][written]
        if plan.takes_request:
            values["request"] = request
        if plan.body is not None:
            body = await request.body()
            if not body:
                return None
            values["data"] = plan.body(request).decode_bytes(body)
        found: object = await handler.fn(**values)
        status = handler.status_code
        if isinstance(found, Answer):
            answer = found.to_asgi_response(None, request, media_type=_JSON, status_code=status)
        elif isinstance(found, _ENCODED) and status in _WITH_BODY:
            answer = cast("ASGIApp", ShortAnswer(status, encode_json(found), {}))
        else:
            answer = await cast("Any", handler).to_response(request.app, found, request)
        return answer


def shorten(route: HTTPRoute) -> None:
    """Let the plain handlers of a route be called directly.

    The router makes its routes itself and keeps them where it likes, so a route is not replaced: it
    is told to be one of ours, which has the same members.

    For handlers that are not plain one thing is mended: the router provides two or more
    dependencies by a task group, a task each, as if they had to be waited for. Ours are there
    already.
    """
    for _, model in route.route_handler_map.values():
        model.dependency_batches = [{one} for batch in model.dependency_batches for one in batch]
    plans = {
        method: (handler, plan)
        for method, (handler, model) in route.route_handler_map.items()
        if (plan := _plan(route, handler, model)) is not None
    }
    if plans:
        route.__class__ = PlainRoute
        route.route_handler_map.update(cast("Any", plans))


def _plan(route: HTTPRoute, handler: Any, model: Any) -> _Plan | None:
    """Plan a handler; `None` when it is not plain."""
    provided = _provided(model)
    parameters = _parameters(route, handler, model)
    special: tuple[object, ...] = (
        handler.resolve_guards(),
        handler.resolve_before_request() is not require_scope,
        handler.cache,
        handler.has_sync_callable,
        handler.after_request,
        handler.resolve_return_dto(),
        handler.resolve_response_headers(),
        handler.resolve_response_cookies(),
        handler.background,
        (handler.media_type or _JSON) != _JSON,
        model.expected_cookie_params,
        model.expected_header_params,
        any(one.is_required for one in model.expected_query_params),
        model.expected_form_data,
        model.expected_msgpack_data,
        model.is_data_optional,
        not model.expected_reserved_kwargs <= _RESERVED,
        ("data" in model.expected_reserved_kwargs) != (model.expected_data_dto is not None),
    )
    if provided is None or parameters is None or any(special):
        return None
    left_out = {one.field_name: one.default for one in model.expected_query_params}
    return _Plan(model, {**provided, **left_out}, parameters)


def _provided(model: Any) -> dict[str, Any] | None:
    """What the features provide to a handler, if all of it is there already."""
    containers = [one for batch in model.dependency_batches for one in batch]
    values = {one.key: getattr(one.provide, "value", None) for one in containers}
    return None if None in values.values() else values


def _parameters(route: HTTPRoute, handler: Any, model: Any) -> tuple[tuple[str, str], ...] | None:
    """Names of a handler's path parameters, each with that in the path, if all are plain text."""
    asked = handler.parsed_fn_signature.parameters
    for parameter in model.expected_path_params:
        field = asked.get(parameter.field_name)
        limits = getattr(field, "kwarg_definition", None)
        in_path = route.path_parameters.get(parameter.field_alias)
        if (
            field is None
            or in_path is None
            or (field.annotation, in_path.type) != (str, str)
            or getattr(limits, "is_constrained", False)
        ):
            return None
    return tuple((one.field_name, one.field_alias) for one in model.expected_path_params)
