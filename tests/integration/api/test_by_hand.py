"""What the deployment guide's readers do without an operator: health checks, migrating, files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from servicelayer_api.db.migrations import load_migrations
from servicelayer_api.settings_oddities import find_oddities
from support.api_server import TOKEN, environment, free_port, running_api
from support.patience import patience


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-P", "-m", "servicelayer_api", *arguments],
        env={**kept, "CONFIG_FILE": os.devnull, **env},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/healthz"])
def test_health_is_asked_inside_the_container(database_url: str, tmp_path: Path, path: str) -> None:
    with running_api(database_url, tmp_path) as api:
        address = {"LISTEN_ADDR": f":{api.port}"}
        good = run("health", "--path", path, **address)
        lost = run("health", "--path", "/no-such-path", **address)
    gone = run("health", "--path", path, **address)

    assert (good.returncode, lost.returncode, gone.returncode) == (0, 1, 1)
    assert f"{path} at :{api.port}: 200" in good.stdout
    assert "Connection refused" in gone.stdout


def test_health_says_why_modules_are_not_ready(empty_database_url: str, tmp_path: Path) -> None:
    probes = {"PROBE_ADDR": f"127.0.0.1:{free_port()}"}
    with running_api(empty_database_url, tmp_path, wait="/livez", MIGRATE="false", **probes) as api:
        api.wait_for("/readyz", 503)
        told = run("health", **probes)
        public = api.wait_for("/readyz", 503).json()

    assert told.returncode == 1
    assert "; store: the schema is at version 0, this code needs " in told.stdout
    assert "modules" not in public


def test_the_guide_s_migrate_flag_needs_the_database_alone(empty_database_url: str) -> None:
    first = run("-dsn", empty_database_url, "-migrate")
    second = run("-dsn", empty_database_url, "-migrate")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert "only the database is configured: migrating without serving" in first.stdout
    assert load_migrations()[-1].label in first.stdout
    assert load_migrations()[-1].label not in second.stdout


def test_the_migrate_flag_of_a_server_that_lacks_a_key_is_still_refused(
    empty_database_url: str,
) -> None:
    refused = run("-dsn", empty_database_url, "-migrate", API_TOKENS=TOKEN)
    assert refused.returncode == 2
    assert "SECRET_ENCRYPTION_KEY" in refused.stderr


def test_an_audit_file_that_cannot_be_written_is_told_until_it_can(
    database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "missing"
    path = str(folder / "audit.jsonl")
    with (
        running_api(database_url, tmp_path, AUDIT_LOG_PATH=path) as api,
        api.client() as client,
    ):

        def module() -> dict[str, str]:
            modules = client.get("/system/status").json()["modules"]
            (found,) = [each for each in modules if each["name"] == "audit-file"]
            return found

        told = module()["ready_error"]
        assert "No such file or directory" in told
        assert f"AUDIT_LOG_PATH={folder}/audit.jsonl" in told
        assert client.get("/readyz").status_code == 200
        folder.mkdir()
        deadline = time.monotonic() + patience(30)
        while module()["ready_status"] != "ready":
            assert time.monotonic() < deadline, module()
            time.sleep(0.1)


def test_a_variable_that_nobody_reads_is_named_in_the_log(
    database_url: str, tmp_path: Path
) -> None:
    with running_api(database_url, tmp_path, SECRET_MAX_PER_ACCOUNT="7") as api:
        said = api.output()
    assert "SECRET_MAX_PER_ACCOUNT is not a setting; did you mean SECRETS_MAX_PER_ACCOUNT?" in said


def test_the_second_name_of_the_program_is_installed() -> None:
    script = Path(sys.executable).with_name("appserver")
    done = subprocess.run([str(script), "-version"], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr


def test_environment_of_the_tests_names_no_odd_variable() -> None:
    assert list(find_oddities(environment("postgres://x/y", free_port()))) == []
