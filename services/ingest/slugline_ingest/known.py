"""A blog's entries as a plan sees them: looked up one by one, or gone through once."""

from collections.abc import Iterator, Mapping

from slugline.blog import BlogId
from slugline.entry import EntryId
from slugline.view.entries import EntriesView, EntryRow


class KnownEntries(Mapping[EntryId, EntryRow]):
    """The entries of a blog in the view, withdrawn ones too; good until the view moves on."""

    def __init__(self, entries: EntriesView, blog_id: BlogId) -> None:
        self._entries = entries
        self._blog_id = blog_id
        self._all: dict[EntryId, EntryRow] | None = None

    def __getitem__(self, entry_id: EntryId) -> EntryRow:
        row = (
            self._entries.entry(self._blog_id, entry_id)
            if self._all is None
            else self._all.get(entry_id)
        )
        if row is None:
            raise KeyError(entry_id)
        return row

    def __iter__(self) -> Iterator[EntryId]:
        if self._all is None:
            self._all = {row.entry.id: row for row in self._entries.entries(self._blog_id)}
        return iter(self._all)

    def __len__(self) -> int:
        return sum(1 for _ in self)
