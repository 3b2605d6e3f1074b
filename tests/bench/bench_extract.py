"""How the time that a dump takes grows with its lines.

`python -m tests.bench.bench_extract [--json FILE] [--quick]`. The baseline of 100,000 lines of a sort
are 10,000 of them: the ratio is near ten where the work is linear. Then documents of 10 MB that are
made to be dear. CPU time of the thread.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from slugline_ingest.extractors import Document
from slugline_ingest.extractors.text import FlatTextExtractor
from tests.bench.report import Report, Row, command, cpu_seconds

RECEIVED = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
FEW, MANY = 10_000, 100_000
HEAD = "Storm Nadia live: Harbour towns ordered to evacuate\n"


def anchored(count: int) -> str:
    entries = (
        f"Ferry number {n} cancels all sailings until Monday\n"
        f"{(1079 - n) % 1080 // 60:02}:{(1079 - n) % 60:02} , Jane Dalton\n"
        f"The company has cancelled {n} sailings until Monday at the earliest, it said.\n"
        "“We will not put crews at risk,” said its director.\n"
        for n in range(count // 4)
    )
    return HEAD + "".join(entries)


def shaped(count: int) -> str:
    entries = (
        f"Ferry number {n} cancels all sailings until Monday\n"
        f"The company has cancelled {n} sailings until Monday at the earliest, it said.\n"
        "“We will not put crews at risk,” said its director.\n"
        for n in range(count // 3)
    )
    return HEAD + "".join(entries)


BY_LINES: dict[str, Callable[[int], str]] = {
    "entries with times": anchored,
    "entries without times": shaped,
    "times alone": lambda n: "".join(f"{i // 60 % 24:02}:{i % 60:02}\n" for i in range(n)),
    "times and headings": lambda n: "".join(
        f"{i // 60 % 24:02}.{i % 60:02} Uhr: Etwas passiert\n" for i in range(n)
    ),
    "headings alone": lambda n: HEAD + "".join(f"Heading {i} of the long day\n" for i in range(n)),
    "the same line": lambda n: HEAD + "The same line again and again\n" * n,
    "bullets": lambda n: f"{HEAD}Key points\n" + "• The same line again and again\n" * n,
    "cards": lambda n: HEAD + "Read more:\nBridge closed after a fire\n" * (n // 2),
    "captions": lambda n: HEAD + "A bridge in town (AFP/Getty)\n" * n,
    "dates": lambda n: HEAD + "Sunday 22 November\n" * n,
    "names": lambda n: HEAD + "Jane Dalton\n" * n,
    "minutes of a match": lambda n: HEAD + "".join(f"{i % 90}' Goal for them\n" for i in range(n)),
}
BY_SIZE: dict[str, Callable[[], str]] = {
    "one line of words": lambda: "word " * 2_000_000,
    "one line without a blank": lambda: "x" * 10_000_000,
    "one line of sentences": lambda: "This is so. And That. " * 450_000,
    "one line of times": lambda: "12:31 " * 1_650_000,
    "one line of glued sentences": lambda: "end.The start" * 770_000,
    "one line of brackets": lambda: "(" * 10_000_000,
    "one line of stars": lambda: "*" * 10_000_000,
    "blanks and a letter": lambda: " " * 9_999_999 + "x",
    "empty lines": lambda: "\n" * 10_000_000,
}


def seconds(text: str) -> float:
    document = Document(text=text, received=RECEIVED)
    return cpu_seconds(lambda: FlatTextExtractor().extract(document))


def measure(quick: bool) -> Report:
    report = Report()
    shrunk = 10 if quick else 1
    for name, make in BY_LINES.items():
        few, many = seconds(make(FEW // shrunk)), seconds(make(MANY // shrunk))
        report.rows.append(
            Row(
                name=f"dump of {MANY // shrunk:,} lines: {name}, to a tenth of them",
                value=many,
                unit="CPU-s",
                baseline=few,
                ratio=many / few,
            )
        )
    for name, make_all in () if quick else BY_SIZE.items():
        report.rows.append(
            Row(name=f"dump of 10 MB: {name}", value=seconds(make_all()), unit="CPU-s")
        )
    return report


main = command(__doc__, measure)

if __name__ == "__main__":
    main()
