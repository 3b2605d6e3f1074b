"""What the subscriptions' endpoints take and answer, for the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from slugline.web.bodies import Body
from slugline_syndicate.subscriptions.models import (
    NewSubscription,
    Resumption,
    SubscriptionChange,
)

#: Items on a page, unless asked otherwise; and at the most.
PAGE, MOST = 50, 500

NextPage = str | None


class ShownSubscription(Body):
    """A subscription and how it fares.

    *until* says when a `waiting` one is tried again, *failing_since* and *reason* why it waits or was
    disabled; what does not apply is left out.
    """

    id: str
    url: str
    blogs: list[str]
    types: list[str]
    description: str
    state: Literal["active", "paused", "waiting", "disabled"]
    last_success: datetime | None = None
    failing_since: datetime | None = None
    reason: str = ""
    until: datetime | None = None
    disabled_at: datetime | None = None
    created: datetime
    changed: datetime
    revision: int
    waiting_events: int = Field(default=0, description="As far as a short look can tell.")


class MadeSubscription(ShownSubscription):
    """A new subscription. Its secret and its token are shown this once."""

    secret: str
    token: str


class ShownTest(Body):
    """The id of the `subscription.test` that is on its way."""

    event: str


class ShownAttempt(Body):
    """One HTTP try of a delivery: a *status*, or an *error* in one line."""

    event: str
    type: str
    number: int
    status: int | None
    error: str | None
    started: datetime
    duration_ms: int


class ShownDeadLetter(Body):
    """A delivery that was given up, and why."""

    event: str
    type: str
    blog: str
    entry: str
    sequence: int
    reason: str
    attempts: int
    at: datetime


class PageOfSubscriptions(Body):
    """Some subscriptions; *next* is what to ask for the following page with."""

    items: list[ShownSubscription]
    next: NextPage


class PageOfAttempts(Body):
    """Some attempts, newest first."""

    items: list[ShownAttempt]
    next: NextPage


class PageOfDeadLetters(Body):
    """Some dead letters, newest first."""

    items: list[ShownDeadLetter]
    next: NextPage


_ONE = {404: "No such subscription."}
_UNREADABLE = {422: "Invalid; every mistake is named by its field."}
_REFUSED = {
    **_UNREADABLE,
    503: "The log is away; try again.",
    507: "The disk is full; nothing was changed.",
}
_CHANGING = {
    **_ONE,
    412: "It was changed meanwhile.",
    428: "Send If-Match with the ETag of what you read.",
    **_REFUSED,
}
_IT = {200: "The subscription."}
_PAGE = {200: "A page of them."}
_PAGED = {"limit": f"How many, at most {MOST}.", "after": "The `next` of the page before."}
_MATCH = {"If-Match": "The ETag of the subscription as it was read, or *."}

CREATE: dict[str, Any] = {
    "summary": "Subscribe an endpoint.",
    "body": NewSubscription,
    "returns": MadeSubscription,
    "answers": {201: "Made; secret and token are shown this once.", **_REFUSED},
}
LIST: dict[str, Any] = {
    "summary": "All subscriptions, by id.",
    "query": _PAGED,
    "returns": PageOfSubscriptions,
    "answers": {**_PAGE, **_UNREADABLE},
}
READ: dict[str, Any] = {
    "summary": "A subscription and how it fares.",
    "returns": ShownSubscription,
    "answers": {**_IT, **_ONE},
}
CHANGE: dict[str, Any] = {
    "summary": "Change it; needs If-Match.",
    "body": SubscriptionChange,
    "headers": _MATCH,
    "returns": ShownSubscription,
    "answers": {**_IT, **_CHANGING},
}
DELETE: dict[str, Any] = {
    "summary": "End it; needs If-Match.",
    "headers": _MATCH,
    "answers": {204: "It is gone.", **_CHANGING},
}
PAUSE: dict[str, Any] = {
    "summary": "Deliver nothing for now.",
    "returns": ShownSubscription,
    "answers": {**_IT, **_ONE, **_REFUSED},
}
RESUME: dict[str, Any] = {
    **PAUSE,
    "summary": "Go on, also when disabled.",
    "body": Resumption,
    "optional": True,
}
TEST: dict[str, Any] = {
    "summary": "Send one subscription.test.",
    "returns": ShownTest,
    "answers": {202: "On its way; its attempt will be listed.", **_ONE, **_REFUSED},
}
ATTEMPTS: dict[str, Any] = {
    "summary": "Attempts, newest first.",
    "query": _PAGED,
    "returns": PageOfAttempts,
    "answers": {**_PAGE, **_ONE, **_UNREADABLE},
}
DEAD_LETTERS: dict[str, Any] = {
    **ATTEMPTS,
    "summary": "Deliveries given up, newest first.",
    "returns": PageOfDeadLetters,
}
