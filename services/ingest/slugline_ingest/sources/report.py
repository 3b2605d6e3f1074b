"""Report: how the last poll of a source went, and when the next one is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from slugline.clock import parse_rfc3339, rfc3339
from slugline.errors import UndecodableRecordError
from slugline_ingest.fetching import Trouble


class Result(StrEnum):
    """How a poll went."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    NOT_MODIFIED = "not-modified"
    NO_ENTRIES = "no-entries"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gift:
    """What a poll published, and when: numbers of entries."""

    at: datetime
    created: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The last poll of a source, *at* its beginning.

    *of* is the `changed` of the source that was polled. *unchanged* counts entries that were known,
    *failures* polls that failed in a row. *gave* is what a poll last published.
    """

    at: datetime
    next: datetime
    of: datetime
    result: Result
    trouble: Trouble | None = None
    status: int | None = None
    reason: str = ""
    unchanged: int = 0
    failures: int = 0
    gave: Gift | None = None

    @property
    def state(self) -> tuple[bool, bool, Trouble | None, int | None]:
        """What a change of is worth a line in the log."""
        failed = self.result is Result.FAILED
        return (
            failed,
            self.result is Result.NO_ENTRIES,
            self.trouble,
            self.status if failed else None,
        )


def encode_report(report: Report) -> bytes:
    """*report* as JSON without its empty fields."""
    stated: dict[str, Any] = {
        "at": rfc3339(report.at),
        "next": rfc3339(report.next),
        "of": rfc3339(report.of),
        "result": report.result.value,
        "trouble": report.trouble.value if report.trouble else None,
        "gave": _plain(report.gave) if report.gave else None,
    }
    for name in ("status", "reason", "unchanged", "failures"):
        stated[name] = getattr(report, name)
    return orjson.dumps({name: value for name, value in stated.items() if value})


def decode_report(value: bytes) -> Report:
    """The inverse of `encode_report`. Raises UndecodableRecordError."""
    try:
        stated = orjson.loads(value)
        gave = stated.get("gave")
        return Report(
            at=parse_rfc3339(stated["at"]),
            next=parse_rfc3339(stated["next"]),
            of=parse_rfc3339(stated["of"]),
            result=Result(stated["result"]),
            trouble=Trouble(stated["trouble"]) if stated.get("trouble") else None,
            status=stated.get("status"),
            reason=stated.get("reason", ""),
            unchanged=stated.get("unchanged", 0),
            failures=stated.get("failures", 0),
            gave=_gift(gave) if gave else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UndecodableRecordError(f"its value cannot be read: {error!r}") from error


_COUNTS = ("created", "updated", "deleted")


def _plain(gift: Gift) -> dict[str, Any]:
    counts = {name: count for name in _COUNTS if (count := getattr(gift, name))}
    return {"at": rfc3339(gift.at), **counts}


def _gift(stated: dict[str, Any]) -> Gift:
    counts = {name: stated.get(name, 0) for name in _COUNTS}
    return Gift(at=parse_rfc3339(stated["at"]), **counts)
