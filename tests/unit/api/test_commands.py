"""The command line, migration files, ids, and the description of the API."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api import __main__ as program
from servicelayer_api.app import create_app
from servicelayer_api.db.address import connect_options, parse_dsn
from servicelayer_api.db.migrations import MigrationFilesError, load_migrations
from servicelayer_api.ids import new_id, parse_id
from servicelayer_api.settings import Secret, Settings

if TYPE_CHECKING:
    from _pytest.capture import CaptureFixture

_TOP = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        (["serve"], ["serve"]),
        (["-dsn", "X", "-migrate"], ["serve", "--dsn", "X", "--migrate"]),
        (["-migrate-only"], ["migrate"]),
        (["--migrate-only"], ["migrate"]),
        (["-dsn=X", "-migrate", "-migrate-only"], ["migrate", "--dsn=X"]),
        (["-migrate=false"], ["serve", "--migrate=false"]),
        (["-version"], ["version"]),
        (["migrate", "--dsn", "X"], ["migrate", "--dsn", "X"]),
        (["--help"], ["--help"]),
    ],
)
def test_the_guides_spellings_become_commands(spelled: list[str], meant: list[str]) -> None:
    assert program._translate(spelled) == meant


def test_version_tells_the_build(
    capsys: CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_COMMIT", "abc123")

    assert program.main(["version"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["commit"], set(told)) == (
        "abc123",
        {"version", "commit", "built_at", "python_version"},
    )


def test_a_refusal_is_left_where_kubernetes_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERMINATION_LOG", str(tmp_path / "note"))
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)

    assert program.main(["migrate"]) == 2
    assert json.loads((tmp_path / "note").read_text())["reason"] == "ConfigInvalid"
    assert capsys.readouterr().err.startswith("servicelayer-api: DATABASE_URL is not set")


@pytest.fixture(scope="module")
def description() -> dict[str, object]:
    nowhere = Settings(database_url=Secret("postgres://nobody@localhost/none"))
    found: dict[str, object] = json.loads(create_app(nowhere).openapi())
    return found


def _operations(description: dict[str, object]) -> dict[str, dict[str, object]]:
    paths = description["paths"]
    assert isinstance(paths, dict)
    return {
        f"{verb} {path}": operation
        for path, item in paths.items()
        for verb, operation in item.items()
        if isinstance(operation, dict)
    }


def test_every_operation_is_named_summed_up_and_tagged(description: dict[str, object]) -> None:
    operations = _operations(description)
    ids = [operation["operationId"] for operation in operations.values()]

    assert len(set(ids)) == len(ids) > 10
    assert [k for k, op in operations.items() if not (op.get("summary") and op.get("tags"))] == []
    assert [i for i in ids if not re.fullmatch(r"[a-z][A-Za-z]+", str(i))] == []


def test_every_operation_says_whether_it_wants_a_token_and_how_it_refuses(
    description: dict[str, object],
) -> None:
    operations = _operations(description)
    public = {name for name, operation in operations.items() if operation["security"] == []}

    assert {
        "get /livez",
        "get /readyz",
        "get /healthz",
        "get /system/version",
    } <= public
    assert "get /system/status" not in public
    for name, operation in operations.items():
        refusals = {"429", "500", "503"} | (set() if name in public else {"400", "401", "403"})
        assert refusals <= operation["responses"].keys(), name  # pyright: ignore[reportAttributeAccessIssue]
        assert "default" not in operation["responses"], name  # pyright: ignore[reportOperatorIssue]


def test_every_change_may_be_repeated_safely(description: dict[str, object]) -> None:
    for name, operation in _operations(description).items():
        offered = {"$ref": "#/components/parameters/IdempotencyKey"} in operation.get(
            "parameters", []
        )  # pyright: ignore[reportOperatorIssue]
        assert offered == (not name.startswith("get ") and operation["security"] != []), name


def test_every_reference_of_the_description_leads_somewhere(description: dict[str, object]) -> None:
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(description))):
        at: object = description
        for key in reference.split("/"):
            assert isinstance(at, dict)
            at = at[key]


@pytest.mark.parametrize("name", ["docs.html", "docs.js", "docs.css"])
def test_the_page_to_try_the_api_needs_no_other_server(name: str) -> None:
    text = resources.files("servicelayer_api.web").joinpath("pages", name).read_text("utf-8")

    assert re.findall(r"https?://|//[a-z]+\.", text) == []
    assert re.findall(r"<script>|<style>|\sstyle=|\son[a-z]+=\"", text) == []


def test_the_migrations_of_the_checkout_are_in_order() -> None:
    files = sorted((_TOP / "migrations").glob("*.sql"))

    assert [m.label for m in load_migrations()] == [file.stem for file in files]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["0001_a.sql", "0003_c.sql"], "0003_c.sql: expected number 0002"),
        (["0001_a.sql", "0001_b.sql"], "expected number 0002"),
        (["readme.md"], "no migration files"),
    ],
)
def test_a_gap_or_a_double_among_the_migrations_is_refused(
    tmp_path: Path, names: list[str], said: str
) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")

    with pytest.raises(MigrationFilesError, match=said):
        load_migrations(tmp_path)


def test_a_migrations_checksum_does_not_depend_on_line_ends(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT 1;\r\nSELECT 2;\r\n")
    (with_returns,) = load_migrations(tmp_path)
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT 1;\nSELECT 2;\n")
    (without,) = load_migrations(tmp_path)

    assert with_returns.checksum == without.checksum


def test_a_migration_can_ask_to_run_outside_of_a_transaction(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("-- servicelayer: no-transaction\nSELECT 1")
    (tmp_path / "0002_b.sql").write_text("SELECT 1")

    assert [m.transactional for m in load_migrations(tmp_path)] == [False, True]


@pytest.mark.parametrize(
    "dsn",
    [
        "postgres://u:p@h:5432/d",
        "postgresql://u@h/d?sslmode=verify-full",
        "postgres://u:p%40@[::1]:5432/d",
        "postgres:///d?host=/var/run/postgresql",
    ],
)
def test_a_usable_database_address_is_taken(dsn: str) -> None:
    assert parse_dsn(dsn) is None


@pytest.mark.parametrize(
    "dsn",
    [
        "postgres://user:1234/secret@host/d",
        "postgres://user:12#secret@host/d",
        "postgres://user:12?secret@host/d",
    ],
)
def test_a_password_that_is_not_encoded_is_refused_and_not_repeated(dsn: str) -> None:
    fault = parse_dsn(dsn)

    assert fault is not None
    assert "percent-encoded" in fault
    assert "secret" not in fault


@pytest.mark.parametrize(
    ("dsn", "target"),
    [
        ("postgres://u@h1:5432,h2:5432/d", "read-write"),
        ("postgres://u@h1,h2/d?target_session_attrs=any", None),
        ("postgres://u@h/d", None),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_asked_for(
    dsn: str, target: str | None
) -> None:
    options = connect_options(dsn, statement_cache=True, timeout=10)

    assert options.get("target_session_attrs") == target


@given(st.integers(0, 2**48 - 1))
def test_an_id_is_a_uuid_of_version_seven_with_its_time(at_ms: int) -> None:
    made = new_id(at_ms)

    assert (made.version, made.variant) == (7, UUID(int=0x8 << 60).variant)
    assert made.int >> 80 == at_ms


def test_ids_differ_and_sort_by_age() -> None:
    made = [new_id(ms) for ms in range(1000) for _ in range(2)]

    assert len(set(made)) == 2000
    assert [m.int >> 80 for m in sorted(made)] == [ms for ms in range(1000) for _ in range(2)]


@pytest.mark.parametrize(
    "text", ["", "x", "{01a20c54-f9bf-7303-affb-7e9642600657}", "01a20c54f9bf7303affb7e9642600657"]
)
def test_only_the_usual_form_of_an_id_is_one(text: str) -> None:
    assert parse_id(text) is None
    assert parse_id(str(new_id())) is not None
