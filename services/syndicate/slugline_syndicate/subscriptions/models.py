"""Bodies of the subscriptions API, checked at the edge."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from slugline.blog import is_blog_id
from slugline.events import EventType
from slugline.web.bodies import Body
from slugline_syndicate.deliveries.subscription import EVERY_BLOG

#: What can be asked for; `subscription.test` and `subscription.gap` come by themselves.
TYPES = tuple(t.value for t in EventType if not t.value.startswith("subscription."))


def _blog(name: str) -> str:
    if name != EVERY_BLOG and not is_blog_id(name):
        raise ValueError(f"{name[:100]!r} cannot name a blog; give ids, or '*' for all")
    return name


def _type(name: str) -> str:
    if name not in TYPES:
        raise ValueError(f"{name[:100]!r} is no event type; there are {', '.join(TYPES)}")
    return name


BlogName = Annotated[str, AfterValidator(_blog)]
TypeName = Annotated[str, AfterValidator(_type)]
Url = Annotated[str, Field(min_length=1, max_length=2_000)]
Blogs = Annotated[list[BlogName], Field(min_length=1, max_length=1_000)]
Types = Annotated[list[TypeName], Field(max_length=20)]
Description = Annotated[str, Field(max_length=1_000)]


class NewSubscription(Body):
    """A subscription as it is asked for. *types*: none means all. *start*: which events come first."""

    url: Url
    blogs: Blogs
    types: Types = Field(default=[])
    start: Literal["now", "earliest"] = "now"
    description: Description = ""


class SubscriptionChange(Body):
    """What to change; what is left out stays. A new URL starts afresh."""

    url: Url | None = None
    blogs: Blogs | None = None
    types: Types | None = None
    description: Description | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> "SubscriptionChange":
        nulls = [name for name in self.model_fields_set if getattr(self, name) is None]
        if nulls:
            raise ValueError(f"{', '.join(nulls)}: null is no value; leave it out")
        if not self.model_fields_set:
            raise ValueError("name what to change: url, blogs, types or description")
        return self


class Resumption(Body):
    """How to go on: from where it stopped, or from now, giving up what came in between."""

    mode: Literal["continue", "skip"] = "continue"
