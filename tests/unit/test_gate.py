"""The gate before every request."""

from slugline_syndicate.deliveries.gate import Gate


def test_who_found_it_shut_is_called_once_when_it_opens_in_the_order_of_coming() -> None:
    opened = [False]
    gate = Gate(lambda: opened[0])
    called: list[str] = []

    def first() -> None:
        called.append("first")

    def second() -> None:
        called.append("second")

    assert not gate.is_open(first)
    assert not gate.is_open(second)
    assert not gate.is_open(first)
    gate.look()
    assert called == []
    opened[0] = True
    gate.look()
    gate.look()
    assert called == ["first", "second"]


def test_who_found_it_open_is_not_called() -> None:
    gate = Gate(lambda: True)
    called: list[int] = []

    assert gate.is_open(lambda: called.append(1))
    gate.look()

    assert called == []


def test_who_finds_it_shut_again_while_it_is_called_waits_for_the_next_time() -> None:
    opened = [True]
    gate = Gate(lambda: opened[0])
    called: list[int] = []

    def shut_it() -> None:
        called.append(1)
        opened[0] = False
        gate.is_open(shut_it)

    opened[0] = False
    gate.is_open(shut_it)
    opened[0] = True
    gate.look()
    gate.look()
    assert called == [1]
    opened[0] = True
    gate.look()
    assert called == [1, 1]
