"""The made-up help desk shows what it promises: a rule fires within a minute, and is over again."""

from __future__ import annotations

from pathlib import Path
from random import Random

import barometer
from barometer.backtest.command import terms_for
from barometer.backtest.known import Noted, Replay
from barometer.backtest.report import alerts_shown
from barometer.demo import OLD_TICKETS, Desk, Shown
from services.aging.core.mark import mark_of, order_of
from services.alerting.settings import rules_of
from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.settings import definitions_of
from shared.configuration.loader import load
from shared.contracts.instants import LATEST, SECOND_US, from_us, rfc3339
from shared.contracts.tickets import Observation

BEGIN_US = 1_750_000_000 * SECOND_US
STEP_US = SECOND_US // 4
CONFIGURATION = load(Path(barometer.__file__).with_name("demo.yaml"))


def shown(seconds: int, seed: int = 1) -> list[Shown]:
    desk = Desk(Random(seed), BEGIN_US)
    return [one for step in range(seconds * 4) for one in desk.step(BEGIN_US + step * STEP_US)]


def observations(said: list[Shown]) -> list[Observation]:
    normalisers = {each.name: Normaliser(each) for each in definitions_of(CONFIGURATION, {})}
    found = []
    for number, one in enumerate(said):
        arrival = Arrival(from_us(BEGIN_US), LATEST)
        outcome = normalisers[one.source].fields(
            one.members, Defaults(f"e{number}", sequence=number), arrival
        )
        assert isinstance(outcome, Normalised), outcome
        assert () == outcome.unmapped
        found.append(outcome.observation)
    return found


def test_everything_the_desk_says_is_understood() -> None:
    assert len(observations(shown(120))) > 2 * OLD_TICKETS


def test_the_same_seed_shows_the_same_desk() -> None:
    assert shown(30) == shown(30)
    assert shown(30) != shown(30, seed=2)


def test_a_flood_fires_a_rule_within_a_minute_and_is_worked_off() -> None:
    marks = [(one, mark_of(one)) for one in observations(shown(180))]
    notes = sorted(Noted(order_of(mark), (one.tenant, one.ticket), mark) for one, mark in marks)
    replay = Replay("default", terms_for(CONFIGURATION), rules_of(CONFIGURATION))
    replay.run(notes, (), until_us=BEGIN_US + 180 * SECOND_US)
    floods = [one for one in alerts_shown(replay.changes) if one.rule == "queue flooded"]
    assert 1 == len(floods)
    assert {"queue": "billing"} == floods[0].labels
    assert rfc3339(BEGIN_US) < floods[0].fired_at < rfc3339(BEGIN_US + 60 * SECOND_US)
    assert floods[0].resolved_at is not None


def test_the_population_has_tickets_in_every_bucket() -> None:
    ages = [BEGIN_US - int(one.members["time"].timestamp()) * SECOND_US for one in shown(1)]
    hours = [age // (3_600 * SECOND_US) for age in ages]
    assert (True, True) == (min(hours) < 24, max(hours) > 72)
