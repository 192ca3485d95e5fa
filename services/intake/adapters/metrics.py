"""Outcomes as Prometheus counters, every label combination there from the start at zero."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.intake.core.pull.limits import Outcome as PullOutcome
from services.intake.core.rejection import Reason
from services.intake.ports import FormOutcome, MailboxFailure, MailOutcome, Outcome
from shared.contracts.instants import SECOND_US

SERVICE = "intake"

IGNORED_REASONS_MAX: Final = 100
"""Of all sources together; what comes later counts as OTHER. The words are the adapters' own."""
OTHER: Final = "other"


class PrometheusCounters:
    """`barometer_events_total{service="intake",outcome}`, `barometer_rejected_total{reason}`, and webhooks'."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Count in `registry`."""
        events = Counter("barometer_events", "Events by outcome.", ["service", "outcome"], registry=registry)
        rejected = Counter("barometer_rejected", "Rejected events by reason.", ["reason"], registry=registry)
        self._ignored = Counter(
            "barometer_webhooks_ignored",
            "Webhooks and mails that show no ticket, by source and reason.",
            ["source", "reason"],
            registry=registry,
        )
        self._untrusted = Counter(
            "barometer_webhooks_untrusted",
            "Webhooks that nothing proves to be the vendor's, by source.",
            ["source"],
            registry=registry,
        )
        self._forms = Counter(
            "barometer_form_posts",
            "Posts to public forms, by source and outcome.",
            ["source", "outcome"],
            registry=registry,
        )
        self._pulls = Counter(
            "barometer_pull_requests",
            "Requests to vendors' APIs by source and outcome.",
            ["source", "outcome"],
            registry=registry,
        )
        self._pulled = Gauge(
            "barometer_pull_known_until_timestamp_seconds",
            "Up to when all changes at a source are known by pulling.",
            ["source"],
            registry=registry,
        )
        self._alone = Gauge(
            "barometer_pull_alone",
            "1: no webhook of the source is taken, so that pulling finds all there is, and nothing that was lost.",
            ["source"],
            registry=registry,
        )
        self._ignored_reasons: set[str] = set()
        # Children are bound once: looking one up costs four times as much as counting.
        self._outcomes = {outcome: events.labels(SERVICE, outcome.value) for outcome in Outcome}
        self._reasons = {reason: rejected.labels(reason.value) for reason in Reason}

    def count(self, outcome: Outcome, number: int = 1) -> None:
        """See `Counters.count`."""
        self._outcomes[outcome].inc(number)

    def count_rejected(self, reason: Reason) -> None:
        """See `Counters.count_rejected`."""
        self._reasons[reason].inc()

    def count_ignored(self, source: str, reason: str) -> None:
        """See `Counters.count_ignored`."""
        if reason not in self._ignored_reasons and len(self._ignored_reasons) >= IGNORED_REASONS_MAX:
            reason = OTHER
        self._ignored_reasons.add(reason)
        self._ignored.labels(source, reason).inc()

    def count_untrusted(self, source: str, number: int = 1) -> None:
        """See `Counters.count_untrusted`."""
        self._untrusted.labels(source).inc(number)

    def count_form(self, source: str, outcome: FormOutcome, number: int = 1) -> None:
        """See `Counters.count_form`."""
        self._forms.labels(source, outcome.value).inc(number)

    def count_pull(self, source: str, outcome: PullOutcome, number: int = 1) -> None:
        """See `Counters.count_pull`."""
        self._pulls.labels(source, outcome.value).inc(number)

    def show_pull(self, source: str, *, alone: bool) -> None:
        """See `Counters.show_pull`."""
        self._alone.labels(source).set(alone)

    def show_pulled(self, source: str, known_until_us: int) -> None:
        """See `Counters.show_pulled`."""
        self._pulled.labels(source).set(known_until_us / SECOND_US)


class PrometheusMailboxes:
    """`ports.MailboxCounters`: `barometer_mailbox_...` by source; nothing is there without a mailbox."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Count in `registry`."""
        self._mails = Counter(
            "barometer_mailbox_mails",
            "Mails of mailboxes that are done, by source and outcome.",
            ["source", "outcome"],
            registry=registry,
        )
        self._cut = Counter(
            "barometer_mailbox_cut_mails",
            "Mails that were read by their beginning alone, by source.",
            ["source"],
            registry=registry,
        )
        self._failures = Counter(
            "barometer_mailbox_failures",
            "Times that a mailbox could not be read or marked, by source and reason.",
            ["source", "reason"],
            registry=registry,
        )
        self._read = Gauge(
            "barometer_mailbox_read_timestamp_seconds",
            "When a mailbox was last read to its end, by source.",
            ["source"],
            registry=registry,
        )

    def show_mailbox(self, source: str) -> None:
        """See `MailboxCounters.show_mailbox`."""
        for outcome in MailOutcome:
            self._mails.labels(source, outcome.value)
        for failure in MailboxFailure:
            self._failures.labels(source, failure.value)
        self._cut.labels(source)

    def count_mail(self, source: str, outcome: MailOutcome) -> None:
        """See `MailboxCounters.count_mail`."""
        self._mails.labels(source, outcome.value).inc()

    def count_cut(self, source: str) -> None:
        """See `MailboxCounters.count_cut`."""
        self._cut.labels(source).inc()

    def count_mailbox_failure(self, source: str, failure: MailboxFailure) -> None:
        """See `MailboxCounters.count_mailbox_failure`."""
        self._failures.labels(source, failure.value).inc()

    def mailbox_read(self, source: str, at_us: int | None) -> None:
        """See `MailboxCounters.mailbox_read`."""
        if at_us is not None:
            self._read.labels(source).set(at_us / SECOND_US)
        else:
            self._read.remove_by_labels({"source": source})


def counters(registry: CollectorRegistry) -> PrometheusCounters:
    """Return counters of their own in `registry`: for a process that runs intake alone."""
    return PrometheusCounters(registry)
