"""The backlog as Prometheus sees it: series kept as text, of which only the changed are written anew.

A scrape of 24,000 series costs prometheus-client 232 ms, most of it for series that did not change.
Here each group of cells has its lines ready; a changed cell marks its groups, and a scrape writes those
again, in slices, so that it never keeps the process from other work. Only ages change by themselves:
the combined age is computed at the scrape, at the clock the figures are true for.

Figures show the newest cells, not those at the lowest clock as rules do: a partition that stands still
must not blind the dashboards to the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from services.alerting.core.promises import FAMILIES as PROMISES
from services.alerting.core.promises import Family, FlowKey, Group, Promises, Texts
from services.alerting.core.sums import OTHER, Book, Totals, View, ViewKey
from shared.contracts.backlog import Cell, Flow
from shared.contracts.durations import bucket_labels, duration_text
from shared.contracts.instants import SECOND_US

QUEUES_MAX: Final = 100
"""Queues of one tenant that are told apart in metrics; further ones are counted under `other`."""
RENDERED_PER_SLICE: Final = 200
"""Groups written between two pauses: 1 ms, or 5 ms where each has the histograms of its promises."""


TICKETS: Final = Family("backlog_tickets", "gauge", "Open tickets, by age bucket.")
OLDEST: Final = Family(
    "backlog_oldest_ticket_created_timestamp_seconds", "gauge", "When the oldest open ticket was created."
)
COMBINED_AGE: Final = Family(
    "backlog_combined_ticket_age_seconds", "gauge", "Sum of the ages of all open tickets."
)
OLDER_THAN: Final = Family("backlog_tickets_older_than", "gauge", "Open tickets that are at least this old.")
PAST_SLA: Final = Family("backlog_past_sla_tickets", "gauge", "Open tickets with a broken promise.")
AT_RISK: Final = Family("backlog_at_risk_tickets", "gauge", "Open tickets with a promise about to be broken.")
OPENED: Final = Family("backlog_tickets_opened_total", "counter", "Tickets that were opened.")
REOPENED: Final = Family("backlog_tickets_reopened_total", "counter", "Tickets that were opened again.")
CLOSED: Final = Family(
    "backlog_tickets_closed_total", "counter", "Tickets that left the backlog, by outcome."
)
CORRECTIONS: Final = Family(
    "backlog_flow_corrections_total",
    "counter",
    "Tickets put back into or taken out of the backlog by a withdrawal.",
)
IDENTITY: Final = Family(
    "barometer_flow_identity_error", "gauge", "Open tickets that the flows do not explain; 0 is right."
)
FAMILIES: Final = (
    TICKETS, OLDEST, COMBINED_AGE, OLDER_THAN, PAST_SLA, AT_RISK, OPENED, REOPENED, CLOSED, CORRECTIONS,
    *PROMISES, IDENTITY,
)  # fmt: skip

_OUTCOMES: Final = ("solved", "closed", "merged", "void")
_FLOW_MEMBERS: Final = (
    "opened", "reopened", *_OUTCOMES, "corrected_in", "corrected_out", "imported_in", "imported_out",
)  # fmt: skip
_SIGNS: Final = (1, 1, -1, -1, -1, -1, 1, -1, 1, -1)
"""How each flow moves the stock (shared/contracts/backlog.py, Flow)."""


def label_text(**labels: str) -> str:
    """Return labels as the exposition format writes them."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Bounded:
    """The first `most` values keep their names."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """Return `value`, or `other` once there are too many."""
        if value in self._seen:
            return value
        if len(self._seen) >= self._most:
            return OTHER
        self._seen.add(value)
        return value


class TenantPicture:
    """The series of one tenant."""

    def __init__(self, tenant: str, buckets_seconds: Sequence[int], *, queues_max: int = QUEUES_MAX) -> None:
        self._tenant = tenant
        self._buckets = tuple(buckets_seconds)
        self._bucket_labels = bucket_labels(buckets_seconds)
        self._queue = Bounded(queues_max)
        shown_as = {"queue": self._queue}
        self._stock = View(ViewKey(by=("queue", "priority", "channel", "status")), shown_as=shown_as)
        self._urgency = View(ViewKey(by=("queue", "priority")), shown_as=shown_as)
        self._all = View(ViewKey())
        self._book = Book((self._stock, self._urgency, self._all))
        self._flows: dict[FlowKey, tuple[tuple[int, int], tuple[int, ...]]] = {}
        self._flow_sums: dict[Group, list[int]] = {}
        self._changed: dict[int, Totals] = {}
        self._flows_changed: set[Group] = set()
        self.texts: Texts = {family.name: {} for family in FAMILIES}
        self._promises = Promises(self.texts)

    def cut(self, buckets_seconds: Sequence[int]) -> None:
        """Cut ages into these buckets from now on."""
        self._buckets = tuple(buckets_seconds)
        self._bucket_labels = bucket_labels(buckets_seconds)
        self._changed.update((id(totals), totals) for totals in self._stock.groups.values())

    def apply(self, cell: Cell) -> None:
        """Take a cell; one that is not newer is ignored."""
        slot = self._book.slot(cell)
        if slot.heard(cell):
            for totals in self._book.write(slot, cell, 0):
                self._changed[id(totals)] = totals

    def apply_flow(self, flow: Flow) -> None:
        """Take a flow; one that is not newer is ignored. Counters never go back."""
        key = (flow.partition, flow.source, flow.queue, flow.priority, flow.channel)
        order = (flow.epoch, flow.version)
        known, before = self._flows.get(key, ((-1, -1), (0,) * len(_FLOW_MEMBERS)))
        if order <= known:
            return
        now: tuple[int, ...] = tuple([getattr(flow, member) for member in _FLOW_MEMBERS])
        self._flows[key] = (order, now)
        group = (self._queue(flow.queue), flow.priority, flow.channel)
        sums = self._flow_sums.setdefault(group, [0] * len(_FLOW_MEMBERS))
        for place, (new, old) in enumerate(zip(now, before, strict=True)):
            sums[place] += max(0, new - old)
        self._promises.apply(key, group, flow.clocks)
        self._flows_changed.add(group)

    def open(self) -> int:
        """Return the number of open tickets."""
        return self._all.group(()).open

    def identity_error(self) -> int:
        """Return open tickets minus what the flows say is open."""
        explained = 0
        for sums in self._flow_sums.values():
            explained += sum(sign * count for sign, count in zip(_SIGNS, sums, strict=True))
        return self.open() - explained

    def refresh(self, now_us: int) -> Iterator[None]:
        """Write the changed series anew; yields now and then, so that the caller can pause."""
        done = 0
        while self._changed or self._flows_changed:
            if self._changed:
                self._write(self._changed.popitem()[1])
            else:
                self._write_flows(self._flows_changed.pop())
            done += 1
            if done % RENDERED_PER_SLICE == 0:
                yield
        yield from self._write_ages(now_us)
        line = f"{IDENTITY.name}{{{label_text(tenant=self._tenant)}}} {self.identity_error()}\n"
        self.texts[IDENTITY.name][""] = line

    def _write(self, totals: Totals) -> None:
        places = len(totals.values)
        if places == len(self._stock.key.by):
            self._write_stock(totals)
        elif places == len(self._urgency.key.by):
            self._write_urgency(totals)

    def _write_stock(self, totals: Totals) -> None:
        names = zip(self._stock.key.by, totals.values, strict=True)
        labels = label_text(tenant=self._tenant, **dict(names))
        at_least = [totals.open, *(totals.older.get(edge, 0) for edge in self._buckets), 0]
        self.texts[TICKETS.name][totals] = "".join(
            f'{TICKETS.name}{{{labels},age_bucket="{label}"}} {at_least[place] - at_least[place + 1]}\n'
            for place, label in enumerate(self._bucket_labels)
        )

    def _write_urgency(self, totals: Totals) -> None:
        labels = self._urgency_labels(totals)
        self.texts[OLDER_THAN.name][totals] = "".join(
            f'{OLDER_THAN.name}{{{labels},age="{duration_text(edge)}"}} {count}\n'
            for edge, count in sorted(totals.older.items())
        )
        self.texts[PAST_SLA.name][totals] = f"{PAST_SLA.name}{{{labels}}} {totals.past_sla}\n"
        self.texts[AT_RISK.name][totals] = f"{AT_RISK.name}{{{labels}}} {totals.at_risk}\n"
        created_us = totals.created_min_us()
        # No ticket, no sample: an instant of 0 would be a ticket of 1970.
        self.texts[OLDEST.name][totals] = (
            "" if created_us is None else f"{OLDEST.name}{{{labels}}} {created_us / SECOND_US}\n"
        )

    def _write_ages(self, now_us: int) -> Iterator[None]:
        texts = self.texts[COMBINED_AGE.name]
        for done, totals in enumerate(tuple(self._urgency.groups.values()), start=1):
            age_us = max(0, totals.open * now_us - totals.created_sum_us)
            texts[totals] = f"{COMBINED_AGE.name}{{{self._urgency_labels(totals)}}} {age_us / SECOND_US}\n"
            if done % RENDERED_PER_SLICE == 0:
                yield

    def _urgency_labels(self, totals: Totals) -> str:
        queue, priority = totals.values
        return label_text(tenant=self._tenant, queue=queue, priority=priority)

    def _write_flows(self, group: Group) -> None:
        queue, priority, channel = group
        labels = label_text(tenant=self._tenant, queue=queue, priority=priority, channel=channel)
        counts = dict(zip(_FLOW_MEMBERS, self._flow_sums[group], strict=True))
        self.texts[OPENED.name][group] = f"{OPENED.name}{{{labels}}} {counts['opened']}\n"
        self.texts[REOPENED.name][group] = f"{REOPENED.name}{{{labels}}} {counts['reopened']}\n"
        self.texts[CLOSED.name][group] = "".join(
            f'{CLOSED.name}{{{labels},outcome="{outcome}"}} {counts[outcome]}\n' for outcome in _OUTCOMES
        )
        self.texts[CORRECTIONS.name][group] = "".join(
            f'{CORRECTIONS.name}{{{labels},direction="{way}"}} {counts[f"corrected_{way}"]}\n'
            for way in ("in", "out")
        )
        self._promises.write(group, labels)


def exposition(pictures: Sequence[TenantPicture], now_us: Sequence[int]) -> Iterator[str]:
    """Yield the text of all families, `now_us` being the clock of each picture; "" is a pause.

    A family's samples stand together, as the format demands, whatever number of pictures there is.
    """
    for picture, at_us in zip(pictures, now_us, strict=True):
        for _ in picture.refresh(at_us):
            yield ""
    for family in FAMILIES:
        yield family.header
        for picture in pictures:
            yield "".join(picture.texts[family.name].values())
