"""What benchmarks say about their targets is so, and their pictures can be read."""

from dataclasses import asdict

import pytest
from lxml import etree

from tests.bench.markdown import markdown
from tests.bench.picture import draw
from tests.bench.report import Curve, Report, Row, from_json
from tests.bench.spoken import read_lines, read_list

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row(name="a", value=9, unit="s"), None),
        (Row(name="a", value=9, unit="s", target=8), True),
        (Row(name="a", value=9, unit="s", target=8, lower=True), False),
        (Row(name="a", value=9, unit="s", baseline=3, ratio=3.0, target=8), False),
        (Row(name="a", value=9, unit="s", baseline=3, ratio=3.0, target=3, lower=True), True),
    ],
)
def test_a_target_bounds_the_ratio_where_there_is_one(row: Row, met: bool | None) -> None:
    assert row.met is met


def test_a_report_is_read_back_as_it_was_written() -> None:
    curve = Curve(name="c", x=[1, 10], y=[2.0, 3.0], x_label="entries", y_label="µs")
    report = Report([Row(name="a", value=9, unit="s", baseline=3, ratio=3.0)], [curve])

    assert from_json(report.as_json()) == report


def test_deliveries_and_their_lateness_are_rows_with_their_baseline() -> None:
    both = {"ours": 900.0, "aiohttp": 300.0, "ratio": 3.0, "target": 2.5}
    late = [
        {"transport": "plain", "who": who, "p50": 5.0, "p99": 9.0}
        for who in ("ours", "bare aiohttp")
    ]

    named = Row(name="one that hangs", value=5.0, unit="ms", baseline=5.0, ratio=1.0, target=1.1)
    given = {**asdict(named), "met": False}

    report = read_list([{"transport": "plain", **both}, *late, given])

    assert report.rows[0] == named
    assert [(row.ratio, row.baseline, row.met) for row in report.rows[1:]] == [
        (3.0, 300.0, True),
        (None, 5.0, False),
        (None, 9.0, False),
    ]


def test_memory_and_growth_are_read_from_what_is_printed() -> None:
    said = (
        "memory of an idle subscription: 1,949 bytes (target 2,000)\n"
        "    10 of 10,000 subscriptions: 40 ms CPU per 1,000 deliveries\n"
        "  9000 of 10,000 subscriptions: 60 ms CPU per 1,000 deliveries\n"
    )

    report = read_lines(said)

    assert [(row.value, row.met) for row in report.rows] == [(1949.0, True), (60.0, None)]
    assert report.curves[0].x == [10, 9000]


def test_a_picture_names_its_curves_and_axes_and_keeps_every_point_within_them() -> None:
    curves = [
        Curve(
            name="GET <304>", x=[10, 100_000], y=[60.0, 70.0], x_label="entries", y_label="CPU, µs"
        ),
        Curve(
            name="rendered", x=[10, 1_000], y=[300.0, 9_000.0], x_label="entries", y_label="CPU, µs"
        ),
    ]

    picture = etree.fromstring(draw(curves, "Growth").encode())

    texts = [element.text for element in picture.iter(f"{SVG}text")]
    assert {"Growth", "GET <304>", "rendered", "entries", "CPU, µs", "10", "100,000"} <= set(texts)
    width, height = float(picture.get("width", "")), float(picture.get("height", ""))
    for line in picture.iter(f"{SVG}polyline"):
        points = [point.split(",") for point in line.get("points", "").split()]
        assert all(0 < float(x) < width and 0 < float(y) < height for x, y in points)


def test_a_table_says_which_targets_were_missed() -> None:
    rows = [Row(name="view", value=22_829, unit="records/CPU-s", target=30_000)]

    assert "| view | 22,829 records/CPU-s |  |  | ≥ 30,000 | **no** |" in markdown(rows)
