"""What `barometer reconcile` found and did, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from barometer.exits import complain
from barometer.log import LogStatistics
from barometer.verdict import Verdict
from shared.contracts.instants import rfc3339, to_us

SHOWN_MAX: Final = 10
"""Tickets named for each verdict; all are counted."""

_TOLD: Final = {
    Verdict.UNKNOWN: "in the list and unknown here",
    Verdict.ENDED: "in the list and ended here",
    Verdict.GHOST: "open here and not in the list",
    Verdict.DENIED: "in the list and void, deleted or merged here: left alone, see `barometer ticket revive`",
    Verdict.MOVED: "moved since the list was taken: left alone",
}


@dataclass(slots=True)
class Report:
    """What was found and done."""

    tenant: str
    source: str
    as_of: datetime
    statistics: LogStatistics
    dry_run: bool
    not_open: int = 0
    """Rows whose status is an end."""
    sent: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    first: dict[Verdict, list[str]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every row could be read: only then a ticket that was not found is not in the list."""
        return not self.statistics.rejected

    @property
    def compared(self) -> int:
        """The number of tickets looked at."""
        return self.verdicts.total()

    def count(self, verdict: Verdict, ticket: str) -> None:
        """Count a ticket, and keep its key if it is among the first."""
        self.verdicts[verdict] += 1
        first = self.first.setdefault(verdict, [])
        if len(first) < SHOWN_MAX:
            first.append(ticket)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON."""
        statistics = self.statistics
        return {
            "tenant": self.tenant,
            "source": self.source,
            "as_of": rfc3339(to_us(self.as_of)),
            "dry_run": self.dry_run,
            "rows": statistics.rows,
            "not_open": self.not_open,
            "tickets": {verdict.value: self.verdicts[verdict] for verdict in Verdict},
            "first": {verdict.value: self.first.get(verdict, []) for verdict in _TOLD},
            "ghosts_left": 0 if self.is_whole else self.verdicts[Verdict.GHOST],
            "sent": self.sent,
            "rejected": dict(statistics.rejected),
            "rejections": [one._asdict() for one in statistics.rejections],
            "unmapped": [
                {"field": member, "word": word, "rows": rows}
                for (member, word), rows in statistics.unmapped.most_common()
            ],
        }


def tell(report: Report) -> None:
    """Print the report; what needs mending goes to standard error."""
    statistics = report.statistics
    for one in statistics.rejections:
        complain(f"line {one.line}: {one.reason}: {one.detail}")
    for (member, word), rows in statistics.unmapped.most_common():
        complain(f"{member} `{word}` is in no map and has no default: not shown ({rows} rows)")
    if not report.is_whole:
        complain(
            f"{statistics.rejected.total()} rows could not be used, so nobody knows who is not in the list: "
            "no ticket was ended; mend the rows and run it again"
        )
    for verdict, words in _TOLD.items():
        if count := report.verdicts[verdict]:
            keys = ", ".join(report.first[verdict])
            print(f"{count} {words}: {keys}{', ...' if count > SHOWN_MAX else ''}")
    done = "nothing sent: a dry run" if report.dry_run else f"{report.sent} observations sent"
    print(
        f"{statistics.rows} rows of {report.source} as of {rfc3339(to_us(report.as_of))}, "
        f"{report.verdicts[Verdict.AGREED]} agreed; {done}"
    )
