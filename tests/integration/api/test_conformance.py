"""The exchanges recorded from the reference server, replayed against the real program.

`tests/contract/reference/` holds the recording and its replayer as they were handed over. Judged is
by this project's contract (`--contract`): successes as recorded, refusals by class as problems.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import pytest

from support.api_server import free_port, running_api

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE = Path(__file__).parents[2] / "contract" / "reference"
# The modules that are built; the others join as they come.
MODULES = (
    "probes",
    "auth",
    "accounts",
    "workspace-wallets",
    "random",
    "system",
    "secrets",
    "admin",
    "oracle",
    "oracle-runner",
    "gasbank",
    "pricefeeds",
    "datafeeds",
)
# "No background work", and the replayer's mock on this machine.
QUIET = {"ORACLE_DISPATCH": "false", "EGRESS_ALLOW": "127.0.0.1/32"}
RUNNER_PROFILE = {"accounts", "oracle-runner"}
DIFFERENCES = REFERENCE.parents[2] / "docs" / "compatibility.json"
COST = 6


def recorded_environment() -> Mapping[str, str]:
    """The settings the recording was made with; passwords as the hashes this program wants."""
    meta = json.loads((REFERENCE / "transcripts.meta.json").read_text())
    env = {name: text for name, text in meta["env_common"].items() if name.isupper()}
    # The recording withdraws to destinations such as "Nout".
    env["GASBANK_VALIDATE_ADDRESSES"] = "false"
    # The recorded signers sign with "sig1".
    env["DATAFEEDS_VERIFY_SIGNATURES"] = "false"
    env["RANDOM_SIGNING_KEY"] = env["RANDOM_SIGNING_KEY"].split()[0]
    users = [entry.split(":") for entry in env["AUTH_USERS"].split(",")]
    env["AUTH_USERS"] = ",".join(
        f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()}:{role}"
        for name, password, role in users
    )
    return env


@pytest.mark.parametrize("profile", ["quiet", "runner"])
def test_recorded_exchanges_of_the_built_modules_are_answered_as_the_contract_says(
    profile: str, database_url: str, tmp_path: Path
) -> None:
    results = tmp_path / "results.json"
    with running_api(database_url, tmp_path, **recorded_environment(), **QUIET) as api:
        ran = subprocess.run(
            [
                sys.executable,
                str(REFERENCE / "replay.py"),
                f"--base-url={api.url}",
                f"--var=mock=http://127.0.0.1:{free_port()}",
                f"--profile={profile}",
                f"--module={','.join(MODULES)}",
                f"--json={results}",
                f"--differences={DIFFERENCES}",
                "--contract",
            ],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}\n{api.output()[-4000:]}"

    judged = {result["module"] for result in json.loads(results.read_text()) if result["ok"]}
    quiet = set(MODULES) - {"oracle-runner"}
    assert judged == (quiet if profile == "quiet" else RUNNER_PROFILE)
