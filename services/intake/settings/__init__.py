"""What intake must know before it starts: the environment, and its view of the configuration.

Process settings are environment variables `BAROMETER_*`; what belongs to the sources is in the
configuration file (shared/configuration) and is only mapped here to what the core understands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, TypeVar

from services.intake.core.definition import (
    DEFAULT_SOURCE,
    DEFAULT_TENANT,
    ShownStatus,
    SourceDefinition,
)
from services.intake.core.personal_data import Protection
from services.intake.core.vendors import VENDORS
from services.intake.core.vendors.port import Vocabulary
from services.intake.core.web_form.definition import EmailAsked, WebForm
from services.intake.core.webhook import Hook
from services.intake.settings.emails import mailbox_of
from services.intake.settings.secret import secret_of
from shared.configuration.facts import source_meaning
from shared.configuration.forms import SourceForm
from shared.configuration.loader import read_secret
from shared.configuration.models import Configuration, Source
from shared.configuration.personal_data import KEY_CHARACTERS_MIN, PersonalData
from shared.configuration.problems import ConfigurationInvalid, Problem
from shared.configuration.webhooks import SourceWebhook
from shared.contracts.configuration import ConfigVersion
from shared.contracts.topics import CONFIG, EVENTS, INBOX, REJECTED
from shared.http.keys import is_loopback
from shared.runtime.environment import (
    HOST,
    PORT,
    PREFIX,
    SettingsInvalid,
    bus_url,
    config_path,
    flag,
    number,
)

T = TypeVar("T")

KIB: Final = 1024
MIB: Final = 1024 * KIB
EVENTS_PARTITIONS_EMBEDDED: Final = 1
EVENTS_PARTITIONS_KAFKA: Final = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, and all together, may ask. Each can be set as `BAROMETER_INTAKE_<NAME>`."""

    body_bytes_max: int = 5 * MIB
    """Answer 413. Decoding and holding a body of this size is bounded by in_flight_bytes_max."""
    batch_items_max: int = 5_000
    """Answer 413. Keeps one request's turn on the event loop below about 50 ms."""
    item_bytes_max: int = 256 * KIB
    """Rejected as `too_large`. A ticket has a kilobyte; the event built of it stays far below the
    megabyte that Kafka takes."""
    email_bytes_max: int = 25 * MIB
    """Answer 413. Large mails are attachments, which are counted and dropped; most servers take no larger."""
    email_thread_days: int = 400
    """How long an answer to a mail finds its ticket without a tag in its subject."""
    nesting_depth_max: int = 32
    """Answer 400. A ticket has one list in it; deeper nesting only costs stack."""
    in_flight_requests_max: int = 1_024
    """Answer 429. More waiting requests only wait longer."""
    in_flight_bytes_max: int = 64 * MIB
    """Answer 429. Bounds the memory of bodies not yet acknowledged by the bus."""
    body_wait_seconds: int = 30
    """Answer 408. A sender that stalls must not hold its share of what is in flight."""
    form_body_bytes_max: int = 32 * KIB
    """Answer 413. A form has a few lines, percent-encoded."""
    form_fill_seconds_min: int = 3
    """Posted sooner than a person reads, a form has to be confirmed."""
    form_fill_seconds_max: int = 43_200
    """How long a page stays open; then it is shown again, with a new token."""
    form_window_seconds: int = 600
    """What the next three count within."""
    form_address_posts_max: int = 20
    """Answer 429. An office behind one address writes fewer."""
    form_addresses_max: int = 10_000
    """Addresses counted; beyond them the oldest is forgotten. A megabyte."""
    form_posts_max: int = 200
    """From here on each post to a form has to be confirmed."""
    retry_after_seconds: int = 2
    """What 429 and 503 tell the sender to wait."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) <= 0:
                raise SettingsInvalid(f"{PREFIX}INTAKE_{each.name.upper()} must be above 0")


@dataclass(frozen=True, slots=True)
class MailPorts:
    """Where mail servers may hand over mails; None: nowhere."""

    smtp: int | None = None
    lmtp: int | None = None
    host: str = HOST

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> MailPorts:
        """Return the ports in `environment`. Raises SettingsInvalid."""
        host = environment.get(f"{PREFIX}MAIL_HOST", HOST)
        is_exposed = flag(environment, "MAIL_EXPOSED", default=False)
        if not is_exposed and not is_loopback(host):
            raise SettingsInvalid(
                f"{PREFIX}MAIL_HOST={host}: whoever reaches it could publish, for SMTP asks for no key. Listen on "
                f"127.0.0.1, or say {PREFIX}MAIL_EXPOSED=true if only your mail server reaches it"
            )
        smtp = number(environment, "SMTP_PORT", default=None)
        return cls(smtp, number(environment, "LMTP_PORT", default=None), host)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an intake process is told at start."""

    bus: str
    """`kafka://host:port,...` or `embedded:DIR`."""
    database: str | None = None
    """Where the threads of e-mail are kept; None: mails are not taken."""
    config: Path | None = None
    host: str = HOST
    port: int = PORT
    events_partitions: int | None = None
    """Of topics that do not exist yet; None: 1 on the embedded log, 4 on Kafka."""
    member: str = "intake-1"
    """Static member name in the inbox's consumer group; unique among intake processes."""
    limits: Limits = field(default_factory=Limits)
    mail: MailPorts = MailPorts()

    @property
    def partitions(self) -> dict[str, int]:
        """How many partitions the topics that intake writes and reads get if they do not exist."""
        usual = EVENTS_PARTITIONS_KAFKA if self.bus.startswith("kafka:") else EVENTS_PARTITIONS_EMBEDDED
        events = self.events_partitions or usual
        return {EVENTS.name: events, INBOX.name: events, REJECTED.name: 1, CONFIG.name: 1}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in `environment`. Raises SettingsInvalid."""
        return cls(
            bus=bus_url(environment),
            database=environment.get(f"{PREFIX}DATABASE"),
            config=config_path(environment),
            host=environment.get(f"{PREFIX}HOST", HOST),
            port=number(environment, "PORT", PORT),
            events_partitions=number(environment, "EVENTS_PARTITIONS", default=None),
            member=environment.get(f"{PREFIX}MEMBER", "intake-1"),
            limits=limits_of(environment),
            mail=MailPorts.from_environment(environment),
        )


def limits_of(environment: Mapping[str, str]) -> Limits:
    """Return the limits, as far as `environment` sets them. Raises SettingsInvalid."""
    defaults = Limits()
    return Limits(
        **{
            each.name: number(environment, f"INTAKE_{each.name.upper()}", getattr(defaults, each.name))
            for each in fields(Limits)
        }
    )


def definitions_of(
    configuration: Configuration, environment: Mapping[str, str], published: ConfigVersion | None = None
) -> tuple[SourceDefinition, ...]:
    """Return the sources as the core knows them. The tenant `default` always has a source `default`.

    The file says which sources there are, who may publish for them and what is kept of people (`environment`
    has the key for that). What their words mean changes facts, so once a version was `published` it is taken
    from there, for the sources it knows. Raises ConfigurationInvalid for a key that is not there.
    """
    kept = configuration.personal_data
    key = _hash_key(kept, environment) if _hashes(configuration) else b""
    shown = {(source.tenant, source.name): source for source in configuration.sources}
    shown.setdefault((DEFAULT_TENANT, DEFAULT_SOURCE), Source(name=DEFAULT_SOURCE))
    names: dict[str, set[str]] = {}
    for tenant, name in shown:
        names.setdefault(tenant, set()).add(name)
    # One set for all of a tenant's sources: with a copy for each, ten thousand sources took ten gigabytes.
    siblings = {tenant: frozenset(known) for tenant, known in names.items()}
    return tuple(
        _definition(
            _as_published(source, published),
            siblings[tenant],
            _protection(kept.of(source.personal_data), key),
        )
        for (tenant, _), source in shown.items()
    )


def _as_published(source: Source, published: ConfigVersion | None) -> Source:
    tenants = published.document.get("sources", {}) if published is not None else {}
    meaning = tenants.get(source.tenant, {}).get(source.name)
    return source if meaning is None else source.model_copy(update=source_meaning(meaning))


def _hashes(configuration: Configuration) -> bool:
    kept = configuration.personal_data
    return kept.hashes or any(kept.of(one.personal_data).hashes for one in configuration.sources)


def _hash_key(kept: PersonalData, environment: Mapping[str, str]) -> bytes:
    """Return the key of the hashes. Raises ConfigurationInvalid; never shows it."""
    assert kept.key is not None, "checked by shared/configuration/checks.py"
    try:
        key = read_secret(kept.key, environment)
    except ConfigurationInvalid as error:
        named = (replace(one, what=f"`personal_data.key`: {one.what}") for one in error.problems)
        raise ConfigurationInvalid(named) from None
    if len(key) < KEY_CHARACTERS_MIN:
        what = f"`personal_data.key` has fewer than {KEY_CHARACTERS_MIN} characters, so it can be guessed"
        raise ConfigurationInvalid([Problem("secrets", 1, what, "make one with `openssl rand -hex 32`")])
    return key.encode()


def protection_of(configuration: Configuration, environment: Mapping[str, str]) -> Protection:
    """Return what is kept of people by a source that is not configured. Raises ConfigurationInvalid."""
    kept = configuration.personal_data
    return _protection(kept, _hash_key(kept, environment) if kept.hashes else b"")


def _protection(kept: PersonalData, key: bytes) -> Protection:
    return Protection(kept.requester, kept.assignee, kept.subject, key if kept.hashes else b"")


def _definition(source: Source, siblings: frozenset[str], protection: Protection) -> SourceDefinition:
    """Return what the vendor's words mean and what the configuration says of them; that counts first."""
    status, priority = source.status, source.priority
    vendor = VENDORS.get(source.kind.value)
    words = Vocabulary() if vendor is None else vendor.vocabulary
    return SourceDefinition(
        tenant=source.tenant,
        name=source.name,
        statuses=_overridden(
            words.statuses, {word: ShownStatus(*value) for word, value in status.map.items()}
        ),
        status_default=words.status_default if status.default is None else ShownStatus(*status.default),
        priorities=_overridden(words.priorities, priority.map),
        priority_default=priority.default or words.priority_default,
        channel=source.channel or words.channel,
        kind=words.kind,
        siblings=siblings,
        inbox=source.inbox,
        mailbox=mailbox_of(source),
        protection=protection,
        vendor=None if vendor is None else vendor.name,
    )


def _overridden(defaults: Mapping[str, T], own: Mapping[str, T]) -> dict[str, T]:
    """Return both maps; a word in `own` replaces each spelling of it in `defaults`."""
    said = {word.strip().casefold() for word in own}
    return {**{word: one for word, one in defaults.items() if word.strip().casefold() not in said}, **own}


def hooks_of(configuration: Configuration, environment: Mapping[str, str]) -> tuple[Hook, ...]:
    """Return what vendors call, with the secrets read. Raises ConfigurationInvalid for one that is not there."""
    return tuple(
        _hook(source, source.webhook, environment)
        for source in configuration.sources
        if source.webhook is not None
    )


def _hook(source: Source, webhook: SourceWebhook, environment: Mapping[str, str]) -> Hook:
    basic = webhook.basic
    return Hook(
        tenant=source.tenant,
        source=source.name,
        vendor=VENDORS[source.kind.value],
        secrets=tuple(secret_of(source, one, environment) for one in webhook.all_secrets),
        basic=None if basic is None else f"{basic.user}:{secret_of(source, basic.password, environment)}",
        unsigned=webhook.unsigned,
        url=webhook.url,
    )


def forms_of(configuration: Configuration, environment: Mapping[str, str]) -> tuple[WebForm, ...]:
    """Return the public forms, with the secrets read. Raises ConfigurationInvalid for one that is not there."""
    return tuple(
        _form(source, source.form, environment) for source in configuration.sources if source.form is not None
    )


def _form(source: Source, form: SourceForm, environment: Mapping[str, str]) -> WebForm:
    return WebForm(
        tenant=source.tenant,
        source=source.name,
        secrets=tuple(secret_of(source, one, environment) for one in form.all_secrets),
        language=form.language.value,
        title=form.title,
        intro=form.intro,
        thanks=form.thanks,
        redirect=form.redirect,
        email=EmailAsked(form.email.value),
        categories=form.categories,
        queue=form.queue,
        origins=frozenset(form.origins),
    )


def proxies_of(environment: Mapping[str, str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of our own proxies, whose X-Forwarded-For counts. Raises SettingsInvalid."""
    shown = environment.get(f"{PREFIX}TRUSTED_PROXIES", "")
    try:
        return tuple(ip_network(each.strip(), strict=False) for each in shown.split(",") if each.strip())
    except ValueError as error:
        mend = "list addresses or networks, such as 127.0.0.1, 10.0.0.0/8"
        raise SettingsInvalid(f"{PREFIX}TRUSTED_PROXIES: {error}; {mend}") from None
