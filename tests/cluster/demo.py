"""`make demo`: from nothing to an account created through the Ingress of a running cluster.

Every step looks first and acts only where something is missing, so a second run is quick, changes
nothing and says so. It prints the generated API token, which nothing else in this project does:
the cluster is on this machine, the token opens nothing but the demo, and one cannot try the API
without it.
"""

import base64
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from cluster import choice, narration, release, way_in
from cluster.errors import ClusterError
from cluster.handle import Cluster
from cluster.progress import say
from cluster.provision import provide

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "01-minimal.yaml"
NAMESPACE = "neo"
OWNER = "demo"
TENANT = "demo"
READY_SECONDS = 300


@dataclass
class Demo:
    """One run: where it is and what it had to change."""

    cluster: Cluster
    name: str
    host: str
    changed: list[str] = field(default_factory=list)

    def note(self, done: bool, what: str) -> None:
        """Say a step's outcome; remember it when something was changed."""
        say(f"  {what}" if done else f"  unchanged: {what}")
        if done:
            self.changed.append(what)


def main() -> int:
    """Run the demo; return the exit code."""
    started = time.monotonic()
    try:
        demo = prepare()
        bring_up(demo)
        account = find_or_create_account(demo, token := read_token(demo))
        report(demo, account, token)
    except ClusterError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    seconds = time.monotonic() - started
    if demo.changed:
        print(f"\nDone in {seconds:.0f} s. A second `make demo` finds all this and is quick.")
    else:
        print(f"\nDone in {seconds:.0f} s. Everything was there already: nothing was changed.")
    return 0


def prepare() -> Demo:
    """Bring the cluster up and read what the example asks for."""
    say("[1/6] a Kubernetes cluster")
    cluster = choice.up()
    example = yaml.safe_load(EXAMPLE.read_text())
    return Demo(cluster, example["metadata"]["name"], example["spec"]["expose"]["host"])


def bring_up(demo: Demo) -> None:
    """Bring images, charts and the example into the cluster, and wait until it serves."""
    say("[2/6] images of this checkout")
    provided = provide(demo.cluster)
    for name in provided.all:
        demo.note(name in provided.loaded, f"image {name}")
    say("[3/6] the resource definition and the operator, by their charts")
    demo.note(release.install_definition(demo.cluster), "chart servicelayer-operator-crds")
    values = release.operator_values(provided.names, namespaces=[NAMESPACE])
    demo.note(
        release.ensure_namespace(demo.cluster.kubectl, NAMESPACE),
        f"namespace {NAMESPACE}, which enforces the restricted Pod Security Standard",
    )
    demo.note(release.install_operator(demo.cluster, values), "chart servicelayer-operator")
    say(f"[4/6] kubectl apply -n {NAMESPACE} -f examples/{EXAMPLE.name}")
    kubectl = demo.cluster.kubectl
    done = kubectl("-n", NAMESPACE, "apply", "-f", str(EXAMPLE)).stdout.strip()
    demo.note(not done.endswith("unchanged"), done)
    say(f"      waiting for Ready, {READY_SECONDS} s at most")
    narration.follow_until_ready(kubectl, NAMESPACE, demo.name, seconds=READY_SECONDS)


def read_token(demo: Demo) -> str:
    """Return the API token that the operator generated."""
    path = ("-n", NAMESPACE, "get", "secret", f"{demo.name}-secrets")
    tokens = demo.cluster.kubectl.json(*path)["data"]["API_TOKENS"]
    return base64.b64decode(tokens).decode().split(",")[0]


def find_or_create_account(demo: Demo, token: str) -> dict[str, Any]:
    """Return the demo's account, made through the Ingress by the first run."""
    say("[5/6] an account, through the Ingress")
    with way_in.client(demo.cluster, demo.host, token=token, tenant=TENANT) as http:
        for account in _answer(http.get("/accounts"), 200):
            if account["Owner"] == OWNER:
                demo.note(False, f"account {account['ID']} of {OWNER}")
                return account
        account = _answer(http.post("/accounts", json={"owner": OWNER}), 201)
    demo.note(True, f"account {account['ID']} of {OWNER} created")
    return account


def _answer(response: httpx.Response, expected: int) -> Any:
    if response.status_code != expected:
        request = response.request
        raise ClusterError(
            f"{request.method} {request.url.path} through the Ingress answered "
            f"{response.status_code}, not {expected}: {response.text[:500]}"
        )
    return response.json()


def report(demo: Demo, account: dict[str, Any], token: str) -> None:
    """Print what is there now and what to try next."""
    say("[6/6] what there is now")
    cluster, kubectl = demo.cluster, demo.cluster.kubectl
    resource = kubectl.json("-n", NAMESPACE, "get", narration.RESOURCE, demo.name)
    authorised = ('-H "Authorization: Bearer $TOKEN"', f"-H 'X-Tenant-ID: {TENANT}'")
    k = f"kubectl --kubeconfig {cluster.kubeconfig} -n {NAMESPACE}"
    sections = {
        "Conditions": narration.condition_lines(kubectl, NAMESPACE, demo.name),
        "Events": narration.event_lines(kubectl, NAMESPACE, demo.name),
        "The API": [
            f"URL      {resource['status'].get('url', '')}   (in no DNS: send the Host header)",
            f"account  {account['ID']}",
            f"token    {token}",
            f"         from key API_TOKENS of secret/{demo.name}-secrets in {NAMESPACE}",
        ],
        "Try next": [
            f"export TOKEN={token}",
            way_in.curl(cluster, demo.host, "/readyz"),
            way_in.curl(cluster, demo.host, "/system/status", *authorised),
            way_in.curl(cluster, demo.host, "/accounts", *authorised),
            f"{k} get servicelayer {demo.name} -o wide",
            f"{k} scale servicelayer {demo.name} --replicas=3",
            f"{k} delete deployment {demo.name}     # it comes back",
            f"{k} explain servicelayer.spec.database",
            "make cluster-down     # takes all of it away",
        ],
    }
    for title, lines in sections.items():
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
