"""A proof is checked from its file alone, and no byte of it can be changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from servicelayer_api import __main__ as command_line
from servicelayer_api.random import proof, rules
from servicelayer_api.random.models import Draw
from servicelayer_api.random.proof import ProofFaultError

if TYPE_CHECKING:
    from collections.abc import Callable

VERIFIER = Path(__file__).parents[3] / "docs" / "how-to" / "verify-random.mjs"
KEY = rules.DrawKey(bytes(range(32)))
OTHER_KEY = rules.DrawKey(bytes(32))
DRAW = Draw(
    id=UUID("01a20d3b-0891-7ee8-a067-ea3c2c242d52"),
    counter=7,
    account_id=UUID("01a20d3b-083d-7146-88ba-b55aa3dae48d"),
    request_id="r-1",
    client_seed="dice",
    length=100,
    created_at_ns=1_795_519_502_249_909_010,
    key_id=KEY.id,
)
UNNAMED = msgspec.structs.replace(DRAW, request_id="", length=7)


def document_of(draw: Draw = DRAW, key: rules.DrawKey = KEY) -> bytes:
    return msgspec.json.encode(
        proof.build_document(draw, key.public, key.sign(draw), key.prove(draw))
    )


PROOF = document_of()


def check(raw: bytes, expected: bytes | None = None) -> list[str]:
    return proof.check_document(proof.read_document(raw), expected)


def test_what_was_drawn_verifies_and_says_what_was_checked() -> None:
    lines = check(PROOF, KEY.public.public_key)
    assert len(lines) == 6
    assert any("100 bytes" in line for line in lines)


@pytest.mark.parametrize("raw", [PROOF, document_of(UNNAMED)], ids=["named", "unnamed"])
def test_every_changed_byte_of_the_file_is_refused(raw: bytes) -> None:
    assert check(raw)
    for at, byte in enumerate(raw):
        for other in {byte ^ 1, byte ^ 0x20, (byte + 1) % 256}:
            changed = raw[:at] + bytes([other]) + raw[at + 1 :]
            with pytest.raises(ProofFaultError):
                check(changed)


def _swap_key(document: dict[str, Any]) -> None:
    document["key"] = msgspec.to_builtins(OTHER_KEY.public)


def _sign_with_another_key(document: dict[str, Any]) -> None:
    forged = json.loads(document_of(key=OTHER_KEY))
    document["signed"] = forged["signed"]


def _prove_with_another_key(document: dict[str, Any]) -> None:
    document["vrf"] |= {
        name: json.loads(document_of(key=OTHER_KEY))["vrf"][name]
        for name in ("proof", "output", "value")
    }


def _own_vrf_key(document: dict[str, Any]) -> None:
    _prove_with_another_key(document)
    document["key"]["vrf_public_key"] = b64encode(OTHER_KEY.public.vrf_public_key).decode()


def _shorten(document: dict[str, Any]) -> None:
    document["draw"]["length"] = 10
    document["vrf"]["value"] = b64encode(b64decode(document["vrf"]["value"])[:10]).decode()


CHANGES: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (_swap_key, "signature does not fit"),
    (_sign_with_another_key, "signature does not fit"),
    (_prove_with_another_key, "VRF proof fails"),
    (_own_vrf_key, "did not sign the VRF key"),
    (_shorten, "signature does not fit"),
    (lambda d: d["draw"].update(request_id="r-2"), "signature does not fit"),
    (lambda d: d["draw"].update(counter=8), "signature does not fit"),
    (lambda d: d["draw"].update(counter=-1), "out of range"),
    (lambda d: d["draw"].update(counter=2**64), "out of range"),
    (lambda d: d["draw"].update(length=0), "out of range"),
    (lambda d: d["draw"].update(created_at="2026-11-24T11:25:02Z"), "signature does not fit"),
    (lambda d: d["draw"].update(created_at="yesterday"), "no time"),
    (lambda d: d["draw"].update(client_seed="dice2"), "alpha"),
    (lambda d: d["draw"].update(account_id=str(UUID(int=7))), "alpha"),
    (lambda d: d["signed"].update(value=d["vrf"]["value"]), "signed value"),
    (lambda d: d["vrf"].update(value=d["signed"]["value"]), "VRF value"),
    (lambda d: d["vrf"].update(output=d["signed"]["signature"]), "VRF output"),
    (lambda d: d["vrf"].update(alpha=""), "alpha"),
    (lambda d: d["vrf"].update(suite="ECVRF-EDWARDS25519-SHA512-ELL2"), "suite"),
    (lambda d: d["vrf"].update(proof=""), "80 bytes"),
    (lambda d: d["key"].update(id="0" * 32), "key's id"),
    (lambda d: d["key"].update(public_key=""), "key's id"),
    (lambda d: d.update(format="servicelayer-random-proof/2"), "format"),
    (lambda d: d.update(note="trust me"), "unknown field"),
    (lambda d: d["draw"].pop("account_id"), "missing required field"),
    (lambda d: d["draw"].update(id=str(DRAW.id)), "either a request_id or an id"),
    (lambda d: d["draw"].update(request_id=""), "either a request_id or an id"),
    (lambda d: d["draw"].update(account_id=str(DRAW.account_id).upper()), "another way"),
    (lambda d: d["draw"].update(id=None), "another way"),
    (lambda d: d["draw"].update(length="100"), "not a proof"),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_a_file_that_says_something_else_is_refused_with_the_reason(
    change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    document = json.loads(PROOF)
    change(document)
    with pytest.raises(ProofFaultError, match=reason):
        check(json.dumps(document).encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        PROOF + PROOF,
        PROOF.replace(b'"length":', b'"length":5,"length":'),
        b" " * 70_000 + PROOF,
        b"[" * 60_000,
    ],
)
def test_what_is_no_document_is_refused(raw: bytes) -> None:
    with pytest.raises(ProofFaultError):
        check(raw)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_verifier_in_javascript_agrees() -> None:
    changed: list[Any] = []
    for change, _ in CHANGES:
        document = json.loads(PROOF)
        change(document)
        changed.append(document)
    # JavaScript's reading is looser where only the spelling differs, so these it may take.
    spelling = ("unknown field", "another way", "not a proof")
    strict = [d for d, (_, why) in zip(changed, CHANGES, strict=True) if why not in spelling]
    given = [json.loads(PROOF), json.loads(document_of(UNNAMED)), *strict]
    script = (
        f"import {{ verifyRandom }} from {json.dumps(VERIFIER.as_uri())};"
        "const said = [];"
        "for await (const part of process.stdin) said.push(part);"
        "const documents = JSON.parse(Buffer.concat(said));"
        "const check = (d) => verifyRandom(d)"
        "  .then((v) => Buffer.from(v).toString('hex'), () => '');"
        "console.log(JSON.stringify(await Promise.all(documents.map(check))));"
    )
    ran = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    values = json.loads(ran.stdout)
    expected = [proof.read_document(raw).vrf.value.hex() for raw in (PROOF, document_of(UNNAMED))]
    assert values == expected + [""] * len(strict)
    assert len(strict) > 20


def test_spacing_and_order_of_a_document_do_not_matter() -> None:
    document = json.loads(PROOF)
    assert check(json.dumps(dict(reversed(document.items())), indent=2).encode() + b"\n")


def test_another_key_than_the_expected_is_refused() -> None:
    with pytest.raises(ProofFaultError, match="not the expected one"):
        check(PROOF, OTHER_KEY.public.public_key)


def verify(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = command_line.main(["verify", "random", *words])
    return code, capsys.readouterr().out


def test_the_command_prints_what_it_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(PROOF)

    code, printed = verify(capsys, str(file))
    assert code == 0
    assert "VERIFIED: request 'r-1' of account 01a20d3b-083d-7146-88ba-b55aa3dae48d" in printed
    assert printed.count("ok  ") == 6
    assert "compare it with the one you trust" in printed

    code, printed = verify(capsys, str(file), "--key", KEY.public.public_key.hex())
    assert code == 0
    assert "compare it" not in printed


def test_the_command_derives_whole_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(PROOF)
    code, printed = verify(capsys, str(file), "--integers", "1", "6", "3")
    (line,) = [line for line in printed.splitlines() if line.startswith("integers ")]
    output = proof.read_document(PROOF).vrf.output
    assert code == 0
    assert [int(n) for n in line.split()[1:]] == rules.draw_integers(output, 1, 6, 3)
    assert verify(capsys, str(file), "--integers", "6", "1", "3")[0] == 2
    assert verify(capsys, str(file), "--integers", "1", "6", "0")[0] == 2


def test_the_command_says_why_it_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(PROOF.replace(b"dice", b"dime"))
    assert verify(capsys, str(file)) == (
        1,
        "NOT VERIFIED: alpha is not made of this key, account, request and client seed\n",
    )
    file.write_bytes(PROOF)
    other = b64encode(OTHER_KEY.public.public_key).decode()
    assert verify(capsys, str(file), "--key", other)[0] == 1
    assert verify(capsys, str(file), "--key", "nonsense")[0] == 2
    assert verify(capsys, str(tmp_path / "none.json"))[0] == 2


def test_the_command_reads_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(PROOF)
    with file.open() as given:
        monkeypatch.setattr(sys, "stdin", given)
        assert verify(capsys, "-")[0] == 0


def test_a_draw_that_the_server_named_is_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(document_of(UNNAMED))
    code, printed = verify(capsys, str(file))
    assert code == 0
    assert "could have chosen among names" in printed
