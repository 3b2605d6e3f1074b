"""When a record was first written: a copy of a log keeps that, though its engine stamps anew.

Gaps and the pruning of superseded revisions go by this time, so that they are the same in a copy.
"""

from datetime import datetime

from slugline.clock import parse_rfc3339, rfc3339
from slugline.log import Headers, StoredRecord

#: The header in which a copied record says when it was first written, in RFC 3339.
WRITTEN_HEADER = "slugline_written_at"


def written_at(record: StoredRecord) -> datetime:
    """When *record* was first written, in whichever log that was."""
    for name, value in reversed(record.headers):
        if name == WRITTEN_HEADER:
            try:
                return parse_rfc3339(value.decode())
            except ValueError:
                break
    return record.written_at


def kept(record: StoredRecord) -> Headers:
    """The headers with which a copy of *record* still says when it was first written."""
    if any(name == WRITTEN_HEADER for name, _ in record.headers):
        return record.headers
    return (*record.headers, (WRITTEN_HEADER, rfc3339(record.written_at).encode()))
