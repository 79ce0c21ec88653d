"""Who stays when there are too many connections."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.server.http.connections import Doorkeeper, Phase
from tuner.server.limits import PLACES_FOR_OTHERS, max_connections

MOST = 200


@dataclass(eq=False)
class Visitor:
    """A connection that does nothing by itself."""

    doorkeeper: Doorkeeper
    address: str = "stranger"
    is_known: bool = False
    phase: Phase = "head"
    is_cut: bool = False
    looked: float = 0.0

    def is_over(self, now: float) -> bool:
        self.looked = now
        return self.phase == "idle"

    def give_up(self) -> None:
        raise AssertionError("the server ends it, not the doorkeeper")

    def cut(self) -> None:
        self.is_cut = True
        self.doorkeeper.left(self)


def visit(
    doorkeeper: Doorkeeper, count: int, address: str = "stranger", *, known: bool = False
) -> list[Visitor]:
    visitors = [Visitor(doorkeeper, address) for _ in range(count)]
    for visitor in visitors:
        doorkeeper.arrived(visitor)
        if known:
            doorkeeper.settled(visitor, is_known=True)
            visitor.phase = "idle"
    return visitors


def test_a_newcomer_is_let_in_and_the_oldest_stranger_of_the_largest_crowd_goes() -> None:
    doorkeeper = Doorkeeper(MOST)
    workers = visit(doorkeeper, 20, "workers", known=True)
    few = visit(doorkeeper, 50, "few")
    crowd = visit(doorkeeper, 130, "crowd")

    (newcomer,) = visit(doorkeeper, 1, "newcomer")

    assert crowd[0].is_cut
    assert not any(one.is_cut for one in [*workers, *few, *crowd[1:], newcomer])
    assert doorkeeper.count == MOST


def test_whoever_has_a_token_stays_whatever_strangers_do() -> None:
    doorkeeper = Doorkeeper(MOST)
    workers = visit(doorkeeper, 60, "workers", known=True)
    crowd = visit(doorkeeper, 5 * MOST)

    assert not any(one.is_cut for one in workers)
    assert not crowd[-1].is_cut
    assert doorkeeper.count <= MOST


def test_of_strangers_those_that_wait_for_an_answer_go_last() -> None:
    doorkeeper = Doorkeeper(MOST)
    first, second = visit(doorkeeper, 2)
    first.phase = "answer"
    visit(doorkeeper, MOST - 1 - PLACES_FOR_OTHERS)
    visit(doorkeeper, PLACES_FOR_OTHERS, "others")

    assert (first.is_cut, second.is_cut) == (False, True)


def test_strangers_of_one_address_leave_places_to_the_others() -> None:
    doorkeeper = Doorkeeper(MOST)
    crowd = visit(doorkeeper, MOST)

    assert sum(not one.is_cut for one in crowd) == MOST - PLACES_FOR_OTHERS
    assert not any(one.is_cut for one in visit(doorkeeper, PLACES_FOR_OTHERS, "others"))


def test_with_tokens_alone_an_unused_one_goes_for_a_newcomer_and_never_a_busy_one() -> None:
    doorkeeper = Doorkeeper(MOST)
    visitors = visit(doorkeeper, MOST, "workers", known=True)
    for busy in visitors[:-1]:
        busy.phase = "answer"

    (newcomer,) = visit(doorkeeper, 1)
    assert visitors[-1].is_cut
    doorkeeper.settled(newcomer, is_known=True)
    newcomer.phase = "body"
    (refused,) = visit(doorkeeper, 1)

    assert refused.is_cut
    assert not newcomer.is_cut
    assert not any(one.is_cut for one in visitors[:-1])


def test_every_connection_is_looked_at_and_forgotten_when_it_ends() -> None:
    doorkeeper = Doorkeeper(MOST)
    visitors = [*visit(doorkeeper, 3), *visit(doorkeeper, 3, "workers", known=True)]
    over = doorkeeper.look(5.0)

    assert all(one.looked == 5.0 for one in visitors)
    assert over == [one for one in visitors if one.phase == "idle"]
    for one in visitors:
        doorkeeper.left(one)
        doorkeeper.left(one)
    assert doorkeeper.count == 0


def test_files_for_everything_else_are_left_whatever_the_limit_is() -> None:
    assert [max_connections(files) for files in (64, 1024, 20_000)] == [32, 768, 8192]


def test_a_proxys_connections_are_nobodys() -> None:
    doorkeeper = Doorkeeper(MOST, ["10.0.0.0/24"])
    proxy = visit(doorkeeper, MOST, "10.0.0.7")
    for one in proxy:
        doorkeeper.settled(one, is_known=False)

    (newcomer,) = visit(doorkeeper, 1)

    assert not any(one.is_cut for one in proxy)
    assert newcomer.is_cut
