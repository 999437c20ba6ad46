from pathlib import Path

import pytest

from cluster import toolchain
from cluster.errors import ClusterError
from cluster.families import ASSEMBLED, CONTROL_PLANE, FAMILIES, PROGRAMS, Family, Source
from cluster.golang import needed_version
from cluster.paths import TOOLS
from cluster.toolchain import Build, describe, module_version, program

GO_MOD = """\
module example

go 1.26.0

tool example.com/tool

require (
	example.com/tool v1.36.3
	example.com/other v0.1.0 // indirect
)
"""
FAMILY = Family("demo", {"tool": "example.com/tool"}, module="example.com/tool")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(toolchain, "go_version", lambda: "1.26.8")
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "go.mod").write_text(GO_MOD)
    (folder / "go.sum").write_text("example.com/tool v1.36.3 h1:one=\n")
    return tmp_path


def test_the_same_sources_give_the_same_key(tools: Path) -> None:
    assert describe(FAMILY, tools).key == describe(FAMILY, tools).key


@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
def test_the_key_changes_with_each_source_file(tools: Path, name: str) -> None:
    before = describe(FAMILY, tools).key
    with (tools / "demo" / name).open("a") as file:
        file.write("\n")
    assert describe(FAMILY, tools).key != before


def test_the_key_changes_with_the_compiler(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = describe(FAMILY, tools).key
    monkeypatch.setattr(toolchain, "go_version", lambda: "1.27.0")
    assert describe(FAMILY, tools).key != before


def test_the_key_changes_with_the_flags(tools: Path) -> None:
    build = describe(FAMILY, tools)
    tagged = Build(build.family, build.sources, (*build.flags, "-tags", "x"), build.compiler)
    assert tagged.key != build.key


def test_content_that_moves_between_files_changes_the_key() -> None:
    one = Build(FAMILY, {"a": b"xy", "b": b""}, (), "1")
    other = Build(FAMILY, {"a": b"x", "b": b"y"}, (), "1")
    assert one.key != other.key


def test_the_version_is_read_from_go_mod() -> None:
    assert module_version(GO_MOD, "example.com/tool") == "1.36.3"


def test_a_go_mod_without_the_module_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"requires no example\.com/missing"):
        module_version(GO_MOD, "example.com/missing")


def test_an_unknown_program_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match="kube-apiserver"):
        program("kube-nothing")


def test_every_family_has_its_pinned_sources() -> None:
    for family in FAMILIES.values():
        folder = TOOLS / family.name
        pinned = "requirements.txt" if family.source is Source.WHEEL else "go.mod"
        assert (folder / pinned).is_file(), family.name
        if family.module:
            assert module_version((folder / "go.mod").read_text(), family.module)
            assert (folder / "go.sum").is_file(), family.name


def test_every_wheel_is_pinned_by_hash() -> None:
    for requirements in TOOLS.glob("*/requirements.txt"):
        assert "==" in requirements.read_text()
        assert "--hash=sha256:" in requirements.read_text()


def test_the_families_that_clusters_are_made_of_exist() -> None:
    assert {*ASSEMBLED, *CONTROL_PLANE} <= FAMILIES.keys()
    assert PROGRAMS["kubectl"].name == "kubernetes"


def test_the_needed_compiler_is_the_newest_that_any_family_asks_for() -> None:
    assert needed_version() >= (1, 26, 0)
