"""Merkle trees against a plain reading of RFC 6962, and proofs that must not pass."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicelayer_api.crypto import merkle

# Roots of the trees over the first n of the inputs that Certificate Transparency's own tests use.
INPUTS = [
    b"",
    b"\x00",
    b"\x10",
    b" !",
    b"01",
    b"@ABC",
    bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def plain_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


def make_leaves(count: int) -> list[bytes]:
    return [merkle.hash_leaf(number.to_bytes(8)) for number in range(count)]


class Kept:
    """A tree as the database keeps it."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.frontier = merkle.Frontier()
        self.nodes = {(0, number): leaf for number, leaf in enumerate(leaves)}
        for leaf in leaves:
            for node in self.frontier.append(leaf):
                self.nodes[node.level, node.position] = node.hash

    def hashes(self, ranges: list[merkle.Range]) -> list[bytes]:
        return [
            merkle.hash_range(
                [
                    [self.nodes[level, first + i] for i in range(count)]
                    for level, first, count in merkle.spans(leaves)
                ]
            )
            for leaves in ranges
        ]


def test_roots_are_those_of_certificate_transparency() -> None:
    frontier = merkle.Frontier()
    assert frontier.root() == hashlib.sha256().digest()
    for data, root in zip(INPUTS, ROOTS, strict=True):
        frontier.append(merkle.hash_leaf(data))
        assert frontier.root().hex() == root


@given(st.integers(0, 70), st.integers(0, 600))
@settings(max_examples=60)
def test_frontier_can_be_put_away_and_taken_up_at_any_size(cut: int, size: int) -> None:
    leaves = make_leaves(size)
    frontier = merkle.Frontier()
    for number, leaf in enumerate(leaves):
        if number == cut:
            frontier = merkle.Frontier(frontier.size, frontier.hashes)
        frontier.append(leaf)
    assert frontier.root() == plain_root(leaves)


def test_frontier_that_does_not_fit_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="one hash for each bit"):
        merkle.Frontier(3, b"\0" * 32)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257, 600])
def test_every_leaf_is_proved_and_nothing_else_is(size: int) -> None:
    leaves = make_leaves(size)
    kept, root = Kept(leaves), plain_root(leaves)
    for index in range(size) if size < 100 else (0, 1, 254, 255, 256, size // 2, size - 1):
        if index >= size:
            continue
        proof = kept.hashes(merkle.inclusion_ranges(index, size))
        assert merkle.includes(root, size, index, leaves[index], proof)
        assert not merkle.includes(root, size, index, merkle.hash_leaf(b"other"), proof)
        assert not merkle.includes(root, size, index, leaves[index], [*proof, root])
        assert not merkle.includes(merkle.hash_leaf(b""), size, index, leaves[index], proof)
        assert not merkle.includes(root, size, size, leaves[index], proof)
        if proof:
            assert not merkle.includes(root, size, index, leaves[index], proof[:-1])
            assert not merkle.includes(root, size, index ^ 1, leaves[index], proof)


@given(st.data(), st.integers(1, 600))
@settings(max_examples=80)
def test_growth_is_proved_and_a_rewritten_past_is_not(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new))
    leaves = make_leaves(new)
    kept = Kept(leaves)
    proof = kept.hashes(merkle.consistency_ranges(old, new))
    old_root, new_root = plain_root(leaves[:old]), plain_root(leaves)
    assert merkle.is_consistent(old, old_root, new, new_root, proof)

    forged = [merkle.hash_leaf(b"forged"), *leaves[1:old]]
    assert not merkle.is_consistent(old, plain_root(forged), new, new_root, proof)
    assert not merkle.is_consistent(old, old_root, new, merkle.hash_leaf(b""), proof)
    assert not merkle.is_consistent(old, old_root, new, new_root, [*proof, new_root])
    if proof:
        assert not merkle.is_consistent(old, old_root, new, new_root, proof[:-1])


def test_sizes_that_name_no_tree_are_refused() -> None:
    with pytest.raises(ValueError, match="not in the tree"):
        merkle.inclusion_ranges(3, 3)
    with pytest.raises(ValueError, match="no pair of trees"):
        merkle.consistency_ranges(0, 3)
    assert not merkle.is_consistent(0, b"", 3, b"", [])
    assert not merkle.is_consistent(4, b"", 3, b"", [])
