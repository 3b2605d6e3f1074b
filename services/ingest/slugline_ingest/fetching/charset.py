"""Charsets: which one a page is in, by what it says itself and what was said of it."""

import codecs
import re

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_META = re.compile(rb"""<meta[^<>]{0,300}?charset\s*=\s*["']?\s*([a-zA-Z0-9_.:-]{2,40})""", re.I)
_XML = re.compile(rb"""\A\s*<\?xml[^<>]{0,200}?encoding\s*=\s*["']([a-zA-Z0-9_.:-]{2,40})""", re.I)
#: How far into a page its charset stands (WHATWG HTML section 13.2.3.2).
_WITHIN = 1_024
#: Python also knows codecs that are no charsets of pages, and take time that grows with the square.
_CHARSET = re.compile(r"utf-(8|16|32)|iso(8859|2022)|cp\d|koi8|gb|big5|shift_jis|euc_|mac-|tis|hz")
#: What browsers read in place of these (WHATWG Encoding).
_READ_AS = {"iso8859-1": "cp1252", "ascii": "cp1252"}


def text_of_page(data: bytes, charset: str = "") -> str:
    """*data* as text, whatever it takes. *charset* is what was said of it, "" for nothing.

    A page that is no text in any charset that is stated is UTF-8 with foreign bytes in it.
    """
    for name in (known_charset(charset), stated_charset(data), "utf-8"):
        try:
            return data.decode(name) if name else data.decode("utf-8")
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", errors="replace")


def stated_charset(data: bytes) -> str:
    """The charset that a page states in itself; "" where it states none that is known."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name
    found = _META.search(data, 0, _WITHIN) or _XML.search(data, 0, _WITHIN)
    name = known_charset(found.group(1).decode()) if found else ""
    return "utf-8" if name.startswith("utf-16") else name


def known_charset(name: str) -> str:
    """The codec for *name*; "" where there is none, or none for pages."""
    try:
        codec = codecs.lookup(name.strip()).name if name.strip() else ""
    except (LookupError, ValueError):
        return ""
    codec = _READ_AS.get(codec, codec)
    return codec if _CHARSET.match(codec) else ""
