"""The pods' bridge and our one nftables table; both carry our name, nothing else is touched.

The table does two things: pods reach the outside under the host's address, and the host's
127.0.0.1 has ports that lead to the ingress controller on the bridge.
"""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from cluster.errors import ClusterError
from cluster.layout import BRIDGE, GATEWAY, KUBE_PROXY_TABLES, NFT_TABLE, POD_RANGE
from cluster.paths import MARKER, state_dir
from cluster.processes import all_pids, pids_with_marker, program_name, same_network


def make_bridge() -> None:
    """Make the bridge with the node's address; kept when it is there."""
    holders = [link["ifname"] for link in _ip("addr") if _has_gateway(link)]
    taken = [name for name in holders if name != BRIDGE]
    if taken:
        raise ClusterError(f"{GATEWAY} is in use on {', '.join(taken)}; the cluster needs it")
    if BRIDGE not in links():
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
    if not holders:
        _run("ip", "addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")


def _has_gateway(link: Mapping[str, Any]) -> bool:
    return any(address.get("local") == GATEWAY for address in link.get("addr_info", []))


def links() -> list[str]:
    """Return our links: the bridge and the host ends of pods' pairs that are plugged into it."""
    return [
        link["ifname"] for link in _ip("link") if BRIDGE in {link["ifname"], link.get("master")}
    ]


def remove_links() -> None:
    """Remove the pods' links, then the bridge; a pair may vanish by itself meanwhile."""
    for name in sorted(links(), key=lambda name: name == BRIDGE):
        _run("ip", "link", "del", name, check=False)


def _ip(what: str) -> list[dict[str, Any]]:
    return json.loads(_run("ip", "-json", what, "show") or "[]")


def make_table(ports: Mapping[int, int]) -> None:
    """Write our nftables table afresh.

    Args:
        ports: for each port of 127.0.0.1, the port of the bridge address that answers there.
    """
    forwards = "\n".join(
        f"    ip daddr 127.0.0.1 tcp dport {near} dnat to {GATEWAY}:{far}"
        for near, far in ports.items()
    )
    _nft(
        f"""\
table ip {NFT_TABLE}
delete table ip {NFT_TABLE}
table ip {NFT_TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {POD_RANGE} ip daddr != {POD_RANGE} masquerade
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
{forwards}
  }}
}}
"""
    )


def tables() -> list[tuple[str, str]]:
    """Return our nftables tables; kube-proxy's count as ours while no other kube-proxy runs."""
    ours = {("ip", NFT_TABLE)} if _foreign_kube_proxy() else {("ip", NFT_TABLE), *KUBE_PROXY_TABLES}
    try:
        listed = json.loads(_run("nft", "-j", "list", "tables", check=False) or "{}")
    except FileNotFoundError:
        return []
    entries = [entry["table"] for entry in listed.get("nftables", []) if "table" in entry]
    return [key for entry in entries if (key := (entry["family"], entry["name"])) in ours]


def _foreign_kube_proxy() -> bool:
    """Tell whether somebody else's kube-proxy runs, whose tables have the same names as ours."""
    own = pids_with_marker(MARKER, str(state_dir()))
    return any(
        pid not in own and program_name(pid) == "kube-proxy" and same_network(pid)
        for pid in all_pids()
    )


def remove_tables() -> None:
    """Remove our nftables tables."""
    for family, name in tables():
        _nft(f"delete table {family} {name}\n")


def _nft(script: str) -> None:
    _run("nft", "-f", "-", stdin=script)


def _run(*command: str, stdin: str | None = None, check: bool = True) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise ClusterError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout
