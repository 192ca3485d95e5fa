"""The replay of a backtest where merges change their minds: it keeps what each ticket told last, as a store does."""

from __future__ import annotations

from barometer.backtest.command import terms_for
from barometer.backtest.known import Noted, Replay
from services.aging.core.mark import mark_of, order_of
from shared.configuration.models import Configuration
from shared.contracts.tickets import Activity, Actor, Channel, Observation
from tests.unit.aging.observations import TENANT, at, seen

SURVIVOR, FIRST, SECOND = "desk:1", "desk:2", "desk:3"


def noted(*events: Observation) -> list[Noted]:
    marks = [(event, mark_of(event)) for event in events]
    return sorted(Noted(order_of(mark), (event.tenant, event.ticket), mark) for event, mark in marks)


def test_an_answer_in_a_ticket_that_left_its_survivor_again_stands_for_neither() -> None:
    replay = Replay(TENANT, terms_for(Configuration()), ())
    events = (
        seen(SURVIVOR, 0, activity=Activity.CREATED, actor=Actor.CUSTOMER, channel=Channel.EMAIL),
        seen(FIRST, 0.1, activity=Activity.CREATED, actor=Actor.CUSTOMER),
        seen(FIRST, 0.2, activity=Activity.AGENT_MESSAGE, actor=Actor.AGENT),
        seen(FIRST, 0.3, merged_into=SURVIVOR),
        seen(FIRST, 0.4, merged_into=None),
        seen(SECOND, 0.5, activity=Activity.CREATED, actor=Actor.CUSTOMER),
        seen(SECOND, 0.6, merged_into=SURVIVOR),
    )

    replay.run(noted(*events), [at(hours / 10) + 1 for hours in range(7)], until_us=at(1))

    assert [] == replay.refused
    final = replay.final((TENANT, SURVIVOR))
    assert final is not None
    assert final.open
    assert [] == [
        message.actor for message in replay.messages((TENANT, SURVIVOR)) if message.actor is Actor.AGENT
    ]
