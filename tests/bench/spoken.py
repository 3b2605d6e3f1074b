"""Reads what benchmarks say in other shapes than `report`'s, so that one table has all of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.report import Curve, Report, Row, from_json

_MEMORY = re.compile(r"memory of an idle subscription: ([\d,]+) bytes")
_COST = re.compile(r"(\d+) of [\d,]+ subscriptions: (\d+) ms CPU per 1,000 deliveries")
#: Bytes of an idle subscription; milliseconds from publishing to the answer.
MEMORY, P50, P99 = 2_000, 4.0, 8.0


def read_list(found: Sequence[Mapping[str, Any]]) -> Report:
    """Rows without more; deliveries per CPU-second beside a bare loop, and how late they are."""
    report = from_json({"rows": [each for each in found if "name" in each]})
    late = {(each["transport"], each["who"]): each for each in found if "p50" in each}
    for each in found:
        if "ours" in each:
            report.rows.append(_throughput(each, bool(late)))
    for (transport, who), each in late.items():
        if who == "ours":
            base = late[transport, "bare aiohttp"]
            report.rows += [_lateness(each, base, "p50", P50), _lateness(each, base, "p99", P99)]
    return report


def _throughput(each: Mapping[str, Any], whole: bool) -> Row:
    what = "deliveries, the whole path" if whole else "deliveries, the sender alone"
    return Row(
        name=f"{what}, {each['transport']}, to a bare aiohttp client loop",
        value=each["ours"],
        unit="per CPU-s",
        baseline=each["aiohttp"],
        ratio=each["ratio"],
        target=each["target"],
    )


def _lateness(ours: Mapping[str, Any], base: Mapping[str, Any], which: str, target: float) -> Row:
    return Row(
        name=f"published → received, {ours['transport']}, {which} (baseline: a bare aiohttp loop's)",
        value=ours[which],
        unit="ms",
        baseline=base[which],
        target=target,
        lower=True,
    )


def read_lines(said: str) -> Report:
    """Memory of idle subscriptions, and what a delivery costs by their number."""
    report = Report()
    found = _MEMORY.search(said)
    if found:
        value = float(found[1].replace(",", ""))
        name = "memory of an idle subscription"
        report.rows.append(Row(name=name, value=value, unit="bytes", target=MEMORY, lower=True))
    costs = [(int(count), float(cost)) for count, cost in _COST.findall(said)]
    if costs:
        report.curves.append(
            Curve(
                name="one delivery, cursors and attempts included",
                x=[count for count, _ in costs],
                y=[cost for _, cost in costs],
                x_label="subscriptions that an event goes to",
                y_label="CPU time, µs",
            )
        )
        few, many = costs[0], costs[-1]
        report.rows.append(
            Row(
                name=f"a delivery to {many[0]:,} subscriptions, to one to {few[0]:,}",
                value=many[1],
                unit="CPU-µs",
                baseline=few[1],
                ratio=many[1] / few[1],
            )
        )
    return report
