"""`make demo`, twice on the real cluster: the second run finds everything and changes nothing."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import demo, release
from cluster.handle import Cluster
from cluster.helm import Helm

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tidy_demo(real_cluster: Cluster) -> Iterator[Cluster]:
    """A demo that was there before stays; one that these tests made goes."""
    kubectl = real_cluster.kubectl
    phase = ("get", "namespace", demo.NAMESPACE, "-o", "jsonpath={.status.phase}")
    # One that is on its way out is none: what is made after it is ours.
    was_there = kubectl(*phase, check=False).stdout == "Active"
    yield real_cluster
    if not was_there:
        kubectl("-n", demo.NAMESPACE, "delete", "sl", "--all")
        helm = Helm(real_cluster.kubeconfig)
        helm("uninstall", "servicelayer-operator", "--namespace", release.SYSTEM)
        kubectl("delete", "namespace", demo.NAMESPACE, "--wait=false")


def run_demo() -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-m", "cluster.demo"],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "tests"},
    )

    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_demo_creates_an_account_and_a_second_run_changes_nothing(tidy_demo: Cluster) -> None:
    first, second = run_demo(), run_demo()
    account = re.search(r"^  account  (\S+)$", first.stdout, re.MULTILINE)

    assert account is not None
    assert f"account  {account[1]}" in second.stdout
    assert "nothing was changed" in second.stdout
    for told in ("Ready=True", "token    ", "URL      http", "Try next"):
        assert told in first.stdout
    pods = tidy_demo.kubectl.json("-n", demo.NAMESPACE, "get", "pods")["items"]
    assert {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods} >= {
        "api",
        "postgres",
    }


def test_commands_that_the_demo_prints_work(tidy_demo: Cluster) -> None:
    assert tidy_demo.kubeconfig.is_file()
    told = run_demo().stdout
    script = [line.strip() for line in told.splitlines() if line.startswith("  export TOKEN=")]
    script += [line.strip() for line in told.splitlines() if line.startswith("  curl ")]

    assert len(script) == 4
    for command in script[1:]:
        done = subprocess.run(
            ["sh", "-c", f"{script[0]}; {command} --fail"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert done.stdout.startswith(("{", "["))
