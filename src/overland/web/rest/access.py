"""Who may come in, and with how much: the API key and the declared size, looked at before a body is read."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overland.web.rest.problems import problem, refusal
from overland.web.sandbox.upload_check import too_large

__all__ = ["AccessMiddleware"]

_OPEN = frozenset({"/", "/openapi.json", "/healthz", "/readyz"})


class AccessMiddleware:
    """Refuses requests without the key (401) and those that announce too large a body (413)."""

    def __init__(self, app: ASGIApp, *, api_key: str | None, max_body_bytes: int) -> None:
        self.app = app
        self._api_key = api_key
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through or answer it."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if self._api_key and scope["path"] not in _OPEN and not _has_key(headers, self._api_key):
                detail = "Send the key as `Authorization: Bearer KEY` or `X-API-Key: KEY`."
                response = problem(401, "No valid API key", detail, {"WWW-Authenticate": "Bearer"})
                return await response(scope, receive, send)
            if _announced_bytes(headers) > self._max_body_bytes:
                return await refusal(too_large(self._max_body_bytes))(scope, receive, send)
        await self.app(scope, receive, _with_safe_headers(send))
        return None


def _with_safe_headers(send: Send) -> Send:
    """What is sent is taken for what it is called, and no proxy keeps somebody's map."""

    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_safely


def _has_key(headers: Headers, api_key: str) -> bool:
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    given = bearer if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    # The time that this takes tells nothing of the key.
    return hmac.compare_digest(given.strip().encode(), api_key.encode())


def _announced_bytes(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0
