"""Middleware of the service: who may come in, by which name and with how much, before a body is read.

Each request is refused early where it can be: one that names a host that this server is not known by (so that a page
elsewhere cannot reach it through somebody's browser), one without the key, one that announces too large a body. A body
that arrives too slowly is cut. Answers say that they are what they are called, and that no proxy may keep them.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overland.web.refusals import NoAccessError, RefusedError, SlowSenderError, UnknownHostError
from overland.web.rest.problems import refusal_response
from overland.web.sandbox.upload_check import too_large

__all__ = ["AccessMiddleware"]

# Routes that tell nothing of anybody.
_WITHOUT_KEY = frozenset({"/", "/openapi.json", "/healthz", "/readyz"})
# Whoever asks these is the machine's keeper, and calls it by its address.
_BY_ANY_NAME = frozenset({"/healthz", "/readyz"})
# A body may take so long, and as many seconds more as it has units of so many bytes.
_BODY_S = 30.0
_SLOWEST_BYTES_PER_S = 16_000


class AccessMiddleware:
    """Refuses requests by their headers, and cuts bodies that come too slowly.

    Args:
        app: The application behind it.
        max_body_bytes: Largest body, in bytes.
        api_key: The key that clients must send; None for none.
        hosts: Names that the server is known by; None for any.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        api_key: str | None = None,
        hosts: Collection[str] | None = None,
    ) -> None:
        self.app = app
        self._api_key = api_key or None
        self._hosts = hosts
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through or answer it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if error := self._refusal(scope["path"], Headers(scope=scope)):
            return await refusal_response(error)(scope, receive, send)
        return await self.app(scope, _in_time(receive), _with_safe_headers(send))

    def _refusal(self, path: str, headers: Headers) -> RefusedError | None:
        host = headers.get("host", "").strip().lower()
        name, _, end = host.rpartition(":")
        # Without its port and brackets. Behind the last colon may be the last part of an IPv6 address.
        host = name if name and end.isdecimal() and not name.endswith(":") else host
        host = host.removeprefix("[").removesuffix("]")
        if self._hosts is not None and path not in _BY_ANY_NAME and host not in self._hosts:
            return UnknownHostError(
                "This server is not known by the host name of the request; it is allowed with --allowed-host."
            )
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = bearer if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        # The time that a comparison takes tells nothing of the key.
        has_key = self._api_key is None or hmac.compare_digest(given.strip().encode(), self._api_key.encode())
        if not has_key and path not in _WITHOUT_KEY:
            return NoAccessError("Send the key as `Authorization: Bearer KEY` or `X-API-Key: KEY`.")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            return too_large(self._max_body_bytes)
        return None


def _in_time(receive: Receive) -> Receive:
    """Cut a body that comes too slowly; the wait for the client's end after it has no limit."""
    started, taken, is_whole = time.monotonic(), 0, False

    async def receive_in_time() -> Message:
        nonlocal taken, is_whole
        if is_whole:
            return await receive()
        left_s = started + _BODY_S + taken / _SLOWEST_BYTES_PER_S - time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), max(left_s, 0.001))
        except TimeoutError:
            raise SlowSenderError(
                f"{taken} bytes of the body have come in {time.monotonic() - started:.0f} s; send it faster."
            ) from None
        taken += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        return message

    return receive_in_time


def _with_safe_headers(send: Send) -> Send:
    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_safely
