"""Alerting's HTTP surface: alerts and rules for people and scripts, figures for Prometheus.

A key reads its own tenant. `/metrics` shows a reading key its tenant's series, and an admin's key those
of all tenants: one Prometheus scrapes for everybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from prometheus_client.registry import Collector
from pydantic import AfterValidator, BaseModel

from services.alerting.core.alerts import AlertRecord, Phase, Standing
from services.alerting.core.picture import exposition
from services.alerting.core.rules import Rule
from services.alerting.ports import AlertCursor, AlertFilter, AlertQueries, BacklogViews, DeliveryState
from shared.contracts.instants import SECOND_US, from_us
from shared.http.keys import Keyring, Principal, Scope
from shared.http.problems import Fault, Problem
from shared.telemetry import exposed

PAGE_MAX: Final = 500
PAGE_DEFAULT: Final = 100
GROUPS_MAX: Final = 1_000
"""Groups of one rule in an answer, the most urgent first."""
CURSOR_CHARACTERS_MAX: Final = 64
NAME_CHARACTERS_MAX: Final = 512
INT64_MAX: Final = (1 << 63) - 1
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def _storable(text: str) -> str:
    # Postgres cannot hold it, so nothing has it; asked for, it would be an error of the database.
    if "\0" in text:
        raise ValueError("a NUL character is in no name")
    return text


Name = Annotated[Annotated[str, AfterValidator(_storable)] | None, Query(max_length=NAME_CHARACTERS_MAX)]


class StateFilter(str, Enum):
    """Which alerts to list."""

    FIRING = "firing"
    RESOLVED = "resolved"
    ALL = "all"


class AlertAnswer(BaseModel):
    """An alert. Ages are seconds; `tenant` is empty for Barometer's own alerts."""

    id: str
    fingerprint: str
    tenant: str
    rule: str
    severity: str
    state: str
    labels: dict[str, str]
    measure: str
    value: float
    threshold: float
    summary: str
    since: datetime
    fired_at: datetime
    resolved_at: datetime | None
    resolve_reason: str


class AlertsAnswer(BaseModel):
    """A page of alerts, newest first. `next` is the cursor of the next page, null on the last."""

    alerts: list[AlertAnswer]
    next: str | None


class DeliveryAnswer(BaseModel):
    """What became of telling one receiver."""

    receiver: str
    tells: str
    state: DeliveryState
    attempts: int
    detail: str


class AlertDetailAnswer(AlertAnswer):
    """An alert, and who was told of it."""

    deliveries: list[DeliveryAnswer]


class GroupAnswer(BaseModel):
    """A rule on one group. `since` is when the condition began to hold; null while it does not."""

    labels: dict[str, str]
    state: str
    value: float
    since: datetime | None


class RuleAnswer(BaseModel):
    """A rule and where it stands. Ages are seconds. `groups` null: judged by another process."""

    name: str
    measure: str
    comparison: str
    threshold: float
    clear: float
    edge_seconds: int | None
    by: list[str]
    where: dict[str, list[str]]
    for_seconds: int
    severity: str
    summary: str
    groups: list[GroupAnswer] | None
    groups_omitted: int = 0


class RulesAnswer(BaseModel):
    """The rules of a tenant, judged up to `judged_at`."""

    judged_at: datetime | None
    rules: list[RuleAnswer]


@dataclass(frozen=True, slots=True)
class Surface:
    """What the routes need."""

    queries: AlertQueries
    views: BacklogViews
    rules: tuple[Rule, ...]
    keyring: Keyring
    registries: Sequence[Collector]
    """Own health of every service in this process."""
    refresh: Callable[[], None]
    """Sets what is measured only when somebody looks; called before each scrape."""


def router(surface: Surface) -> APIRouter:
    """Return the routes of alerting."""
    routes = APIRouter(tags=["alerting"])
    _add_alerts(routes, surface)
    _add_rules(routes, surface)
    _add_metrics(routes, surface)
    return routes


def _add_alerts(routes: APIRouter, surface: Surface) -> None:
    reader = Depends(surface.keyring.require(Scope.READ))

    @routes.get("/v1/alerts", summary="Alerts, newest first")
    async def alerts(
        *,
        principal: Principal = reader,
        state: StateFilter = StateFilter.ALL,
        rule: Name = None,
        tenant: Name = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
        cursor: Annotated[str | None, Query(max_length=CURSOR_CHARACTERS_MAX)] = None,
    ) -> AlertsAnswer:
        firing = None if state is StateFilter.ALL else state is StateFilter.FIRING
        wanted = AlertFilter(_tenant(surface, principal, tenant), firing, rule)
        found = await surface.queries.find(wanted, after=_cursor(cursor), limit=limit + 1)
        page = found[:limit]
        following = f"{page[-1].fired_at_us}.{page[-1].id}" if len(found) > limit else None
        return AlertsAnswer(alerts=[AlertAnswer(**_alert(one)) for one in page], next=following)

    @routes.get("/v1/alerts/{alert_id}", summary="One alert, and who was told of it")
    async def alert(
        *,
        principal: Principal = reader,
        alert_id: Annotated[str, Path(max_length=NAME_CHARACTERS_MAX)],
        tenant: Name = None,
    ) -> AlertDetailAnswer:
        asked = _tenant(surface, principal, tenant)
        found = None if "\0" in alert_id else await surface.queries.alert(asked, alert_id)
        if found is None:
            raise Problem("not-found", 404, "there is no alert with this id")
        told = [
            DeliveryAnswer(
                receiver=receiver, tells="resolved" if resolves else "firing", state=state,
                attempts=attempts, detail=detail,
            )
            for receiver, resolves, state, attempts, detail in await surface.queries.deliveries(alert_id)
        ]  # fmt: skip
        return AlertDetailAnswer(**_alert(found), deliveries=told)


def _add_rules(routes: APIRouter, surface: Surface) -> None:
    reader = Depends(surface.keyring.require(Scope.READ))

    @routes.get("/v1/rules", summary="Rules, with their present values")
    async def rules(
        *,
        principal: Principal = reader,
        tenant: Name = None,
    ) -> RulesAnswer:
        asked = _tenant(surface, principal, tenant)
        judged_us = surface.views.judged_us(asked)
        return RulesAnswer(
            judged_at=None if judged_us is None else from_us(judged_us),
            rules=_rules(surface.rules, surface.views.standings(asked)),
        )


def _add_metrics(routes: APIRouter, surface: Surface) -> None:
    one_at_a_time = asyncio.Lock()

    @routes.get("/metrics", response_class=Response, summary="Figures for Prometheus")
    async def metrics(request: Request) -> Response:
        principal = surface.keyring.authenticate(request, Scope.READ)
        everybody = not surface.keyring or principal.may(Scope.ADMIN)
        async with one_at_a_time:
            text = await render(surface.views, None if everybody else principal.tenant)
        surface.refresh()
        return Response(text.encode() + exposed(surface.registries), media_type=METRICS_TYPE)


async def render(views: BacklogViews, tenant: str | None) -> str:
    """Return the figures of the backlog as text; other work goes on between its slices."""
    pictures = views.pictures(tenant)
    pieces: list[str] = []
    for piece in exposition([picture for picture, _ in pictures], [at_us for _, at_us in pictures]):
        if piece:
            pieces.append(piece)
        else:
            await asyncio.sleep(0)
    return "".join(pieces)


def _tenant(surface: Surface, principal: Principal, asked: str | None) -> str:
    if asked is None or asked == principal.tenant:
        return principal.tenant
    if surface.keyring:
        raise Problem("forbidden", 403, "this key reads its own tenant only")
    return asked


def _cursor(text: str | None) -> AlertCursor | None:
    if text is None:
        return None
    at, _, alert_id = text.partition(".")
    at_us = int(at) if at.isdecimal() else -1
    if not 0 <= at_us <= INT64_MAX or not alert_id or "\0" in alert_id:
        raise Problem("invalid-request", 422, faults=[Fault("this is no cursor", parameter="cursor")])
    return AlertCursor(at_us, alert_id)


def _alert(alert: AlertRecord) -> dict[str, Any]:
    return {
        "id": alert.id,
        "fingerprint": alert.fingerprint,
        "tenant": alert.tenant,
        "rule": alert.rule,
        "severity": alert.severity,
        "state": "firing" if alert.firing else "resolved",
        "labels": dict(alert.labels),
        "measure": alert.measure,
        "value": alert.value,
        "threshold": alert.threshold,
        "summary": alert.summary,
        "since": from_us(alert.since_us),
        "fired_at": from_us(alert.fired_at_us),
        "resolved_at": None if alert.resolved_at_us is None else from_us(alert.resolved_at_us),
        "resolve_reason": alert.reason,
    }


def _rules(rules: tuple[Rule, ...], standings: Sequence[Standing] | None) -> list[RuleAnswer]:
    by_rule: dict[str, list[Standing]] = {}
    for each in standings or ():
        by_rule.setdefault(each.rule.name, []).append(each)
    return [_rule(rule, None if standings is None else by_rule.get(rule.name, [])) for rule in rules]


_URGENCY: Final = {Phase.FIRING: 0, Phase.PENDING: 1, Phase.QUIET: 2}


def _rule(rule: Rule, standings: list[Standing] | None) -> RuleAnswer:
    groups: list[GroupAnswer] | None = None
    if standings is not None:
        direction = -1 if rule.is_above else 1
        standings.sort(key=lambda each: (_URGENCY[each.phase], direction * each.value, each.labels))
        groups = [_group(each) for each in standings[:GROUPS_MAX]]
    return RuleAnswer(
        name=rule.name,
        measure=rule.measure.value,
        comparison=rule.comparison.value,
        threshold=rule.shown(rule.threshold),
        clear=rule.shown(rule.clear_at),
        edge_seconds=rule.edge_seconds or None,
        by=list(rule.by),
        where={name: list(values) for name, values in rule.where},
        for_seconds=rule.for_us // SECOND_US,
        severity=rule.severity,
        summary=rule.summary,
        groups=groups,
        groups_omitted=max(0, len(standings or ()) - GROUPS_MAX),
    )


def _group(standing: Standing) -> GroupAnswer:
    return GroupAnswer(
        labels=dict(standing.labels),
        state=standing.phase.value,
        value=standing.value,
        since=None if standing.since_us is None else from_us(standing.since_us),
    )
