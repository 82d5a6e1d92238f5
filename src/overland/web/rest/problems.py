"""Problem documents (RFC 9457): every error is one, whatever raised it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from overland.web.refusals import BusyError, NoAccessError, RefusedError, SlowSenderError, refusal_of

__all__ = ["PROBLEM", "add_problem_handlers", "documented", "refusal_response"]

logger = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
# What nginx writes to its log for a client that closed the connection; nobody reads it.
_CLIENT_WENT_AWAY = 499
_HEADERS: Mapping[type[RefusedError], Mapping[str, str]] = {
    NoAccessError: {"WWW-Authenticate": "Bearer"},
    # The rest of the body is not waited for.
    SlowSenderError: {"Connection": "close"},
}


def refusal_response(error: RefusedError) -> JSONResponse:
    """Return the problem document of a refusal.

    Args:
        error: The refusal.
    """
    headers = dict(_HEADERS.get(type(error), {}))
    if error.retry_after_s:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return _problem(error.status, error.title, error.detail, headers)


def add_problem_handlers(app: FastAPI) -> None:
    """Let an app answer every error with a problem document.

    Args:
        app: The app.
    """

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        if isinstance(error, SlowSenderError | BusyError):
            logger.info("%s %s: %s", request.method, request.url.path, error.detail)
        return refusal_response(error)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        title = HTTPStatus(error.status_code).phrase
        detail = error.detail if error.detail != title else f"{request.method} {request.url.path}: {title.lower()}."
        return _problem(error.status_code, title, detail, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        parts = [
            f"{item['loc'][-1]}: {'no such parameter' if item['type'] == 'extra_forbidden' else item['msg']}"
            for item in error.errors()
        ]
        return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Parameters not valid", "; ".join(parts) + ".")

    @app.exception_handler(ClientDisconnect)
    async def went_away(request: Request, error: ClientDisconnect) -> Response:
        logger.info("%s %s: the client went away.", request.method, request.url.path)
        return Response(status_code=_CLIENT_WENT_AWAY)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return refusal_response(refusal_of(error))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problem responses of a route, for its description.

    Args:
        *statuses: HTTP statuses that the route may answer with.
    """
    schema = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        },
    }
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {"schema": schema}}}
        for status in statuses
    }


def _problem(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=PROBLEM)
