"""The API's settings page says what the program reads."""

from __future__ import annotations

from support import api_settings_reference


def test_the_settings_page_is_what_the_struct_says() -> None:
    assert api_settings_reference.PAGE.read_text() == api_settings_reference.render(), (
        "stale: run `make docs`"
    )
