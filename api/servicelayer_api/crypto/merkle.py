"""Merkle trees of the shape of RFC 6962: growing them, proving things about them, checking proofs.

Invariant: a tree is append-only and its root says which leaves it has and in which order. To grow
it, only its `Frontier` is needed: the hashes of the perfect subtrees it falls into, at most one a
bit of its size, so that appending costs O(log n). For proofs the leaves' hashes and every eighth
level of inner nodes are kept elsewhere (`Span` names a run of them); the seven levels between are
computed.

Refused here: any I/O, and hashing of data that the caller has not marked as a leaf.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()
KEPT_LEVELS: Final = 8
"""Inner nodes are kept at multiples of this level."""


class Node(NamedTuple):
    """The hash of a perfect subtree: of `2 ** level` leaves from `position << level` on."""

    level: int
    position: int
    hash: bytes


class Span(NamedTuple):
    """A run of hashes that are kept: `width` of them at a level, from a position on."""

    level: int
    first: int
    width: int


class Range(NamedTuple):
    """The leaves from `start` up to but without `end`."""

    start: int
    end: int


def hash_leaf(data: bytes) -> bytes:
    """Hash a leaf (RFC 6962 section 2.1): SHA-256 over 0x00 and its data."""
    return hashlib.sha256(b"\x00" + data).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Hash an inner node: SHA-256 over 0x01 and the hashes of its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The growing edge of a tree: all that is needed to append to it and to tell its root."""

    def __init__(self, size: int = 0, hashes: bytes = b"") -> None:
        """Take up a tree.

        Args:
            size: Leaves it has.
            hashes: Of its perfect subtrees, the largest first, as `hashes` gives them.

        Raises:
            ValueError: The two do not belong together.
        """
        if len(hashes) != size.bit_count() * HASH_BYTES:
            raise ValueError("a frontier has one hash for each bit of its size")
        self.size = size
        self._stack = [hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)]

    @property
    def hashes(self) -> bytes:
        """The hashes of the perfect subtrees, the largest first."""
        return b"".join(self._stack)

    def append(self, leaf: bytes) -> list[Node]:
        """Add a leaf.

        Args:
            leaf: Its hash.

        Returns:
            The inner nodes to keep that became complete by it.
        """
        position, level, complete, node = self.size, 0, list[Node](), leaf
        while position & 1:
            node = hash_children(self._stack.pop(), node)
            position, level = position >> 1, level + 1
            if level % KEPT_LEVELS == 0:
                complete.append(Node(level, position, node))
        self._stack.append(node)
        self.size += 1
        return complete

    def root(self) -> bytes:
        """Tell the tree's root hash."""
        return _fold(self._stack) if self._stack else EMPTY_ROOT


def inclusion_ranges(leaf: int, size: int) -> list[Range]:
    """The ranges whose hashes prove that a leaf is in a tree (RFC 6962 section 2.1.1).

    Args:
        leaf: Index of the leaf, below `size`.
        size: Leaves of the tree.

    Returns:
        From the leaf's neighbour up to the root's child.
    """
    if not 0 <= leaf < size:
        raise ValueError("the leaf is not in the tree")
    start, end, path = 0, size, list[Range]()
    while end - start > 1:
        middle = start + _left_size(end - start)
        if leaf < middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(start, middle))
            start = middle
    return path[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The ranges whose hashes prove that a tree grew from another (RFC 6962 section 2.1.2).

    Args:
        old: Leaves of the smaller tree, at least 1.
        new: Leaves of the larger one.
    """
    if not 0 < old <= new:
        raise ValueError("the sizes name no pair of trees")
    start, end, whole, path = 0, new, True, list[Range]()
    while end != old:
        middle = start + _left_size(end - start)
        if old <= middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(start, middle))
            start, whole = middle, False
    if not whole:
        path.append(Range(start, end))
    return path[::-1]


def spans(leaves: Range) -> list[Span]:
    """The kept hashes from which the hash of a range is computed, by `hash_range`.

    Args:
        leaves: A range that a proof asks for, so that it begins where a subtree does.
    """
    found, start = list[Span](), leaves.start
    left = leaves.end - leaves.start
    while left:
        level = left.bit_length() - 1
        between = level % KEPT_LEVELS
        base = level - between
        found.append(Span(base, start >> base, 1 << between))
        start += 1 << level
        left -= 1 << level
    return found


def hash_range(parts: Sequence[Sequence[bytes]]) -> bytes:
    """The hash of a range from the kept hashes that `spans` named, in that order."""
    return _fold([_perfect(part) for part in parts])


def includes(root: bytes, size: int, leaf: int, leaf_hash: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether a proof shows that a leaf is in the tree of a root (RFC 9162 section 2.1.3.2).

    Args:
        root: The tree's root hash.
        size: Its leaves.
        leaf: Index of the leaf.
        leaf_hash: Hash of the leaf.
        proof: From the leaf's neighbour upwards.
    """
    if not 0 <= leaf < size:
        return False
    node, last, result = leaf, size - 1, leaf_hash
    for step in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = hash_children(step, result)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            result = hash_children(result, step)
        node, last = node >> 1, last >> 1
    return last == 0 and result == root


def is_consistent(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether a proof shows that one tree grew from another (RFC 9162 section 2.1.4.2)."""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    path = list(proof)
    if old_size.bit_count() == 1:
        path.insert(0, old_root)
    if not path:
        return False
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = hash_children(step, old), hash_children(step, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = hash_children(new, step)
        node, last = node >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


def _left_size(size: int) -> int:
    """The largest power of two below a size of at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _fold(perfect: Sequence[bytes]) -> bytes:
    result = perfect[-1]
    for left in perfect[-2::-1]:
        result = hash_children(left, result)
    return result


def _perfect(hashes: Sequence[bytes]) -> bytes:
    level = list(hashes)
    while len(level) > 1:
        level = [hash_children(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]
