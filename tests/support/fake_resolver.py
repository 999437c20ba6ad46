"""A settlement resolver on this machine that decides by the id it is asked about."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from support.local_http import LocalHttp, send_json

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

type Plan = Literal["succeeds", "fails", "waits", "stumbles", "breaks"]

_PLANS: tuple[Plan, ...] = ("succeeds", "fails", "waits", "stumbles")


def planned(withdrawal: str) -> Plan:
    """What is decided about a withdrawal: by the last digit of its id."""
    return _PLANS[int(withdrawal[-1], 16) % len(_PLANS)]


class FakeResolver(LocalHttp):
    """Answers by plan; `asked` counts the questions about each withdrawal."""

    def __init__(self, key: str, plan: Plan | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self.unauthorised = 0
        self.plan = plan
        self._key = key
        super().__init__(self._answer)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/gas?chain=n3"

    def answer(self, withdrawal: str) -> tuple[int, dict[str, Any]]:
        """What is answered about a withdrawal now."""
        plan = self.plan or planned(withdrawal)
        self.asked[withdrawal] += 1
        done = plan in {"succeeds", "fails"} or self.asked[withdrawal] > 2
        if plan == "breaks" or (plan == "stumbles" and not done):
            return 500, {"error": "boom"}
        if not done:
            return 200, {"done": False, "retry_after_seconds": 0.1}
        return 200, {"done": True, "success": plan != "fails", "message": "as planned"}

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        if request.headers.get("authorization") != f"Bearer {self._key}":
            self.unauthorised += 1
        withdrawal = parse_qs(urlsplit(request.path).query)["transaction_id"][0]
        send_json(request, *self.answer(withdrawal))
