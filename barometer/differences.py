"""What differs between two published configurations: by section, by calendar and policy, and in which version.

A list of changed leaves would be true and useless: a policy that was put in front moves all others, and a
year's holidays are four hundred dates. So calendars are compared version by version and policies by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from shared.contracts.durations import duration_text

Document = Mapping[str, Any]

SHOWN_DATES_MAX: Final = 5
"""Of the holidays that come and go; the rest is counted."""

NOTHING: Final = "(nothing)"


class Change(NamedTuple):
    """One thing that differs. `None` before or after: it is not there."""

    section: str
    subject: str
    """Such as `policy chat`; empty for sections without parts."""
    since: str | None
    """The version of the calendar or the policies it stands in; None: the first."""
    path: str
    """Within the subject, such as `clocks.resolution.targets.p1`; empty: all of it."""
    before: Any
    after: Any

    def __str__(self) -> str:
        where = f"{self.subject} from {self.since}" if self.since else self.subject
        if not self.path:
            return f"{where}: {'added' if self.before is None else 'removed'}"
        if self.path == "holidays":
            return f"{where}: holidays: {_dates(self.before or (), self.after or ())}"
        moved = f"{_shown(self.path, self.before)} -> {_shown(self.path, self.after)}"
        return f"{where}: {self.path}: {moved}" if where else f"{self.section}.{self.path}: {moved}"


def differences(old: Document, new: Document) -> list[Change]:
    """Return all that differs, in the order of sections and of what they hold."""
    found: list[Change] = []
    for section in sorted({*old, *new}):
        compare = _COMPARISONS.get(section, _leaves)
        found += compare(section, old.get(section, {}), new.get(section, {}))
    return found


def _leaves(section: str, old: Any, new: Any) -> Iterator[Change]:
    yield from _members(section, "", None, old, new)


def _members(section: str, subject: str, since: str | None, old: Any, new: Any) -> Iterator[Change]:
    was, now = dict(_flat((), old)), dict(_flat((), new))
    for path in sorted({*was, *now}):
        before, after = was.get(path), now.get(path)
        if before != after:
            yield Change(section, subject, since, ".".join(path), before, after)


def _flat(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat((*path, name), inner)
    else:
        yield path, value


def _calendars(section: str, old: Any, new: Any) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        subject = f"calendar {name}"
        if name not in old or name not in new:
            yield Change(section, subject, None, "", old.get(name), new.get(name))
            continue
        was, now = _by_instant(old[name]), _by_instant(new[name])
        for since in _in_order(was, now):
            if since in was and since in now:
                yield from _members(section, subject, since, was[since], now[since])
            else:
                yield Change(section, subject, since, "", was.get(since), now.get(since))


def _sla(section: str, old: Any, new: Any) -> Iterator[Change]:
    was, now = _by_instant(old.get("versions", ())), _by_instant(new.get("versions", ()))
    for since in _in_order(was, now):
        if since is not None and (since not in was or since not in now):
            yield Change(section, "policies", since, "", was.get(since), now.get(since))
        else:
            yield from _policies(section, since, was.get(since, {}), now.get(since, {}))
    yield from _members(section, "", None, *({"attention": one.get("attention", {})} for one in (old, new)))


def _policies(section: str, since: str | None, old: Document, new: Document) -> Iterator[Change]:
    if since is not None:
        yield from _members(section, "policies", since, {"apply": old["apply"]}, {"apply": new["apply"]})
    was = {one["name"]: one for one in old.get("policies", ())}
    now = {one["name"]: one for one in new.get("policies", ())}
    for name in [*now, *(name for name in was if name not in now)]:
        subject = f"policy {name}"
        if name in was and name in now:
            yield from _members(section, subject, since, was[name], now[name])
        else:
            yield Change(section, subject, since, "", was.get(name), now.get(name))
    kept = [[name for name in one if name in was and name in now] for one in (was, now)]
    if kept[0] != kept[1]:
        yield Change(section, "policies", since, "order", *kept)


_COMPARISONS: Final[Mapping[str, Callable[[str, Any, Any], Iterator[Change]]]] = {
    "calendars": _calendars,
    "sla": _sla,
}


def _by_instant(versions: Sequence[Document]) -> dict[str | None, Document]:
    return {one["effective_from"]: one for one in versions}


def _in_order(was: Mapping[str | None, Any], now: Mapping[str | None, Any]) -> list[str | None]:
    """Return the instants of both, the first version first. RFC 3339 in UTC sorts as text."""
    return sorted({*was, *now}, key=lambda since: since or "")


def _dates(before: Sequence[str], after: Sequence[str]) -> str:
    signed = [f"+{day}" for day in sorted(set(after) - set(before))]
    signed += [f"-{day}" for day in sorted(set(before) - set(after))]
    rest = len(signed) - SHOWN_DATES_MAX
    return " ".join(signed[:SHOWN_DATES_MAX]) + (f" and {rest} more" if rest > 0 else "")


_SPANS: Final = frozenset(
    {"reopen_window", "min_notice", "max_pause", "stuck_after", "stale_after", "close_after"}
)


def _shown(path: str, value: Any) -> str:
    if value is None:
        return NOTHING
    *holders, name = path.split(".")
    if name in _SPANS or "targets" in holders:
        return duration_text(value)
    if name == "warn":
        return f"[{', '.join(map(_stage, value))}]"
    return str(value)


def _stage(stage: Document) -> str:
    return f"{stage['share'] * 100:g}%" if "share" in stage else f"{duration_text(stage['left'])} left"
