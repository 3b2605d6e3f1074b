"""Addresses: when two of them are of one page, and what of an address names an entry."""

import re
from hashlib import sha256
from urllib.parse import parse_qsl, unquote, urlsplit

from slugline.entry import ENTRY_ID

_HOST = re.compile(r"^(?:www|amp|m|mobile)\.")
_AMP = re.compile(r"(?:/amp|\.amp)$|(?<=\.)amp\.(?=html?$)")
_PREFIX = re.compile(r"^(?:#|with:|block-|post-|asset:)+")
#: Queries in which sites name one entry.
_QUERIES = ("post", "entry", "update", "item", "block", "page")


def page_key(address: str) -> str:
    """By what two addresses of one page are equal: no scheme, `www.`, `/amp`, slash at the end, query."""
    try:
        parts = urlsplit(address.strip())
        host = parts.hostname
    except ValueError:
        return ""
    if not host or parts.scheme not in ("http", "https"):
        return ""
    path = _AMP.sub("", unquote(parts.path).rstrip("/"))
    query = f"?{parts.query}" if path in ("", "/index.php") and parts.query else ""
    return f"{_HOST.sub('', host.lower())}{path}{query}"


def canonical(name: str) -> str:
    """An id in the one form in which page, JSON-LD and API agree, by the rule for entry ids."""
    stripped = _PREFIX.sub("", unquote(name).strip())
    return stripped if not stripped or ENTRY_ID.fullmatch(stripped) else hashed(stripped)


def hashed(name: str) -> str:
    """An id for a name that the rule for entry ids does not allow."""
    return sha256(name.encode(errors="replace")).hexdigest()[:20]


def fragment_of(address: str) -> str:
    """The id in the fragment of *address*; else in its query, where that is how a site names entries."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    named = dict(parse_qsl(parts.query, max_num_fields=100)) if parts.query.count("&") < 99 else {}
    queried = next((named[key] for key in _QUERIES if _names_one(key, named)), "")
    return canonical(parts.fragment) or canonical(queried)


def _names_one(key: str, named: dict[str, str]) -> bool:
    """`page=7` is a page of the blog, `page=with:block-…` is an entry."""
    return key in named and (key != "page" or named[key].startswith("with:"))
