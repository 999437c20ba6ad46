"""Strict reading of JSON bodies: what two readers could understand differently is refused.

Beside what does not fit a route's type that is: a key that stands twice, NaN and infinities,
integers that a double cannot hold (RFC 8259 section 6), halves of surrogate pairs, the character
NUL, which the database cannot store, deep nesting, tens of thousands of arrays and objects, and any
encoding but plain UTF-8. Of several documents the first is read, as the wire contract has it.

Installed for the whole application as its data transfer object, so that a route only declares the
struct it wants. A fault is an `Invalid` that names the field.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate, count
from operator import sub
from typing import TYPE_CHECKING, Any, cast

import msgspec
from litestar.dto import AbstractDTO

from servicelayer_api.errors import Invalid, UnsupportedMedia
from servicelayer_api.web.faults import read_fault
from servicelayer_api.web.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from litestar._openapi.schema_generation import SchemaCreator
    from litestar.connection import ASGIConnection
    from litestar.dto import DTOConfig, DTOFieldDefinition
    from litestar.openapi.spec import Reference, Schema
    from litestar.typing import FieldDefinition

_TRAILING = re.compile(r"trailing characters \(byte (?P<end>\d+)\)$")

MAX_DEPTH = 64
MAX_CONTAINERS = 20_000
LARGEST_INTEGER = 2**53

_LONGEST_INTEGER = len(str(-LARGEST_INTEGER))
# Without one of these in it a body needs no careful look.
_SUSPICIOUS = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|[0-9]{16}")
_DIGITS_ALIKE = bytes(ord("0") if chr(code) in "123456789" else code for code in range(256))
_LONG_NUMBER = b"0" * 16
_OBJECT = msgspec.json.Decoder(dict[str, object])
_MEANINGLESS = bytes(code for code in range(256) if chr(code) not in '[]{}"')
_TEXT = re.compile(rb'"[^"]*+"')
_STEPS = bytes(2 if chr(code) in "[{" else 0 for code in range(256))
_CHARSET = re.compile(r"\bcharset\s*=\s*\"?(?P<name>[^\s;\"]+)")
_BLANK = " \t\r\n"
_FORBIDDEN_TEXT = re.compile("[\0\ud800-\udfff]")


def decode[T](raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a body.

    Raises:
        Invalid: It is empty, does not begin with a JSON document, repeats a key, or does not fit
            the type.
    """
    if not raw.strip():
        raise Invalid("the body is empty; send a JSON document")
    _refuse_large_structure(raw)
    try:
        value, raw = _decode_first(raw, decoder)
    except msgspec.ValidationError as exc:
        raise Invalid(fields=[read_fault(str(exc), decoder.type)]) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Invalid("the body is not valid JSON") from exc
    except RecursionError as exc:
        raise Invalid(f"the body is nested more than {MAX_DEPTH} levels deep") from exc
    _refuse_ambiguous(raw)
    return value


def _decode_first[T](raw: bytes, decoder: msgspec.json.Decoder[T]) -> tuple[T, bytes]:
    """Decode the first document; what follows it is ignored, as the wire contract has it."""
    try:
        return decoder.decode(raw), raw
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as exc:
        trailing = _TRAILING.search(str(exc))
        if trailing is None:
            raise
        first = raw[: int(trailing["end"]) - 1]
        return decoder.decode(first), first


def _refuse_large_structure(raw: bytes) -> None:
    """Refuse what is deep on the stack of whoever reads it, or costs much to build.

    Before anything is built, in a few passes over the bytes that each do little: all but brackets
    and quotes is dropped, then the texts with what stands in them; what is left are the brackets of
    the structure. An opening one is 2 and a closing one 0, so that the sum up to a bracket, less
    the number of brackets up to there, is the depth.
    """
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes in a row enclose nothing or divide nothing: without them the rest is as it was.
    brackets = _TEXT.sub(b"", raw.translate(None, _MEANINGLESS).replace(b'""', b""))
    if len(brackets) > 2 * MAX_CONTAINERS:
        raise Invalid(f"the body holds more than {MAX_CONTAINERS} arrays and objects")
    if max(map(sub, accumulate(brackets.translate(_STEPS)), count(1)), default=0) > MAX_DEPTH:
        raise Invalid(f"the body is nested more than {MAX_DEPTH} levels deep")


def _refuse_ambiguous(raw: bytes) -> None:
    """Refuse what msgspec lets pass though other readers would see something else."""
    if _is_plain(raw):
        return
    text = raw.decode().lstrip(_BLANK)
    try:
        if _SUSPICIOUS.search(raw) is None:
            _QUICK.raw_decode(text)
        else:
            _refuse_forbidden_text(_CAREFUL.raw_decode(text)[0])
    except (json.JSONDecodeError, RecursionError) as exc:
        raise Invalid("the body is not valid JSON") from exc


def _is_plain(raw: bytes) -> bool:
    """Tell that a body, which msgspec has read, is one flat object without anything odd in it.

    Each key has a colon behind it. So if there are as many different keys as colons, no key stands
    twice. A colon inside a text makes the body look odd, which costs no more than another look.
    """
    if not raw.startswith(b"{") or raw.count(b"{") != 1 or b"\\" in raw:
        return False
    try:
        names = len(_OBJECT.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Such as a number that fits no double and that the route reads by its digits.
        return False
    return names == raw.count(b":") and _LONG_NUMBER not in raw.translate(_DIGITS_ALIKE)


def _note_keys(pairs: list[tuple[str, object]]) -> None:
    if len(pairs) > 1 and len({name for name, _ in pairs}) != len(pairs):
        _unique(pairs)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise Invalid(fields=[(_shown(name), "stands more than once")])
        found[name] = value
    return found


def _exact(digits: str) -> int:
    value = int(digits) if len(digits) <= _LONGEST_INTEGER else LARGEST_INTEGER + 1
    if abs(value) > LARGEST_INTEGER:
        raise Invalid(
            "an integer beyond 2^53 is not the same for every reader; write an amount or a price "
            f"with a decimal point, such as {2 * LARGEST_INTEGER}.0, and an id as text"
        )
    return value


def _refuse_constant(name: str) -> None:
    raise Invalid(f"{name} is not JSON")


def _refuse_forbidden_text(value: object) -> None:
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, str) and _FORBIDDEN_TEXT.search(item):
            message = "must not hold the character NUL or half of a surrogate pair"
            raise Invalid(fields=[(path or "body", message)])
        if isinstance(item, dict):
            for name, member in cast("dict[str, object]", item).items():
                inner = f"{path}.{_shown(name)}" if path else _shown(name)
                waiting += ((inner, name), (inner, member))
        elif isinstance(item, list):
            waiting += ((path, member) for member in cast("list[object]", item))


_USUAL = b"application/json"


def _shown(name: str) -> str:
    return _FORBIDDEN_TEXT.sub("?", name[:64])


_QUICK = json.JSONDecoder(object_pairs_hook=_note_keys, parse_constant=_refuse_constant)
_CAREFUL = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_exact, parse_constant=_refuse_constant
)


def _refuse_other_media(content_type: str, encoding: str) -> None:
    media, _, parameters = content_type.lower().partition(";")
    media = media.strip()
    if media and media != "application/json" and not media.endswith("+json"):
        raise UnsupportedMedia("send the body as application/json")
    charset = _CHARSET.search(parameters)
    if charset and charset["name"] not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMedia("send the body in UTF-8")
    if encoding.strip().lower() not in {"", "identity"}:
        raise UnsupportedMedia("send the body without a Content-Encoding")


def _declared(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Find content type and encoding; of a header that stands twice the first counts."""
    media, encoding = None, None
    for name, value in headers:
        if name == b"content-type" and media is None:
            media = value
        elif name == b"content-encoding" and encoding is None:
            encoding = value
    return media or b"", encoding or b""


class StrictBody(AbstractDTO[Any]):
    """How a route's `data` is decoded; one instance a request, the decoders are kept."""

    __slots__ = ()
    _decoders: dict[str, tuple[msgspec.json.Decoder[Any], Texts]]
    # The same by identity of the handler, which lives as long as the application.
    _ready: dict[int, tuple[msgspec.json.Decoder[Any], Texts]]

    @classmethod
    def for_application(cls) -> type[StrictBody]:
        """Make a class with its own decoders, so that two applications in a process share none."""
        return cast("type[StrictBody]", type("StrictBody", (cls,), {"_decoders": {}, "_ready": {}}))

    def decode_bytes(self, value: bytes) -> Any:
        """Decode a body into the type that the route declared."""
        connection = cast("ASGIConnection[Any, Any, Any, Any]", self.asgi_connection)
        media, encoding = _declared(connection.scope["headers"])
        if media != _USUAL or encoding:
            _refuse_other_media(media.decode("latin-1"), encoding.decode("latin-1") or "identity")
        handler = connection.route_handler
        known = self._ready.get(id(handler))
        if known is None:
            # The router puts the handler's id together anew each time it is asked for.
            known = self._ready[id(handler)] = self._decoders[str(handler.handler_id)]
        decoder, texts = known
        decoded = decode(value, decoder)
        texts.check(value, decoded)
        return decoded

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: object = None
    ) -> None:
        """Prepare the decoder of a route."""
        del backend_cls
        if handler_id not in cls._decoders:
            annotation = field_definition.annotation
            cls._decoders[handler_id] = msgspec.json.Decoder(annotation), Texts(annotation)

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: SchemaCreator
    ) -> Reference | Schema:
        """Describe the body by the type itself."""
        del handler_id
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(
        cls, model_type: type[Any]
    ) -> Generator[DTOFieldDefinition, None, None]:
        """Yield nothing: the type is decoded as it stands."""
        del model_type
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """Leave nesting to msgspec."""
        del field_definition
        return False

    @classmethod
    def get_config_for_model_type(cls, config: DTOConfig, model_type: type[Any]) -> DTOConfig:
        """Keep the configuration."""
        del model_type
        return config
