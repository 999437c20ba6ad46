import hashlib
import json
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cluster import node_files
from cluster.components import ControlPlaneSettings, apiserver_command
from cluster.layout import Layout
from cluster.node_images import scratch_image
from cluster.processes import ProcessRecord
from cluster.state import Before, State, load, recall, remember

LAYOUT = Layout(Path("/var/lib/servicelayer/cluster"))


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_containerd_writes_only_below_the_state_folder() -> None:
    config = tomllib.loads(node_files.containerd_config(LAYOUT, Path("/cache/runc")))
    paths = [text for text in strings(config) if text.startswith("/")]
    outside = [path for path in paths if not path.startswith(f"{LAYOUT.root}/")]
    assert sorted(outside) == ["/cache/runc", "/usr/lib/cni"]


def test_the_pod_network_leaves_masquerading_to_the_one_table_of_ours() -> None:
    config = json.loads(node_files.cni_config(LAYOUT))
    assert [plugin["ipMasq"] for plugin in config["plugins"]] == [False]


def test_the_kubelet_makes_no_iptables_chains_and_accepts_either_cgroup_version() -> None:
    text = node_files.kubelet_config(LAYOUT, port=1, health_port=2, resolv_conf="")
    config = json.loads(text)
    assert config["makeIPTablesUtilChains"] is False
    assert config["failCgroupV1"] is False
    assert config["authentication"]["anonymous"] == {"enabled": False}


def test_dns_forwards_only_where_the_host_can_resolve() -> None:
    with_host = node_files.corefile(LAYOUT, port=53, ready_port=1, resolv_conf="/etc/resolv.conf")
    without = node_files.corefile(LAYOUT, port=53, ready_port=1, resolv_conf=None)
    assert "forward . /etc/resolv.conf" in with_host
    assert "forward" not in without


def test_the_api_server_always_writes_an_audit_log(tmp_path: Path) -> None:
    settings = ControlPlaneSettings(
        folder=tmp_path,
        address="127.0.0.1",
        etcd_port=1,
        etcd_peer_port=2,
        apiserver_port=3,
        controller_manager_port=4,
    )
    command = apiserver_command(Path("/bin/kube-apiserver"), settings)
    assert f"--audit-log-path={settings.audit_log}" in command
    assert not [word for word in command if word.startswith("--disable-admission-plugins")]


def test_the_same_program_gives_the_same_image_and_the_layer_matches_its_digest(
    tmp_path: Path,
) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"program")
    one = scratch_image(program, "example.test/pause:1", tmp_path / "one.tar")
    two = scratch_image(program, "example.test/pause:1", tmp_path / "two.tar")
    assert one.read_bytes() == two.read_bytes()
    with tarfile.open(one) as archive:
        read = {entry.name: archive.extractfile(entry) for entry in archive}
        content = {name: file.read() for name, file in read.items() if file is not None}
    config = json.loads(content["config.json"])
    layer = hashlib.sha256(content["layer.tar"]).hexdigest()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{layer}"]
    assert config["config"]["User"] != "0"


def test_the_record_of_a_cluster_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    record = ProcessRecord("etcd", 7, 8, "boot", "/log")
    State(ports={"dns": 53}, processes={"etcd": record}).save(tmp_path)
    assert load(tmp_path) == State(ports={"dns": 53}, processes={"etcd": record})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": 1, "processes": {}}'])
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    assert load(tmp_path) is None


def test_how_the_machine_was_is_written_down_once(tmp_path: Path) -> None:
    remember(tmp_path, Before({"net/ipv4/ip_forward": "0"}, ["/var/lib/cni"]))
    remember(tmp_path, Before({"net/ipv4/ip_forward": "1"}, []))
    assert recall(tmp_path) == Before({"net/ipv4/ip_forward": "0"}, ["/var/lib/cni"])
    assert recall(tmp_path / "missing") == Before({}, [])
