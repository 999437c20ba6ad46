"""Variables that are set and read by nobody are named, with the one that may have been meant."""

from __future__ import annotations

import pytest

from servicelayer_api.settings_loader import fields
from servicelayer_api.settings_oddities import WITHOUT_EFFECT, find_oddities


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATABASE_URI", "DATABASE_URL"),
        ("API_TOKEN", "API_TOKENS"),
        ("SECRETS_ENCRYPTION_KEY", "SECRET_ENCRYPTION_KEY"),
        ("api_tokens", "API_TOKENS"),
        ("AUTH_JWT_SECRETS", "AUTH_JWT_SECRET"),
        ("DATABASE_URL_FIL", "DATABASE_URL_FILE"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_one_it_is_like(name: str, meant: str) -> None:
    (said,) = find_oddities({name: "hidden-value"})
    assert said == f"{name} is not a setting; did you mean {meant}?"


def test_a_variable_of_one_of_our_parts_is_named_though_it_is_like_none() -> None:
    assert list(find_oddities({"ORACLE_COLOUR_OF_BIKESHED": "x"})) == [
        "ORACLE_COLOUR_OF_BIKESHED is not a setting"
    ]


@pytest.mark.parametrize("name", sorted(WITHOUT_EFFECT))
def test_a_setting_of_a_part_that_is_not_there_yet_is_named(name: str) -> None:
    assert list(find_oddities({name: "x"})) == [f"{name} has no effect in this version"]


def test_what_is_in_every_container_is_nothing_odd() -> None:
    usual = {field.variable for field in fields()} - WITHOUT_EFFECT
    usual |= {"API_TOKENS_FILE", "CONFIG_FILE", "PATH", "HOME", "HOSTNAME", "LANG", "TZ", "PWD"}
    usual |= {"NEO_RPC_PORT_10332_TCP_ADDR", "ORACLE_SERVICE_HOST", "ORACLE_SERVICE_PORT_HTTP"}
    usual |= {"ORACLE_PORT", "KUBERNETES_SERVICE_HOST", "BUILD_COMMIT", "PYTHONUNBUFFERED"}
    assert list(find_oddities(dict.fromkeys(usual, "x"))) == []
