"""RIPEMD-160 for Pythons whose OpenSSL no longer offers it.

Neo script hashes are RIPEMD-160 over SHA-256. OpenSSL 3 keeps the function in its legacy provider,
which some distributions leave out; then this small implementation serves. It is meant for inputs of
32 bytes and is no faster than it must be. The function and its test vectors: Dobbertin, Bosselaers
and Preneel, "RIPEMD-160: A Strengthened Version of RIPEMD" (1996).
"""

import hashlib
import struct
from typing import Final

_LEFT_WORDS: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8),
    (3, 10, 14, 4, 9, 15, 8, 1, 2, 7, 0, 6, 13, 11, 5, 12),
    (1, 9, 11, 10, 0, 8, 12, 4, 13, 3, 7, 15, 14, 5, 6, 2),
    (4, 0, 5, 9, 7, 12, 2, 10, 14, 1, 3, 8, 11, 6, 15, 13),
)
_RIGHT_WORDS: Final = (
    (5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12),
    (6, 11, 3, 7, 0, 13, 5, 10, 14, 15, 8, 12, 4, 9, 1, 2),
    (15, 5, 1, 3, 7, 14, 6, 9, 11, 8, 12, 2, 10, 0, 4, 13),
    (8, 6, 4, 1, 3, 11, 15, 0, 5, 12, 2, 13, 9, 7, 10, 14),
    (12, 15, 10, 4, 1, 5, 8, 7, 6, 2, 13, 14, 0, 3, 9, 11),
)
_LEFT_SHIFTS: Final = (
    (11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8),
    (7, 6, 8, 13, 11, 9, 7, 15, 7, 12, 15, 9, 11, 7, 13, 12),
    (11, 13, 6, 7, 14, 9, 13, 15, 14, 8, 13, 6, 5, 12, 7, 5),
    (11, 12, 14, 15, 14, 15, 9, 8, 9, 14, 5, 6, 8, 6, 5, 12),
    (9, 15, 5, 11, 6, 8, 13, 12, 5, 12, 13, 14, 11, 8, 5, 6),
)
_RIGHT_SHIFTS: Final = (
    (8, 9, 9, 11, 13, 15, 15, 5, 7, 7, 8, 11, 14, 14, 12, 6),
    (9, 13, 15, 7, 12, 8, 9, 11, 7, 7, 12, 7, 6, 15, 13, 11),
    (9, 7, 15, 11, 8, 6, 6, 14, 12, 13, 5, 14, 13, 13, 7, 5),
    (15, 5, 8, 11, 14, 14, 6, 14, 6, 9, 12, 9, 12, 5, 15, 8),
    (8, 5, 12, 9, 12, 5, 14, 6, 8, 13, 6, 5, 15, 13, 11, 11),
)
_LEFT_CONSTANTS: Final = (0x00000000, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E)
_RIGHT_CONSTANTS: Final = (0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0x00000000)
_START: Final = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_MASK: Final = 0xFFFFFFFF


def _mix(group: int, x: int, y: int, z: int) -> int:
    match group:
        case 0:
            return x ^ y ^ z
        case 1:
            return (x & y) | (~x & z)
        case 2:
            return (x | ~y) ^ z
        case 3:
            return (x & z) | (y & ~z)
        case _:
            return x ^ (y | ~z)


def _rotate(value: int, bits: int) -> int:
    value &= _MASK
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _line(state: tuple[int, ...], block: tuple[int, ...], *, left: bool) -> tuple[int, ...]:
    words, shifts, constants = (
        (_LEFT_WORDS, _LEFT_SHIFTS, _LEFT_CONSTANTS)
        if left
        else (_RIGHT_WORDS, _RIGHT_SHIFTS, _RIGHT_CONSTANTS)
    )
    a, b, c, d, e = state
    for group in range(5):
        function = group if left else 4 - group
        for word, shift in zip(words[group], shifts[group], strict=True):
            total = a + _mix(function, b, c, d) + block[word] + constants[group]
            a, e, d, c, b = e, d, _rotate(c, 10), b, (_rotate(total, shift) + e) & _MASK
    return a, b, c, d, e


def ripemd160_pure(data: bytes) -> bytes:
    """RIPEMD-160 in plain Python.

    Args:
        data: the bytes to hash.

    Returns:
        The 20-byte digest.
    """
    padding = b"\x80" + bytes((55 - len(data)) % 64)
    padded = data + padding + struct.pack("<Q", 8 * len(data))
    state = _START
    for offset in range(0, len(padded), 64):
        block = struct.unpack("<16I", padded[offset : offset + 64])
        left, right = _line(state, block, left=True), _line(state, block, left=False)
        state = tuple(
            (state[(i + 1) % 5] + left[(i + 2) % 5] + right[(i + 3) % 5]) & _MASK for i in range(5)
        )
    return struct.pack("<5I", *state)


def ripemd160(data: bytes) -> bytes:
    """RIPEMD-160 by OpenSSL where it offers the function, else in plain Python.

    Args:
        data: the bytes to hash.

    Returns:
        The 20-byte digest.
    """
    try:
        return hashlib.new("ripemd160", data, usedforsecurity=False).digest()
    except ValueError:
        return ripemd160_pure(data)
