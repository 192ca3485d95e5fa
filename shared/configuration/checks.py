"""What one section says about another, and what no single value shows: references, order, sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from shared.configuration.calendar_checks import calendars
from shared.configuration.document import Path
from shared.configuration.facts import DOCUMENT_BYTES_MAX, canonical, facts_document
from shared.configuration.forms import FormEmail
from shared.configuration.models import (
    AGE_MEASURES,
    SIDE_DIMENSIONS,
    STATUS_MEASURES,
    ApiKey,
    Configuration,
    Dimension,
    Measure,
    Rule,
    Severity,
    Source,
    SourceKey,
    Tenant,
)
from shared.configuration.policy_checks import policies
from shared.configuration.problems import did_you_mean
from shared.configuration.pull_checks import pulls
from shared.configuration.validation import Finding
from shared.configuration.webhooks import SourceKind
from shared.contracts.durations import duration_text
from shared.contracts.personal_data import Handling
from shared.contracts.tickets import OPEN_STATUSES, Channel, Kind, Priority, WaitReason


def _repeats(names: Iterable[tuple[Path, object]], what: str) -> Iterator[Finding]:
    seen: set[object] = set()
    for path, name in names:
        if name in seen:
            shown = "/".join(name) if isinstance(name, tuple) else name
            yield Finding(path, f"{what} `{shown}` is there twice", "rename or remove one of them")
        seen.add(name)


def _tenants(configuration: Configuration) -> Iterator[Finding]:
    yield from _repeats(
        ((("tenants", index, "name"), one.name) for index, one in enumerate(configuration.tenants)), "tenant"
    )


def _sources(configuration: Configuration) -> Iterator[Finding]:
    tenants = [tenant.name for tenant in configuration.tenants]
    yield from _repeats(
        (
            (("sources", index, "name"), (one.tenant, one.name))
            for index, one in enumerate(configuration.sources)
        ),
        "source",
    )
    for index, one in enumerate(configuration.sources):
        if one.tenant not in tenants:
            what = f"source `{one.name}` belongs to tenant `{one.tenant}`, which is not configured"
            yield Finding(("sources", index, "tenant"), what, did_you_mean(one.tenant, tenants))


def _webhooks(configuration: Configuration) -> Iterator[Finding]:
    called = [(index, one) for index, one in enumerate(configuration.sources) if one.webhook is not None]
    yield from _repeats(
        ((("sources", index, "name"), one.name) for index, one in called), "the address /v1/webhooks/NAME of"
    )
    for index, one in enumerate(configuration.sources):
        path = ("sources", index)
        if one.kind is SourceKind.GENERIC and one.webhook is not None:
            what = f"source `{one.name}`: `webhook` belongs to a vendor's kind"
            yield Finding((*path, "webhook"), what, "add `kind:`; plain tickets come by POST /v1/events")
        if one.kind is not SourceKind.GENERIC and one.webhook is None and one.pull is None:
            what = f"nothing proves that a request for `{one.name}` comes from {one.kind.value}"
            mend = "add `webhook: {secret: {env: NAME}}`, or say aloud `webhook: {unsigned: true}`"
            yield Finding((*path, "kind"), what, mend)


def _forms(configuration: Configuration) -> Iterator[Finding]:
    """A form is for everybody, so nothing else on its port may be."""
    shown = [(index, one) for index, one in enumerate(configuration.sources) if one.form is not None]
    yield from _repeats(
        ((("sources", index, "name"), one.name) for index, one in shown), "the address /v1/forms/NAME of"
    )
    for index, one in shown:
        assert one.form is not None, "chosen above"
        path = ("sources", index, "form")
        if one.kind is not SourceKind.GENERIC:
            what = f"source `{one.name}` is {one.kind.value}'s, and a form's tickets are not there"
            yield Finding(path, what, "give the form a source of its own, without `kind`")
        if not configuration.has_keys:
            what = f"whoever reaches the form of `{one.name}` could read and publish everything: there are no keys"
            yield Finding(path, what, "add a key under `tenants[].keys` (`barometer key new` makes one)")
        kept = configuration.personal_data.of(one.personal_data)
        is_asked = one.form.email is not FormEmail.HIDDEN
        if kept.subject is not Handling.PLAIN or (is_asked and kept.requester is not Handling.PLAIN):
            what = f"the form of `{one.name}` asks people for what `personal_data` does not keep"
            mend = (
                "give the source `personal_data: {requester: plain, subject: plain}`, or set `email: hidden`"
            )
            yield Finding(path, what, mend)


def _mailboxes(configuration: Configuration) -> Iterator[Finding]:
    """A mail that comes by SMTP belongs to the source whose mailbox it is for."""
    yield from _repeats(
        (
            (("sources", index, "email", "addresses", at), address)
            for index, one in enumerate(configuration.sources)
            for at, address in enumerate(one.email.addresses)
        ),
        "the mailbox",
    )
    yield from _repeats(
        (
            (("sources", index, "name"), one.name)
            for index, one in enumerate(configuration.sources)
            if one.email.webhook is not None
        ),
        "the address /v1/emails/NAME of",
    )
    yield from _repeats(_folders(configuration), "the folder")


def _folders(configuration: Configuration) -> Iterator[tuple[Path, object]]:
    """Two sources that read one folder would each make a ticket of a mail, or move it from under the other."""
    for index, one in enumerate(configuration.sources):
        imap = one.email.imap
        for at, folder in enumerate(imap.folders if imap is not None else ()):
            assert imap is not None, "else there are no folders"
            account = (imap.user, f"{imap.host}:{imap.port_or_usual}", folder)
            yield ("sources", index, "email", "imap", "folders", at), account


def _personal_data(configuration: Configuration) -> Iterator[Finding]:
    """Who hashes needs a key, and finds out here rather than with the first ticket."""
    kept = configuration.personal_data
    if kept.key is not None:
        return
    mend = "add `key: {env: NAME}` or `key: {file: PATH}` to the section `personal_data`"
    if kept.hashes:
        yield Finding(("personal_data",), "nothing is there to hash with", mend)
    for index, one in enumerate(configuration.sources):
        if kept.of(one.personal_data).hashes and not kept.hashes:
            what = f"source `{one.name}`: nothing is there to hash with"
            yield Finding(("sources", index, "personal_data"), what, mend)


def _holders(configuration: Configuration) -> Iterator[tuple[str, int, Tenant | Source]]:
    yield from (("tenants", index, tenant) for index, tenant in enumerate(configuration.tenants))
    yield from (("sources", index, source) for index, source in enumerate(configuration.sources))


def _keys(configuration: Configuration) -> Iterator[Finding]:
    placed: list[tuple[Path, str]] = []
    for section, index, holder in _holders(configuration):
        path = (section, index, "keys")
        keys: Sequence[ApiKey | SourceKey] = holder.keys
        placed += [((*path, at, "sha256"), key.sha256) for at, key in enumerate(keys)]
        names = (((*path, at, "name"), key.name) for at, key in enumerate(keys))
        yield from _repeats(names, f"in {section[:-1]} `{holder.name}`, the key")
    yield from _repeats(placed, "the key with sha256")


def _age(configuration: Configuration) -> Iterator[Finding]:
    edges = configuration.age.edges_seconds
    for index, bucket in enumerate(configuration.age.buckets_seconds):
        if bucket not in edges:
            shown = ", ".join(map(duration_text, edges))
            what = f"the bucket {duration_text(bucket)} is none of the age edges ({shown})"
            yield Finding(
                ("age", "buckets", index), what, "add it to `edges`, or set `buckets` to some of them"
            )


def _rules(configuration: Configuration) -> Iterator[Finding]:
    yield from _repeats(
        ((("rules", index, "name"), one.name) for index, one in enumerate(configuration.rules)), "rule"
    )
    for index, rule in enumerate(configuration.rules):
        path = ("rules", index)
        yield from _edge(path, rule, configuration.age.edges_seconds)
        yield from _sides(path, rule)
        yield from _dimensions(path, rule)
        for dimension, values in rule.where.items():
            yield from _values((*path, "where", dimension.value), dimension, values)


def _edge(path: Path, rule: Rule, edges: Sequence[int]) -> Iterator[Finding]:
    shown = ", ".join(map(duration_text, edges))
    if rule.measure is not Measure.OLDER_THAN:
        if rule.edge_seconds is not None:
            what = f"rule `{rule.name}`: `edge` belongs to older_than"
            yield Finding((*path, "edge"), what, "take it out, or set `measure: older_than`")
    elif rule.edge_seconds is None:
        what = f"rule `{rule.name}`: older than what?"
        yield Finding((*path, "measure"), what, f"add `edge:`, one of {shown}")
    elif rule.edge_seconds not in edges:
        what = f"rule `{rule.name}`: {duration_text(rule.edge_seconds)} is none of the age edges ({shown})"
        yield Finding((*path, "edge"), what, "add it to `age.edges`, or use one of them")


def _sides(path: Path, rule: Rule) -> Iterator[Finding]:
    for key, number in (("above", rule.above), ("below", rule.below), ("clear", rule.clear)):
        if number is not None and rule.measure not in AGE_MEASURES and number != int(number):
            what = f"rule `{rule.name}`: {number} tickets cannot be counted"
            yield Finding((*path, key), what, "write a whole number")
    if rule.clear is None:
        return
    if rule.above is not None and rule.clear > rule.above:
        what = f"rule `{rule.name}`: `clear` lies above `above`, so it would clear while it fires"
        yield Finding((*path, "clear"), what, "write at most the number of `above`")
    if rule.below is not None and rule.clear < rule.below:
        what = f"rule `{rule.name}`: `clear` lies below `below`, so it would clear while it fires"
        yield Finding((*path, "clear"), what, "write at least the number of `below`")


def _dimensions(path: Path, rule: Rule) -> Iterator[Finding]:
    yield from _repeats(
        (((*path, "by", at), one.value) for at, one in enumerate(rule.by)), f"rule `{rule.name}`: dimension"
    )
    used = {*rule.by, *rule.where}
    if side := sorted(one.value for one in used & SIDE_DIMENSIONS):
        others = sorted(one.value for one in used - SIDE_DIMENSIONS - {Dimension.QUEUE})
        others += [rule.measure.value] if rule.measure in STATUS_MEASURES else []
        if others or len(side) > 1:
            mixed = ", ".join([*side, *others])
            what = f"rule `{rule.name}`: {mixed} are not counted together"
            yield Finding(path, what, "category and assignee each go with queue only, and without a status")


_CHOICES: Final[dict[Dimension, tuple[str, ...]]] = {
    Dimension.PRIORITY: tuple(one.value for one in Priority),
    Dimension.CHANNEL: tuple(one.value for one in Channel),
    Dimension.KIND: tuple(one.value for one in Kind),
    Dimension.STATUS: tuple(sorted(one.value for one in OPEN_STATUSES)),
    Dimension.WAIT_REASON: tuple(one.value for one in WaitReason),
}


def _values(path: Path, dimension: Dimension, values: Sequence[str]) -> Iterator[Finding]:
    choices = _CHOICES.get(dimension)
    for value in values:
        if choices and value not in choices:
            yield Finding(path, f"`{value}` is no {dimension.value}", did_you_mean(value, choices))


_ROUTE_WORDS: Final = ("severity", "rule")


def _routes(configuration: Configuration) -> Iterator[Finding]:
    receivers = [receiver.name for receiver in configuration.receivers]
    yield from _repeats(
        ((("receivers", index, "name"), name) for index, name in enumerate(receivers)), "receiver"
    )
    for index, route in enumerate(configuration.routes):
        path = ("routes", index)
        if route.receiver not in receivers:
            what = f"the receiver `{route.receiver}` is not configured"
            mend = did_you_mean(route.receiver, receivers) if receivers else "add it to `receivers`"
            yield Finding((*path, "receiver"), what, mend)
        for label, value in route.match.items():
            yield from _matched(configuration, (*path, "match", label), label, value)


def _matched(configuration: Configuration, path: Path, label: str, value: str) -> Iterator[Finding]:
    labels = (*_ROUTE_WORDS, *(one.value for one in Dimension))
    if label not in labels:
        yield Finding(path, f"alerts have no label `{label}`", did_you_mean(label, labels))
    elif label == "severity" and value not in (choices := [one.value for one in Severity]):
        yield Finding(path, f"`{value}` is no severity", did_you_mean(value, choices))
    elif label == "rule" and value not in (rules := [rule.name for rule in configuration.rules]):
        mend = did_you_mean(value, rules) if rules else "add it to `rules`"
        yield Finding(path, f"the rule `{value}` is not configured", mend)
    elif label in {one.value for one in _CHOICES}:
        yield from _values(path, Dimension(label), [value])


def _size(configuration: Configuration) -> Iterator[Finding]:
    if next(policies(configuration), None) is not None:
        return  # told by `policies`, and without a calendar nobody knows how long its days are
    size = len(canonical(facts_document(configuration)))
    if size > DOCUMENT_BYTES_MAX:
        what = f"calendars, policies, age and sources come to {size} bytes, more than {DOCUMENT_BYTES_MAX}"
        yield Finding(
            (), what, "take out old versions of calendars and policies that count for no open ticket"
        )


CHECKS: Final[tuple[Callable[[Configuration], Iterable[Finding]], ...]] = (
    _tenants,
    _sources,
    _webhooks,
    _forms,
    pulls,
    _mailboxes,
    _personal_data,
    _keys,
    calendars,
    policies,
    _size,
    _age,
    _rules,
    _routes,
)
