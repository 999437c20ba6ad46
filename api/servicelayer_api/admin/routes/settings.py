"""`/admin/config/settings`."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from servicelayer_api.admin.models import Setting, SettingChange
from servicelayer_api.admin.rules import SETTINGS
from servicelayer_api.admin.service import Configuration
from servicelayer_api.web.answers import created
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Pages

_LIST = "admin-settings"


@get(
    "/admin/config/settings",
    operation_id="listSettings",
    summary="List settings",
    tags=["admin"],
)
async def list_settings(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    pages: NamedDependency[Pages],
    category: Annotated[
        str | None, QueryParameter(name="category", description="Category of setting")
    ] = None,
) -> Response[list[Setting]]:
    """List settings."""
    page = pages.read(request, _LIST, MAX_LIMIT, category=category)
    found = await configuration.list_items(
        caller_of(request.scope), SETTINGS, page, category or None
    )
    return pages.answer(request, _LIST, found, category=category)


@post(
    "/admin/config/settings",
    operation_id="createSetting",
    summary="Make a setting",
    tags=["admin"],
    opt={"needs": SETTINGS.required},
)
async def create_setting(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    data: JSONBody[SettingChange],
) -> Response[Setting]:
    """Make a setting."""
    made = await configuration.create_item(caller_of(request.scope), SETTINGS, data)
    return created(request, made, made.key)


@get(
    "/admin/config/settings/{key:str}",
    operation_id="getSetting",
    summary="Show a setting",
    tags=["admin"],
)
async def get_setting(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    key: FromPath[str],
) -> Setting:
    """Show a setting."""
    return await configuration.get_item(caller_of(request.scope), SETTINGS, key)


@put(
    "/admin/config/settings/{key:str}",
    operation_id="replaceSetting",
    summary="Replace a setting: what is not sent becomes empty",
    tags=["admin"],
)
async def replace_setting(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    key: FromPath[str],
    data: JSONBody[SettingChange],
) -> Setting:
    """Replace a setting."""
    return await configuration.replace_item(caller_of(request.scope), SETTINGS, key, data)


@patch(
    "/admin/config/settings/{key:str}",
    operation_id="changeSetting",
    summary="Change a setting: what is not sent stays as it is",
    tags=["admin"],
)
async def change_setting(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    key: FromPath[str],
    data: JSONBody[SettingChange],
) -> Setting:
    """Change a setting."""
    return await configuration.change_item(caller_of(request.scope), SETTINGS, key, data)


@delete(
    "/admin/config/settings/{key:str}",
    operation_id="deleteSetting",
    summary="Delete a setting",
    tags=["admin"],
)
async def delete_setting(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    key: FromPath[str],
) -> None:
    """Delete a setting."""
    await configuration.delete_item(caller_of(request.scope), SETTINGS, key)


@delete(
    "/admin/config/settings",
    operation_id="deleteSettingByName",
    summary="Delete a setting whose name cannot stand in a path",
    tags=["admin"],
)
async def delete_setting_by_name(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    key: Annotated[str, QueryParameter(description="The whole name", min_length=1)],
) -> None:
    """Delete a setting."""
    await configuration.delete_item(caller_of(request.scope), SETTINGS, key)


ROUTES = [
    list_settings,
    create_setting,
    get_setting,
    replace_setting,
    change_setting,
    delete_setting,
    delete_setting_by_name,
]
