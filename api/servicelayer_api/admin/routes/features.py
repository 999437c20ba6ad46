"""`/admin/config/features`."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from servicelayer_api.admin.models import FeatureFlag, FeatureFlagChange
from servicelayer_api.admin.rules import FEATURES
from servicelayer_api.admin.service import Configuration
from servicelayer_api.web.answers import created
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Pages

_LIST = "admin-features"


@get(
    "/admin/config/features",
    operation_id="listFeatureFlags",
    summary="List feature flags",
    tags=["admin"],
)
async def list_features(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    pages: NamedDependency[Pages],
) -> Response[list[FeatureFlag]]:
    """List feature flags."""
    page = pages.read(request, _LIST, MAX_LIMIT)
    found = await configuration.list_items(caller_of(request.scope), FEATURES, page)
    return pages.answer(request, _LIST, found)


@post(
    "/admin/config/features",
    operation_id="createFeatureFlag",
    summary="Make a feature flag",
    tags=["admin"],
    opt={"needs": FEATURES.required},
)
async def create_feature(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    data: JSONBody[FeatureFlagChange],
) -> Response[FeatureFlag]:
    """Make a feature flag."""
    made = await configuration.create_item(caller_of(request.scope), FEATURES, data)
    return created(request, made, made.key)


@get(
    "/admin/config/features/{key:str}",
    operation_id="getFeatureFlag",
    summary="Show a feature flag",
    tags=["admin"],
)
async def get_feature(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    key: FromPath[str],
) -> FeatureFlag:
    """Show a feature flag."""
    return await configuration.get_item(caller_of(request.scope), FEATURES, key)


@put(
    "/admin/config/features/{key:str}",
    operation_id="replaceFeatureFlag",
    summary="Replace a feature flag: what is not sent becomes empty",
    tags=["admin"],
)
async def replace_feature(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    key: FromPath[str],
    data: JSONBody[FeatureFlagChange],
) -> FeatureFlag:
    """Replace a feature flag."""
    return await configuration.replace_item(caller_of(request.scope), FEATURES, key, data)


@patch(
    "/admin/config/features/{key:str}",
    operation_id="changeFeatureFlag",
    summary="Change a feature flag: what is not sent stays as it is",
    tags=["admin"],
)
async def change_feature(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    key: FromPath[str],
    data: JSONBody[FeatureFlagChange],
) -> FeatureFlag:
    """Change a feature flag."""
    return await configuration.change_item(caller_of(request.scope), FEATURES, key, data)


ROUTES = [
    list_features,
    create_feature,
    get_feature,
    replace_feature,
    change_feature,
]
