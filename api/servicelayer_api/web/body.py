"""Strict reading of JSON bodies: the first document, each key once, no NaN.

Installed for the whole application as its data transfer object, so that a route only declares the
struct it wants. A fault is an `Invalid` that names the field.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

import msgspec
from litestar.dto import AbstractDTO

from servicelayer_api.errors import Invalid, UnsupportedMedia

if TYPE_CHECKING:
    from collections.abc import Generator

    from litestar._openapi.schema_generation import SchemaCreator
    from litestar.connection import ASGIConnection
    from litestar.dto import DTOConfig, DTOFieldDefinition
    from litestar.openapi.spec import Reference, Schema
    from litestar.typing import FieldDefinition

_AT = re.compile(r" - at `(?P<key>key in )?`?\$?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(?P<name>.*?)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*?)`")
_TRAILING = re.compile(r"trailing characters \(byte (?P<end>\d+)\)$")


def decode[T](raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a body.

    Raises:
        Invalid: It is empty, does not begin with a JSON document, repeats a key, or does not fit
            the type.
    """
    if not raw.strip():
        raise Invalid("the body is empty; send a JSON document")
    try:
        value, raw = _decode_first(raw, decoder)
    except msgspec.ValidationError as exc:
        raise Invalid(fields=[_fault(str(exc))]) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Invalid("the body is not valid JSON") from exc
    except RecursionError as exc:
        raise Invalid("the body is nested too deeply") from exc
    _refuse_repeated_keys(raw)
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


def _refuse_repeated_keys(raw: bytes) -> None:
    """Refuse what two readers would understand differently; msgspec takes the last."""
    try:
        json.loads(raw, object_pairs_hook=_unique)
    except RecursionError as exc:
        raise Invalid("the body is nested too deeply") from exc


def _unique(pairs: list[tuple[str, object]]) -> None:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise Invalid(fields=[(name[:64], "stands more than once")])
        names.add(name)


def _fault(text: str) -> tuple[str, str]:
    """Turn msgspec's sentence into a field's path and what is wrong with it."""
    at = _AT.search(text)
    path = at["path"].lstrip(".") if at else ""
    said = text[: at.start()] if at else text
    for pattern, message in ((_MISSING, "is required"), (_UNKNOWN, "is not a known field")):
        if found := pattern.search(said):
            name = found["name"]
            return (f"{path}.{name}" if path else name), message
    return path or "body", (said[:1].lower() + said[1:]).replace("`", "")


class StrictBody(AbstractDTO[Any]):
    """How a route's `data` is decoded; one instance a request, the decoders are kept."""

    __slots__ = ()
    _decoders: dict[str, msgspec.json.Decoder[Any]]

    @classmethod
    def for_application(cls) -> type[StrictBody]:
        """Make a class with its own decoders, so that two applications in a process share none."""
        return cast("type[StrictBody]", type("StrictBody", (cls,), {"_decoders": {}}))

    def decode_bytes(self, value: bytes) -> Any:
        """Decode a body into the type that the route declared."""
        connection = cast("ASGIConnection[Any, Any, Any, Any]", self.asgi_connection)
        headers = connection.headers
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media and media != "application/json" and not media.endswith("+json"):
            raise UnsupportedMedia("send the body as application/json")
        return decode(value, self._decoders[str(connection.route_handler.handler_id)])

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: object = None
    ) -> None:
        """Prepare the decoder of a route."""
        del backend_cls
        if handler_id not in cls._decoders:
            cls._decoders[handler_id] = msgspec.json.Decoder(field_definition.annotation)

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
