"""What of the configuration is about e-mail: how mails are read, who posts them, which mailboxes are read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from services.intake.core.mail.account import Account, Encryption
from services.intake.core.mail.inbound import MAILERS, Inbound
from services.intake.core.mail.mailbox import Mailbox
from services.intake.settings.secret import secret_of
from shared.configuration.emails import EmailWebhook
from shared.configuration.imap import SourceImap
from shared.configuration.models import Configuration, Source


def mailbox_of(source: Source) -> Mailbox:
    """Return how mails of a source are read."""
    email = source.email
    return Mailbox(
        frozenset(email.agents), frozenset(email.addresses), dict(email.queues), takes_lists=email.lists
    )


def mailboxes_of(configuration: Configuration) -> dict[str, tuple[str, str]]:
    """Return whose mailbox an address (or `@domain`) is: (tenant, source). No two sources share one."""
    return {
        address: (source.tenant, source.name)
        for source in configuration.sources
        for address in source.email.addresses
    }


def inbound_of(configuration: Configuration, environment: Mapping[str, str]) -> tuple[Inbound, ...]:
    """Return what mail services post to, with the secrets read. Raises ConfigurationInvalid for one not there."""
    return tuple(
        _inbound(source, source.email.webhook, environment)
        for source in configuration.sources
        if source.email.webhook is not None
    )


def _inbound(source: Source, webhook: EmailWebhook, environment: Mapping[str, str]) -> Inbound:
    basic = webhook.basic
    return Inbound(
        tenant=source.tenant,
        source=source.name,
        mailer=MAILERS[webhook.service.value],
        secrets=tuple(secret_of(source, one, environment) for one in webhook.secrets),
        basic=None if basic is None else f"{basic.user}:{secret_of(source, basic.password, environment)}",
    )


def accounts_of(configuration: Configuration, environment: Mapping[str, str]) -> tuple[Account, ...]:
    """Return the mailboxes to read. Raises ConfigurationInvalid for a secret that is not there."""
    accounts = tuple(
        _account(source, source.email.imap, environment)
        for source in configuration.sources
        if source.email.imap is not None
    )
    for account in accounts:
        account.secret()
    return accounts


def _account(source: Source, imap: SourceImap, environment: Mapping[str, str]) -> Account:
    reference = imap.password or imap.token
    assert reference is not None, "the configuration has checked that there is one"
    return Account(
        tenant=source.tenant,
        source=source.name,
        host=imap.host,
        port=imap.port_or_usual,
        encryption=Encryption(imap.encryption.value),
        ca_file=imap.ca_file,
        user=imap.user,
        secret=partial(secret_of, source, reference, environment),
        is_token=imap.token is not None,
        folders=imap.folders,
        poll_ms=imap.poll_seconds * 1_000,
        idle=imap.idle,
        mark_seen=imap.mark_seen,
        move_to=imap.move_to,
        since=imap.since,
    )
