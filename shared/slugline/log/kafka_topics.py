"""What a topic must look like on Kafka, and how a found one differs. No I/O here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from slugline.log import TOMBSTONES_KEPT, TopicSpec

#: Topics whose records may be cleaned after an hour roll hourly, so that they can be.
_QUICK = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic as the broker has it. *settings* holds at least those that `settings_of` names."""

    partitions: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a topic differs: each setting as it is and as it should be. *missing*: there is none."""

    topic: str
    missing: bool
    settings: Sequence[tuple[str, str | None, str]]

    @property
    def of_partitions(self) -> bool:
        """Whether the number of partitions is another one; that cannot be mended in place."""
        return any(name == "partitions" for name, _, _ in self.settings)


def settings_of(spec: TopicSpec, *, flush: bool = False) -> dict[str, str]:
    """Kafka's settings for *spec*. *flush*: each record of a compacted topic is written through.

    Brokers stamp the records, so that a publisher with a wrong clock is neither refused (which
    would make its producer useless) nor decides when its records age.
    """
    settings = {
        "cleanup.policy": _policy(spec),
        "message.timestamp.type": "LogAppendTime",
        "segment.ms": _milliseconds(_QUICK if _is_quick(spec) else _DAY),
    }
    if spec.compact:
        settings["min.compaction.lag.ms"] = _milliseconds(spec.min_compaction_lag)
        settings["delete.retention.ms"] = _milliseconds(TOMBSTONES_KEPT)
    if spec.retention or not spec.compact:
        settings["retention.ms"] = _milliseconds(spec.retention) if spec.retention else "-1"
    if spec.retention_bytes:
        settings["retention.bytes"] = str(spec.retention_bytes)
    if flush and spec.compact:
        settings["flush.messages"] = "1"
    return settings


def differences(
    specs: Mapping[str, TopicSpec],
    partitions: int,
    found: Mapping[str, TopicState],
    *,
    flush: bool = False,
) -> list[Difference]:
    """How the topics *found* differ from *specs* (by name on Kafka) with *partitions* each.

    Settings that *found* does not tell are not compared.
    """
    result = []
    for name, spec in specs.items():
        wanted = {"partitions": str(partitions), **settings_of(spec, flush=flush)}
        state = found.get(name)
        if state is None:
            new = [(key, None, value) for key, value in wanted.items()]
            result.append(Difference(topic=name, missing=True, settings=new))
            continue
        has = {"partitions": str(state.partitions), **state.settings}
        changed = [(k, has[k], v) for k, v in wanted.items() if k in has and has[k] != v]
        if changed:
            result.append(Difference(topic=name, missing=False, settings=changed))
    return result


def as_diff(found: Sequence[Difference], server: str) -> str:
    """*found* as a unified diff from what *server* has to what slugline needs; empty for none."""
    if not found:
        return ""
    lines = [f"--- Kafka at {server}", "+++ slugline"]
    for difference in found:
        lines.append(f"{'+' if difference.missing else ' '}{difference.topic}")
        for setting, old, new in difference.settings:
            if old is not None:
                lines.append(f"-    {setting}={old}")
            lines.append(f"+    {setting}={new}")
    return "\n".join(lines) + "\n"


def in_words(found: Sequence[Difference]) -> str:
    """*found* in one line."""
    return "; ".join(
        f"{difference.topic} has {setting} {old}, not {new}"
        for difference in found
        for setting, old, new in difference.settings
    )


def _policy(spec: TopicSpec) -> str:
    if not spec.compact:
        return "delete"
    return "compact,delete" if spec.retention else "compact"


def _is_quick(spec: TopicSpec) -> bool:
    return spec.compact and not spec.retention and spec.min_compaction_lag <= _QUICK


def _milliseconds(time: timedelta) -> str:
    return str(round(time / timedelta(milliseconds=1)))
