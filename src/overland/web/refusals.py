"""Refusals of the service: one class for each kind, and the one table that gives each its HTTP status.

Whatever a request meets, in the server or in a worker process, ends as one of these classes. `REFUSALS` says which
status and title each has; `refusal_of` finds the refusal of any other exception in the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from overland.errors import OverlandError, ResourceError

__all__ = [
    "REFUSALS",
    "BusyError",
    "FaultError",
    "NoAccessError",
    "NotAcceptableError",
    "NotAnImageError",
    "NotDoneError",
    "NotFoundError",
    "RefusedError",
    "SlowSenderError",
    "TooLargeError",
    "TooSlowError",
    "UnavailableError",
    "UnknownHostError",
    "UnusableError",
    "refusal_from_dict",
    "refusal_of",
]


class RefusedError(OverlandError):
    """A request that is not served; raise one of its children.

    Args:
        detail: One sentence or two for the client: what was found and what to do.
        title: The kind of refusal in a few words; the table's title by default.
        retry_after_s: When to try again, in seconds; sent as `Retry-After` with 429 and 503.
    """

    def __init__(self, detail: str, *, title: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        status, usual_title = REFUSALS[type(self)]
        self.status = int(status)
        self.title = title or usual_title
        self.detail = detail
        self.retry_after_s = retry_after_s

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, which `refusal_from_dict` reads back."""
        return {"status": self.status, "title": self.title, "detail": self.detail}


class UnknownHostError(RefusedError):
    """The request names a host that this server is not known by."""


class NoAccessError(RefusedError):
    """No valid API key was sent."""


class NotFoundError(RefusedError):
    """There is no such model, job, download or route."""


class NotAcceptableError(RefusedError):
    """None of the representations that the client accepts is offered."""


class SlowSenderError(RefusedError):
    """The body of a request arrives too slowly, or not at all."""


class NotDoneError(RefusedError):
    """The job has not ended yet."""


class TooLargeError(RefusedError):
    """The upload has too many bytes or pixels."""


class NotAnImageError(RefusedError):
    """The upload is neither PNG, JPEG nor TIFF."""


class UnusableError(RefusedError):
    """The image cannot be mapped, or a parameter makes no sense."""


class BusyError(RefusedError):
    """The queue, or the client's part of it, is full."""


class FaultError(RefusedError):
    """A fault of the server."""


class UnavailableError(RefusedError):
    """The server stops, or has no room on its disk."""


class TooSlowError(RefusedError):
    """The work took longer than is allowed."""


REFUSALS: Mapping[type[Exception], tuple[HTTPStatus, str]] = {
    UnknownHostError: (HTTPStatus.BAD_REQUEST, "Unknown host"),
    NoAccessError: (HTTPStatus.UNAUTHORIZED, "No valid API key"),
    NotFoundError: (HTTPStatus.NOT_FOUND, "Not found"),
    NotAcceptableError: (HTTPStatus.NOT_ACCEPTABLE, "Not acceptable"),
    SlowSenderError: (HTTPStatus.REQUEST_TIMEOUT, "Too slow a sender"),
    NotDoneError: (HTTPStatus.CONFLICT, "Not done"),
    TooLargeError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Image too large"),
    NotAnImageError: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not an image"),
    UnusableError: (HTTPStatus.UNPROCESSABLE_ENTITY, "Image cannot be mapped"),
    BusyError: (HTTPStatus.TOO_MANY_REQUESTS, "Busy"),
    FaultError: (HTTPStatus.INTERNAL_SERVER_ERROR, "Fault"),
    UnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "Unavailable"),
    TooSlowError: (HTTPStatus.GATEWAY_TIMEOUT, "Too slow"),
    # What the workflows raise, by their own classes.
    OverlandError: (HTTPStatus.UNPROCESSABLE_ENTITY, "Image cannot be mapped"),
    MemoryError: (HTTPStatus.UNPROCESSABLE_ENTITY, "Too much work"),
    ResourceError: (HTTPStatus.SERVICE_UNAVAILABLE, "No room"),
    OSError: (HTTPStatus.SERVICE_UNAVAILABLE, "No room"),
    Exception: (HTTPStatus.INTERNAL_SERVER_ERROR, "Fault"),
}
"""HTTP status and title of each exception; of an exception that is not listed the nearest parent's."""

_DETAILS: Mapping[type[Exception], str] = {
    MemoryError: "The image needs more memory than is allowed here; send a part of it.",
    ResourceError: "The server's disk is full; try again later.",
    OSError: "The server's disk is full; try again later.",
    Exception: "A fault of the server; its log says more.",
}
_RETRY_AFTER_S = 60.0


def refusal_of(error: Exception, detail: str | None = None) -> RefusedError:
    """Return the refusal that an exception becomes.

    Args:
        error: Any exception; a refusal is returned as it is.
        detail: What the client reads instead of the table's sentence or, without one, of the exception's message.

    Returns:
        A refusal with the status and the title of the exception's nearest class in `REFUSALS`.
    """
    if isinstance(error, RefusedError):
        return error
    nearest = next(kind for kind in type(error).__mro__ if kind in REFUSALS)
    status, title = REFUSALS[nearest]
    retry_after_s = _RETRY_AFTER_S if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    text = detail or _DETAILS.get(nearest) or str(error)
    return _of_status(status, text, title, retry_after_s)


def refusal_from_dict(values: Mapping[str, Any]) -> RefusedError:
    """Build a refusal from the values of `RefusedError.to_dict`.

    Args:
        values: `status`, `title` and `detail`.

    Returns:
        A refusal of the class that has this status; `FaultError` for a status that no class has.
    """
    return _of_status(int(values["status"]), str(values["detail"]), str(values["title"]), None)


def _of_status(status: int, detail: str, title: str, retry_after_s: float | None) -> RefusedError:
    kinds = {int(row[0]): kind for kind, row in REFUSALS.items() if issubclass(kind, RefusedError)}
    return kinds.get(status, FaultError)(detail, title=title, retry_after_s=retry_after_s)
