"""What was found out about a line is kept, but not for ever and not for long ones."""

from collections.abc import Callable

import pytest

from slugline_ingest.extractors.text.remembered import remembered


def shouting() -> tuple[list[str], Callable[[str], str]]:
    """The texts that were read, and what reads them and remembers."""
    read: list[str] = []

    def shout(line: str) -> str:
        read.append(line)
        return line.upper()

    return read, remembered(shout)


@pytest.mark.parametrize(("text", "readings"), [("x" * 400, 1), ("x" * 401, 2)])
def test_a_short_text_is_read_once_and_a_long_one_each_time(text: str, readings: int) -> None:
    read, loud = shouting()
    assert (loud(text), loud(text)) == (text.upper(), text.upper())
    assert len(read) == readings


def test_what_was_read_long_ago_is_forgotten() -> None:
    read, loud = shouting()
    for number in range(10_000):
        loud(f"line {number}")
    assert loud("line 0") == "LINE 0"
    assert read[-1] == "line 0"
