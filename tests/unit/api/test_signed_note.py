"""Signed notes: the form that others' tools read, and what must not pass."""

from __future__ import annotations

import pytest

from servicelayer_api.crypto.signed_note import NoteRefusedError, NoteSigner, NoteVerifier

SEED = bytes(range(32))
# The example key of the specification, with its id.
EXAMPLE = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\N{EM DASH} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"  # noqa: E501 - one line by the specification
)


def test_note_of_another_implementation_is_read() -> None:
    verifier = NoteVerifier.parse(EXAMPLE)
    assert str(verifier) == EXAMPLE
    assert verifier.open(EXAMPLE_NOTE).endswith("what your problem is.\n")


def test_note_is_opened_by_the_key_that_signed_it_only() -> None:
    signer = NoteSigner("example.test/log", SEED)
    note = signer.sign("one\ntwo\n")

    assert NoteVerifier.parse(str(signer.verifier)).open(note) == "one\ntwo\n"
    with pytest.raises(NoteRefusedError, match="not signed by this key"):
        NoteSigner("example.test/log", bytes(32)).verifier.open(note)
    with pytest.raises(NoteRefusedError, match="not signed by this key"):
        NoteSigner("example.test/other", SEED).verifier.open(note)


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("one", "One"),
        lambda note: note.rstrip("\n"),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note + "more\n",
        lambda note: note.replace("one", "o\tne"),
        lambda note: note.replace("\N{EM DASH}", "-"),
        lambda note: note[:-4] + "\n",
        lambda _: "",
        lambda _: "\n\n",
        lambda note: "x" * 70_000 + note,
    ],
)
def test_note_that_was_changed_is_refused(change) -> None:  # noqa: ANN001 - a row of the table
    signer = NoteSigner("example.test/log", SEED)
    with pytest.raises(NoteRefusedError):
        signer.verifier.open(change(signer.sign("one\ntwo\n")))


@pytest.mark.parametrize(
    "key",
    ["", "name", "name+00000000+AQ==", EXAMPLE.replace("c7", "c8"), EXAMPLE.replace("+AR", "+AB")],
)
def test_malformed_verifier_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        NoteVerifier.parse(key)


def test_text_without_an_end_is_not_signed() -> None:
    with pytest.raises(ValueError, match="newline"):
        NoteSigner("n", SEED).sign("one")
