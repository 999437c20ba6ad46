"""Who manages which fields of a live object, as the API server itself keeps the account. Pure.

The server records in `metadata.managedFields` who set what, by its own schema: whoever adds a key
to an atomic map or list takes the whole of it, and an item added to a keyed list is its maker's.
So a comparison of values needs no table of atomic fields: where nobody else manages a field of the
content, nobody has added one.

The invariant: the content of a child (its spec, a ConfigMap's data) is ours alone. Labels and
annotations, the pod template's too, are shared: what others add there is theirs.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from servicelayer_operator.live import items, part
from servicelayer_operator.manifests.labels import FIELD_MANAGER

type Fields = dict[str, Any]

_CONTENT: Final = ("f:spec", "f:data", "f:binaryData")
_MAX_TOLD: Final = 5


def intruders(live: Mapping[str, Any]) -> list[str]:
    """List what others manage in the content, such as `spec.nodeSelector (kubectl-patch)`."""
    found = [
        f"{path} ({entry.get('manager', 'unknown')})"
        for entry in _entries(live)
        if not _is_ours(entry)
        for path in _paths(_content(entry))
    ]
    return found[:_MAX_TOLD]


def is_ours_alone(live: Mapping[str, Any]) -> bool:
    """Tell whether we have applied the object and nobody else manages any of its content."""
    return any(map(_is_ours, _entries(live))) and not intruders(live)


def take_over(live: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the account with the content booked to us, so that our next apply removes the rest."""
    ours: dict[str, Any] = {
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": live["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": {},
    }
    others: list[dict[str, Any]] = []
    for entry in _entries(live):
        if _is_ours(entry):
            ours = {**entry, "fieldsV1": _merged(ours["fieldsV1"], entry.get("fieldsV1") or {})}
            continue
        content = _content(entry)
        ours["fieldsV1"] = _merged(ours["fieldsV1"], content)
        left = _without(entry.get("fieldsV1") or {}, content)
        if left:
            others.append({**entry, "fieldsV1": left})
    return [ours, *others]


def _entries(live: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return items(part(live, "metadata"), "managedFields")


def _is_ours(entry: Mapping[str, Any]) -> bool:
    applied = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
    return applied and not entry.get("subresource")


def _content(entry: Mapping[str, Any]) -> Fields:
    """The part of an account that no one but us should have."""
    fields = cast("Fields", entry.get("fieldsV1") or {})
    content = {name: fields[name] for name in _CONTENT if name in fields}
    return _without(content, _SHARED) if content else {}


_SHARED: Final[Fields] = {"f:spec": {"f:template": {"f:metadata": None}}}


def _without(fields: Fields, taken: Fields) -> Fields:
    """Take one tree out of another; a None or an empty tree in `taken` takes all below it."""
    left: Fields = {}
    for name, below in fields.items():
        if name not in taken:
            left[name] = below
        elif taken[name]:
            rest = _without(below, taken[name])
            if rest and rest.keys() != {"."}:
                left[name] = rest
    return left


def _merged(one: Fields, two: Fields) -> Fields:
    return {
        name: _merged(one.get(name) or {}, two.get(name) or {})
        for name in sorted(one.keys() | two.keys())
    }


def _paths(fields: Fields, before: str = "") -> Iterator[str]:
    for name, below in fields.items():
        if name == ".":
            continue
        path = f"{before}{_spelled(name)}"
        if below:
            yield from _paths(below, path)
        else:
            yield path.lstrip(".")


def _spelled(name: str) -> str:
    kind, _, text = name.partition(":")
    return f".{text}" if kind == "f" else f"[{text}]"
