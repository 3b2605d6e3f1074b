"""Errors as RFC 9457 problem details that say what to do; the one place where errors become statuses."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import structlog
from aiohttp import web

from slugline.errors import (
    EgressRefusedError,
    InvalidInputError,
    LogFullError,
    LogUnavailableError,
    OutcomeUnknownError,
    RecordRefusedError,
    SluglineError,
)

CONTENT_TYPE = "application/problem+json"

#: What a body may hold, in bytes.
MAX_BODY = 10_000_000

#: How many mistakes a problem's detail tells.
SHOWN = 5
#: How many of them are listed: an answer is not to be larger than what it is about.
LISTED = 1_000

logger = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(Exception):  # noqa: N818 - the RFC's word
    """An answer that refuses: *status*, a short *title*, and a *detail* that says what to do."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.body = {
            "title": title,
            "status": status,
            **({"detail": detail} if detail else {}),
            **more,
        }
        self.headers = headers or {}

    def response(self) -> web.Response:
        """The answer itself."""
        return web.Response(
            status=self.status,
            body=orjson.dumps(self.body),
            headers={**self.headers, "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"},
        )


def not_found(what: str, name: str) -> Problem:
    """The 404 for a *what* (a blog, an entry, …) called *name*."""
    return Problem(404, f"No such {what}", f"There is no {what} {name!r}.")


def too_large() -> Problem:
    """The 413 for a body over the limit."""
    detail = f"A request holds at most {MAX_BODY:,} bytes; send less, or in parts."
    return Problem(413, "Too large", detail)


def _first(error: InvalidInputError) -> str:
    """The first mistakes in one line; the list has them all."""
    rest = len(error.mistakes) - SHOWN
    shown = InvalidInputError(*error.mistakes[:SHOWN])
    return f"{shown}; and {rest} more" if rest > 0 else str(shown)


def problem_of(error: SluglineError) -> Problem:
    """*error* as the answer that a client gets."""
    if isinstance(error, InvalidInputError):
        mistakes = [{"field": m.field, "message": m.message} for m in error.mistakes[:LISTED]]
        return Problem(422, "Invalid input", _first(error), mistakes=mistakes)
    if isinstance(error, EgressRefusedError):
        return Problem(422, "Destination refused", str(error))
    if isinstance(error, RecordRefusedError):
        return Problem(422, "Too large for the log", str(error))
    if isinstance(error, LogFullError):
        return Problem(
            507, "Disk full", f"{error}. Nothing was accepted; repeat the request later."
        )
    if isinstance(error, LogUnavailableError | OutcomeUnknownError):
        detail = f"{error}. Repeating the same request is safe: what was taken is not taken twice."
        return Problem(503, "The log is away", detail, headers={"Retry-After": "2"})
    logger.error("request.failed", reason=str(error))
    return Problem(500, "Internal error", "See the service's log.")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error as a problem."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except SluglineError as error:
        return problem_of(error).response()
    except web.HTTPRequestEntityTooLarge:
        return too_large().response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _of_framework(error)
    except Exception:
        logger.exception("request.failed", method=request.method, path=request.path)
        return Problem(500, "Internal error", "See the service's log.").response()


def _of_framework(error: web.HTTPException) -> web.StreamResponse:
    allowed = {name: value for name, value in error.headers.items() if name == "Allow"}
    detail = f"Use one of: {allowed['Allow']}." if allowed else ""
    return Problem(error.status, error.reason, detail, headers=allowed).response()
