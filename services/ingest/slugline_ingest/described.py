"""What ingest's endpoints take and answer, for the OpenAPI document."""

from dataclasses import dataclass
from typing import Any

from slugline.blog import Blog
from slugline.entry import Entry
from slugline_ingest.documents import extractors_by_type
from slugline_ingest.pushed import PushedBlog, PushedEntry
from slugline_ingest.writer import Written


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownBlog(Blog):
    """A blog's own record; what is empty is left out."""

    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEntry(Entry):
    """An entry at its newest revision; what is empty is left out."""

    sequence: int


_WRITTEN = {200: "What was created, updated, deleted and left unchanged."}
_INVALID = {422: "Invalid; every mistake is named by its field."}
_REFUSED = {
    **_INVALID,
    503: "The log is away; nothing is lost by repeating the request.",
    507: "The disk is full; nothing was accepted.",
}
_REMOVED = {409: "The blog was removed."}
_NO_BLOG = {404: "No such blog."}
_NO_ENTRY = {404: "No such entry."}

PUT_BLOG: dict[str, Any] = {
    "summary": "Make a blog, or change what it says of itself.",
    "body": PushedBlog,
    "returns": Written,
    "answers": {**_WRITTEN, **_REFUSED},
}
GET_BLOG: dict[str, Any] = {
    "summary": "The blog's own record.",
    "returns": ShownBlog,
    "answers": {200: "The blog.", **_NO_BLOG, **_INVALID},
}
POST_DOCUMENT: dict[str, Any] = {
    "summary": "Read a live page as it is, and publish what is new or changed in it.",
    "takes": tuple(extractors_by_type()),
    "headers": {
        "Content-Location": "The page's address; its relative links are resolved against it."
    },
    "returns": Written,
    "answers": {**_WRITTEN, **_REMOVED, **_REFUSED},
}
POST_ENTRIES: dict[str, Any] = {
    "summary": "Publish one entry, or a list that is taken whole or refused whole.",
    "body": PushedEntry,
    "many": True,
    "returns": Written,
    "answers": {**_WRITTEN, 409: "An entry was withdrawn, or the blog removed.", **_REFUSED},
}
GET_ENTRY: dict[str, Any] = {
    "summary": "The entry at its newest revision.",
    "returns": ShownEntry,
    "answers": {200: "The entry.", **_NO_ENTRY, **_INVALID},
}
PUT_ENTRY: dict[str, Any] = {
    "summary": "Publish the entry under this id; brings a withdrawn one back.",
    "body": PushedEntry,
    "returns": Written,
    "answers": {**_WRITTEN, **_REMOVED, **_REFUSED},
}
DELETE_ENTRY: dict[str, Any] = {
    "summary": "Withdraw the entry: its text goes, everywhere.",
    "returns": Written,
    "answers": {**_WRITTEN, **_NO_ENTRY, **_REFUSED},
}
