"""Flat text: a live page as its visible text alone, without any mark-up, cut into entries again.

Anchors first: where a time or a byline is repeated, it cuts the text, above its heading or below
it as the whole document shows. Without anchors the shape of the lines has to do: what may be a
heading, a paragraph, a caption or a card is settled for all lines at once. Whatever is no live
page gives no entries. All of it is pure and takes time linear in the text.
"""

from slugline_ingest.extractors import Document
from slugline_ingest.extractors.text.reader import read_page
from slugline_ingest.snapshot import Snapshot


class FlatTextExtractor:
    """Takes flat page text; its entries have no ids.

    Their confidence is medium where repeated times or bylines cut the text, low where only the look
    of its lines did; never high, for no mark-up says where an entry ends.
    """

    media_types: tuple[str, ...] = ("text/plain",)

    def extract(self, document: Document) -> Snapshot:
        return read_page(document)
