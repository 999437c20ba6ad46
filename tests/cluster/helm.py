"""helm against one kubeconfig, or none when it only renders, for the demo and for tests.

It never reads the person's own Helm folders or KUBECONFIG, and values travel by standard input,
so that nothing of them shows in the process list.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.toolchain import program

CHARTS = Path(__file__).resolve().parents[2] / "charts"
OPERATOR_CHART = CHARTS / "servicelayer-operator"
CRDS_CHART = CHARTS / "servicelayer-operator-crds"


@dataclass(frozen=True)
class Helm:
    """Calls helm; without a kubeconfig it can lint and render only."""

    kubeconfig: Path | None = None

    def __call__(
        self, *arguments: str, stdin: str = "", check: bool = True, timeout: float = 300
    ) -> "subprocess.CompletedProcess[str]":
        """Run helm with `arguments`; a failure raises with helm's own words."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HELM_", "KUBE"))}
        if self.kubeconfig is not None:
            environment["KUBECONFIG"] = str(self.kubeconfig)
        done = subprocess.run(
            [program("helm"), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=environment,
        )
        if check and done.returncode != 0:
            text = (done.stderr or done.stdout).strip()
            raise ClusterError(f"helm {' '.join(arguments[:3])} failed: {text}")
        return done

    def template(
        self,
        chart: Path,
        values: Mapping[str, Any] | None = None,
        *,
        release: str = "servicelayer-operator",
        namespace: str = "servicelayer-system",
        served: tuple[str, ...] = (),
    ) -> list[dict[str, Any]]:
        """Render a chart and return its objects.

        Args:
            chart: folder of the chart.
            values: laid over the chart's own.
            release: name of the release.
            namespace: namespace of the release.
            served: API versions that the chart is told the cluster serves.
        """
        options = [word for version in served for word in ("--api-versions", version)]
        done = self(
            *("template", release, str(chart), "--namespace", namespace, "--values", "-"),
            *options,
            stdin=json.dumps(values or {}),
        )
        return [item for item in yaml.load_all(done.stdout, yaml.CSafeLoader) if item]

    def install(
        self,
        release: str,
        chart: Path,
        values: Mapping[str, Any] | None = None,
        *,
        namespace: str,
    ) -> bool:
        """Bring a release to the wanted state; tell whether anything had to be done.

        The release is left alone when it stands with the same objects and the cluster holds them
        unchanged: an upgrade would store one more revision of nothing.
        """
        wanted = self.template(chart, values, release=release, namespace=namespace)
        if self._deployed(release, namespace) == wanted and self._unchanged(wanted):
            return False
        self(
            *("upgrade", "--install", release, str(chart), "--namespace", namespace),
            *("--create-namespace", "--values", "-", "--history-max", "3"),
            stdin=json.dumps(values or {}),
        )
        return True

    def _unchanged(self, objects: list[dict[str, Any]]) -> bool:
        """Tell whether applying these objects would change nothing, by asking the API server."""
        if self.kubeconfig is None:
            return False
        # A manager of its own: as Helm's, what Helm adds to the objects would count as removed.
        done = Kubectl(self.kubeconfig)(
            *("diff", "--server-side", "--force-conflicts", "--field-manager=servicelayer-look"),
            *("-f", "-"),
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
            check=False,
        )
        return done.returncode == 0

    def _deployed(self, release: str, namespace: str) -> list[dict[str, Any]] | None:
        """Return the objects of a release that stands, None when there is none or it failed."""
        status = self("status", release, "--namespace", namespace, "-o", "json", check=False)
        if status.returncode != 0 or json.loads(status.stdout)["info"]["status"] != "deployed":
            return None
        done = self("get", "manifest", release, "--namespace", namespace)
        return [item for item in yaml.load_all(done.stdout, yaml.CSafeLoader) if item]
