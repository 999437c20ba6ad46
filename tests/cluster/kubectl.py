"""kubectl against one kubeconfig, for the harness and for tests."""

import base64
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.kubeconfig import write_kubeconfig
from cluster.toolchain import program


@dataclass(frozen=True)
class Kubectl:
    """Calls kubectl; never reads the person's own configuration."""

    kubeconfig: Path

    def __call__(
        self, *arguments: str, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> "subprocess.CompletedProcess[str]":
        """Run kubectl with `arguments`; a failure raises with kubectl's own words.

        Args:
            arguments: as on the command line, without the program's name.
            stdin: text for `-f -`.
            check: raise on a non-zero exit; otherwise the caller looks at the result.
            timeout: seconds after which kubectl is killed.
        """
        try:
            done = subprocess.run(
                [program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments],
                # An empty input, not ours: kubectl must never wait for the person's keyboard.
                input=stdin or "",
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as exc:
            text = f"kubectl {' '.join(arguments)} did not end within {timeout:.0f} s"
            raise ClusterError(text) from exc
        if check and done.returncode != 0:
            text = (done.stderr or done.stdout).strip()
            raise ClusterError(f"kubectl {' '.join(arguments)} failed: {text}")
        return done

    def json(self, *arguments: str) -> Any:
        """Run kubectl with `-o json` and return what it printed."""
        return json.loads(self(*arguments, "-o", "json").stdout)

    def apply(self, *objects: dict[str, Any], manager: str = "servicelayer-tests") -> None:
        """Apply objects server-side in one call, taking over fields that others hold."""
        bundle = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self(
            *("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}"),
            *("-f", "-"),
            stdin=json.dumps(bundle),
        )

    def wait_established(self, *definitions: str, seconds: float = 60) -> None:
        """Wait until the API server serves these resource definitions, by default all there are.

        `kubectl wait` cannot: it ends with an error where a new definition has no conditions yet.
        """
        deadline = time.monotonic() + seconds
        while waiting := self._not_established(definitions):
            if time.monotonic() > deadline:
                text = f"not served after {seconds:.0f} s: {', '.join(waiting)}"
                raise ClusterError(text)
            time.sleep(0.2)

    def _not_established(self, definitions: tuple[str, ...]) -> list[str]:
        found = self.json("get", "crd")["items"]
        served = {
            item["metadata"]["name"]: any(
                condition["type"] == "Established" and condition["status"] == "True"
                for condition in item.get("status", {}).get("conditions") or []
            )
            for item in found
        }
        return [name for name in definitions or served if not served.get(name)]

    def service_account_kubeconfig(
        self, namespace: str, name: str, path: Path, *, duration: str = "1h"
    ) -> Path:
        """Write a kubeconfig that acts as a service account, by a token issued for it."""
        token = self("-n", namespace, "create", "token", name, f"--duration={duration}").stdout
        view = self.json("config", "view", "--raw", "--minify")["clusters"][0]["cluster"]
        authority = path.with_suffix(".ca")
        authority.write_bytes(base64.b64decode(view["certificate-authority-data"]))
        return write_kubeconfig(
            path, server=view["server"], authority=authority, token=token.strip()
        )
