"""Vendors' adapters, by the word that a source's `kind` names them with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.intake.core.vendors.asana import Asana
from services.intake.core.vendors.azuredevops import AzureDevOps
from services.intake.core.vendors.chatwoot import Chatwoot
from services.intake.core.vendors.freshdesk import Freshdesk
from services.intake.core.vendors.front import Front
from services.intake.core.vendors.github import GitHub
from services.intake.core.vendors.gitlab import GitLab
from services.intake.core.vendors.help_scout import HelpScout
from services.intake.core.vendors.hubspot import HubSpot
from services.intake.core.vendors.intercom import Intercom
from services.intake.core.vendors.jira import Jira
from services.intake.core.vendors.linear import Linear
from services.intake.core.vendors.port import Vendor
from services.intake.core.vendors.servicenow import ServiceNow
from services.intake.core.vendors.trello import Trello
from services.intake.core.vendors.zammad import Zammad
from services.intake.core.vendors.zendesk import Zendesk

VENDORS: Final[Mapping[str, Vendor]] = {
    vendor.name: vendor
    for vendor in (
        Intercom(),
        Front(),
        HelpScout(),
        Zammad(),
        ServiceNow(),
        Jira(),
        Freshdesk(),
        Zendesk(),
        GitHub(),
        HubSpot(),
        Linear(),
        Chatwoot(),
        AzureDevOps(),
        Asana(),
        GitLab(),
        Trello(),
    )
}
"""Every vendor there is."""
