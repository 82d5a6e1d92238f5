"""What a stranger's request is refused with: an HTTP status, a title and one clear sentence."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from overland.errors import OverlandError

__all__ = ["RefusedError", "refusal_from_dict"]


class RefusedError(OverlandError):
    """A request that is not served: `status` is HTTP's, `title` names the kind, `detail` says what to do.

    413 too large, 415 no image, 422 an image that cannot be mapped, 404 unknown, 409 not ready, 429 busy, 503 stopping,
    504 too slow. `retry_after_s` says when to come again (429 and 503).
    """

    def __init__(self, status: int, title: str, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.status = int(HTTPStatus(status))
        self.title = title
        self.detail = detail
        self.retry_after_s = retry_after_s

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `refusal_from_dict` reads them back."""
        return {"status": self.status, "title": self.title, "detail": self.detail}


def refusal_from_dict(values: Mapping[str, Any]) -> RefusedError:
    """Build a refusal from what `RefusedError.to_dict` gave."""
    return RefusedError(int(values["status"]), str(values["title"]), str(values["detail"]))
