"""The reference pages say what the code's registries hold."""

from __future__ import annotations

import pytest

from support import generated_pages


@pytest.mark.parametrize("name", sorted(generated_pages.PAGES))
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    page = (generated_pages.FOLDER / name).read_text()

    assert page == generated_pages.PAGES[name](), "stale: run `make docs`"
    assert page.count("\n| `") > 5
