"""Variables that nobody reads: misspelt ones, and settings of parts that this version lacks.

They are warnings and stop nothing: a container's environment holds much that is not for this
program. Values are never shown.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from servicelayer_api.settings_loader import fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WITHOUT_EFFECT: Final = frozenset({
    *("NEO_RPC_URL", "NEO_SNAPSHOT_DIR", "NEO_STABLE_BUFFER"),
    *("ROCKETMQ_NAMESERVER", "ROCKETMQ_TOPIC_PREFIX", "ROCKETMQ_CONSUMER_GROUP"),
})  # fmt: skip
"""Settings that are read and checked, and that no part of this version uses."""

_ALSO_READ: Final = frozenset({"CONFIG_FILE", "TERMINATION_LOG", "BUILD_COMMIT", "BUILD_TIME"})
_ALIKE: Final = 0.85
# Beginnings that other programs are unlikely to use.
_OWN_FAMILIES: Final = frozenset({
    *("DATAFEEDS", "EGRESS", "GASBANK", "ORACLE", "PRICEFEED", "ROCKETMQ", "SECRETS"),
})  # fmt: skip
# What Kubernetes and Docker put into a container for each Service, such as NEO_RPC_PORT.
_LINKS: Final = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP)(_.*)?)?)")


def find_oddities(environ: Mapping[str, str]) -> Iterator[str]:
    """Give one sentence for each variable that is set and has no effect.

    Args:
        environ: the environment.
    """
    known = {field.variable for field in fields()}
    known |= {f"{field.variable}_FILE" for field in fields() if field.secret}
    known |= _ALSO_READ
    for name in sorted(environ):
        if name in WITHOUT_EFFECT:
            yield f"{name} has no effect in this version"
        elif name in known or _LINKS.fullmatch(name):
            continue
        elif nearest := get_close_matches(name.upper(), known, n=1, cutoff=_ALIKE):
            yield f"{name} is not a setting; did you mean {nearest[0]}?"
        elif name.partition("_")[0] in _OWN_FAMILIES:
            yield f"{name} is not a setting"
