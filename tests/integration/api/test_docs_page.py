"""`/docs` in a real browser, under its own content security policy, against the real server."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

from support.api_server import TENANT, TOKEN, running_api
from support.openapi_operations import operations
from support.openapi_tools import node_modules
from support.patience import patience
from support.people import PASSWORDS, auth_users
from support.shared_api import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess

pytestmark = pytest.mark.timeout(240)

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDTHS = (360, 768, 1280)
# One of each shape: a body, path parameters, a query, headers, none; public, and for admins.
OPENED = ("createAccount", "changeSecret", "getLatestRound", "livez", "getStatus", "createQuota")


@pytest.fixture(scope="module")
def server(
    postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    folder = tmp_path_factory.mktemp("docs")
    with (
        own_database(postgres) as url,
        running_api(url, folder, API_DOCS="public", AUTH_USERS=auth_users()) as process,
    ):
        yield process


@pytest.fixture(scope="module")
def browser(server: ApiProcess) -> Iterator[Browser]:
    # The browser's loop takes this thread, so what the server needs of it must have been done.
    assert server.returncode is None
    found = shutil.which("chromium")
    assert found, "the page is tested in Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        expect.set_options(timeout=patience(10) * 1000)
        launched = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, server: ApiProcess) -> Iterator[Page]:
    with browser.new_page(viewport={"width": 1280, "height": 900}) as made:
        yield load(made, server)


def load(page: Page, server: ApiProcess, anchor: str = "") -> Page:
    """Open the page; whatever its script or its policy complains about fails the test."""
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("console", lambda line: complaints(page).append(line.text) if is_bad(line) else None)
    page.set_default_timeout(patience(10) * 1000)
    page.goto(f"{server.url}/docs{anchor}")
    expect(page.locator("section.tag > details").first).to_be_visible()
    return page


def is_bad(line: Any) -> bool:
    return line.type == "error" and "Content Security Policy" in line.text


def complaints(page: Page) -> list[str]:
    found: list[str] = page.__dict__.setdefault("complaints", [])
    return found


def opened(page: Page, name: str) -> Any:
    """Open an operation."""
    node = page.locator(f"details#{name}")
    if node.get_attribute("open") is None:
        node.locator("summary").click()
    expect(node.locator("form")).to_be_visible()
    return node


def test_every_operation_is_there_and_no_body_is_empty(page: Page) -> None:
    ids = page.eval_on_selector_all("section.tag > details", "all => all.map(one => one.id)")
    assert sorted(ids) == sorted(operation.id for operation in operations())

    page.evaluate("document.querySelectorAll('section.tag > details').forEach(d => d.open = true)")
    with_body = [each.id for each in operations() if "requestBody" in each.described]
    expect(page.locator("details textarea")).to_have_count(len(with_body))
    bodies = page.eval_on_selector_all("details textarea", "all => all.map(one => one.value)")
    assert [body for body in bodies if not json.loads(body)] == []
    every = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(every) == len(set(every)), "an operation has the id of a part of the page"
    tables = page.locator("details table")
    assert tables.count() > len(with_body)
    assert complaints(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_can_be_read_by_everybody(
    browser: Browser, server: ApiProcess, width: int, scheme: Any
) -> None:
    with browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    ) as page:
        load(page, server)
        for name in OPENED:
            opened(page, name)
        page.locator("details#livez button").first.click()
        expect(page.locator("details#livez .output")).to_contain_text('"status": "ok"')
        page.locator("details#livez .copy").click()

        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} px wide"
        page.add_script_tag(path=str(node_modules() / "axe-core" / "axe.min.js"))
        found = page.evaluate("axe.run().then(done => done.violations)")
        grave = [
            f"{each['id']}: {node['html'][:160]}"
            for each in found
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]
        assert grave == []


def test_who_logs_in_has_the_token_filled_in(page: Page) -> None:
    page.fill("#username", "ann")
    page.fill("#password", "wrong")
    page.click("#sign-in button")
    expect(page.locator("#session")).to_contain_text("invalid credentials")
    assert page.input_value("#token") == ""

    page.fill("#password", PASSWORDS["ann"])
    page.click("#sign-in button")
    expect(page.locator("#session")).to_contain_text("Logged in as ann, role user, tenant tenant-a")
    assert page.input_value("#token").count(".") == 2
    assert page.input_value("#password") == ""

    node = opened(page, "whoami")
    node.get_by_role("button", name="Send").click()
    expect(node.locator(".output")).to_contain_text('"user": "ann"')
    node = opened(page, "createAccount")
    node.get_by_role("button", name="Send").click()
    expect(node.locator(".output")).to_contain_text("201 Created")
    expect(node.locator(".output")).to_contain_text("Location: /accounts/")
    assert complaints(page) == []


@pytest.mark.parametrize(
    ("name", "body", "shown"),
    [
        ("createAccount", '{"owner": "it\'s @ \\"quoted\\" $HOME \\\\ ä"}', "it's @"),
        ("listAccounts", None, "[]"),
        ("login", json.dumps({"username": "ann", "password": PASSWORDS["ann"]}), "expires_at"),
    ],
)
def test_what_is_copied_as_curl_works(page: Page, name: str, body: str | None, shown: str) -> None:
    page.fill("#token", TOKEN)
    page.fill("#tenant", f"{TENANT}-{name}")
    node = opened(page, name)
    if body is not None:
        node.locator("textarea").fill(body)
    node.get_by_role("button", name="Copy as curl").click()
    expect(node.locator(".curl")).to_be_visible()
    command = node.locator(".curl").text_content() or ""

    done = subprocess.run(
        ["bash", "-c", f"{command} --noproxy '*' --fail-with-body"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, command + done.stdout + done.stderr
    assert shown in done.stdout


def test_an_address_leads_to_an_operation(browser: Browser, server: ApiProcess) -> None:
    with browser.new_page() as page:
        load(page, server, "#createSecret")
        node = page.locator("details#createSecret")
        expect(node.locator("form")).to_be_visible()
        expect(node.get_by_role("link", name="createSecret")).to_have_attribute(
            "href", "#createSecret"
        )
        expect(node).to_be_in_viewport()


def test_a_token_behind_the_address_is_taken_and_leaves_it(
    browser: Browser, server: ApiProcess
) -> None:
    """As `servicelayer-api dev` prints it."""
    with browser.new_page() as page:
        load(page, server, f"#token={TOKEN}")
        assert page.input_value("#token") == TOKEN
        assert page.url == f"{server.url}/docs"
        node = opened(page, "whoami")
        node.get_by_role("button", name="Send").click()
        expect(node.locator(".output")).to_contain_text('"user": "token"')


def test_operations_are_found_by_their_fields(page: Page) -> None:
    page.fill("#find", "deviation_percent")

    shown = page.locator("section.tag > details:visible")
    expect(shown).to_have_count(2)
    expect(page.locator("details#createPriceFeed")).to_be_visible()
