"""JSON-LD: what a page says of its live blog in schema.org's words (`LiveBlogPosting`).

Script by script, tolerant: a defective one costs only itself. Each field is judged, not the source
as a whole: many pages repeat the blog's own headline and dates on every entry, or cut bodies. All of
it is pure, and takes time and memory linear in the page: HTML made to be dear is never parsed whole.
"""

from slugline_ingest.extractors import Document
from slugline_ingest.extractors.jsonld.outline import Outline, outline_of
from slugline_ingest.extractors.jsonld.reader import read_page
from slugline_ingest.snapshot import Snapshot

LINKED_DATA = "application/ld+json"


class JsonLdExtractor:
    """Takes HTML pages and bare JSON-LD; entries are of high confidence, mostly with ids of their own."""

    media_types: tuple[str, ...] = ("text/html", "application/xhtml+xml", LINKED_DATA)

    def extract(self, document: Document) -> Snapshot:
        bare = document.text.lstrip()[:1] in ("{", "[")
        outline = Outline(scripts=(document.text,)) if bare else outline_of(document.text)
        return read_page(outline, document)
