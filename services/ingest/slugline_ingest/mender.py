"""The mender: puts right what a write did that landed late, or did not see a withdrawal.

Every replica does it for every blog: whoever wrote may be gone, and doing it twice changes nothing.
"""

import asyncio
from collections.abc import Sequence

import structlog

from slugline.blog import BlogId
from slugline.clock import Clock
from slugline.errors import LogError
from slugline.view.entries import EntriesView
from slugline_ingest.writer import BlogWriter

#: How long to wait after a blog could not be mended, in seconds.
AGAIN = 1.0

logger = structlog.get_logger()


class Mender:
    """Looks at each blog of which something arrived."""

    def __init__(self, entries: EntriesView, writer: BlogWriter, clock: Clock) -> None:
        self._entries = entries
        self._writer = writer
        self._clock = clock
        # A dictionary, for its order.
        self._touched: dict[str, None] = {}
        self._arrived = asyncio.Event()
        entries.listen_to_rows(self._rows_changed)

    async def run(self) -> None:
        """Mend until cancelled."""
        self._rows_changed(sorted(self._entries.overlaid_blogs()))
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            touched, self._touched = self._touched, {}
            failed = [name for name in touched if not await self._mend(BlogId(name))]
            if failed:
                await self._clock.sleep(AGAIN)
                self._rows_changed(failed)

    def _rows_changed(self, blog_ids: Sequence[str]) -> None:
        if blog_ids:
            self._touched.update(dict.fromkeys(blog_ids))
            self._arrived.set()

    async def _mend(self, blog_id: BlogId) -> bool:
        """Whether there is nothing more to do."""
        if not self._writer.needs_mending(blog_id):
            return True
        try:
            await self._writer.mend(blog_id)
        except LogError as error:
            logger.info("blog.not_mended", blog_id=blog_id, reason=str(error))
            return False
        logger.warning("blog.mended", blog_id=blog_id)
        return True
