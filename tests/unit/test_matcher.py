"""The index of subscriptions by blog."""

from slugline_syndicate.deliveries.matching import Matcher


class Thing:
    """Anything that can be told apart."""


def test_an_event_finds_those_that_name_its_blog_and_those_that_want_all() -> None:
    matcher: Matcher[Thing] = Matcher()
    storm, both, every, vote = Thing(), Thing(), Thing(), Thing()
    matcher.add(storm, ["storm"])
    matcher.add(both, ["storm", "vote"])
    matcher.add(every, ["*"])
    matcher.add(vote, ["vote"])

    assert list(matcher.of("storm")) == [storm, both, every]
    assert list(matcher.of("vote")) == [both, vote, every]
    assert list(matcher.of("court")) == [every]


def test_a_thing_that_names_a_blog_and_all_is_found_once() -> None:
    matcher: Matcher[Thing] = Matcher()
    thing = Thing()
    matcher.add(thing, ["storm", "*", "storm"])

    assert list(matcher.of("storm")) == [thing]


def test_adding_again_replaces_and_removing_leaves_nothing() -> None:
    matcher: Matcher[Thing] = Matcher()
    thing = Thing()
    matcher.add(thing, ["storm"])
    matcher.add(thing, ["vote"])

    assert list(matcher.of("storm")) == []
    assert list(matcher.of("vote")) == [thing]
    matcher.remove(thing)
    matcher.remove(thing)
    assert list(matcher.of("vote")) == []
