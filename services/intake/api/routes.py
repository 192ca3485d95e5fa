"""The routes of intake, and their place in the OpenAPI document.

FastAPI describes the endpoint; it does not run it. Its usual route would resolve dependencies and
validate for every request; `RawRoute` hands the request straight to the endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from services.intake.api.document import POST_EVENTS
from services.intake.api.emails import POST_EMAILS, POST_SERVICE_EMAILS, Emails
from services.intake.api.publishing import Publishing
from services.intake.api.web_form import WebForms
from services.intake.api.web_form_document import GET_FORMS, POST_FORMS
from services.intake.api.webhook_document import POST_WEBHOOKS
from services.intake.api.webhooks import HEAD, Webhooks

WEBHOOKS: Final = "/v1/webhooks/{source}"
FORMS: Final = "/v1/forms/{source}"

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class RawRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response, with nothing in between."""

    def get_route_handler(self) -> Endpoint:
        """Return the endpoint itself."""
        endpoint: Endpoint = self.endpoint
        return endpoint


def router(publishing: Publishing, webhooks: Webhooks, emails: Emails, forms: WebForms) -> APIRouter:
    """Return the routes of intake; error answers are problems by shared/http/problems.py."""
    routes = APIRouter(route_class=RawRoute, tags=["intake"])

    @routes.post("/v1/events", **POST_EVENTS)
    async def post_events(request: Request) -> Response:
        return await publishing.post(request)

    routes.add_api_route("/v1/emails", emails.post, methods=["POST"], **POST_EMAILS)
    routes.add_api_route("/v1/emails/{source}", emails.posted, methods=["POST"], **POST_SERVICE_EMAILS)
    routes.add_api_route(WEBHOOKS, webhooks.take, methods=["POST"], **POST_WEBHOOKS)
    # Trello asks by HEAD; and a redirect to the address without its slash would end some subscriptions.
    routes.add_api_route(WEBHOOKS, webhooks.take, methods=[HEAD], include_in_schema=False)
    routes.add_api_route(f"{WEBHOOKS}/", webhooks.take, methods=["POST", HEAD], include_in_schema=False)
    routes.add_api_route(FORMS, forms.show, methods=["GET"], **GET_FORMS)
    routes.add_api_route(FORMS, forms.take, methods=["POST"], **POST_FORMS)
    routes.add_api_route(FORMS, forms.allow, methods=["OPTIONS"], include_in_schema=False)
    routes.add_api_route(f"{FORMS}/thanks", forms.thank, methods=["GET"], include_in_schema=False)

    return routes
