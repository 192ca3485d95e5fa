"""The page at /docs: from our own files alone, and those are what was published."""

from __future__ import annotations

import hashlib
import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from shared.http import openapi_page
from shared.http.openapi_page import FILES, PAGE, SWAGGER_UI, WEB


@pytest.fixture
def client() -> TestClient:
    app = FastAPI(docs_url=None, redoc_url=None)
    openapi_page.install(app)
    return TestClient(app)


def test_each_file_of_swagger_ui_is_the_one_that_was_published() -> None:
    lines = (SWAGGER_UI / "SHA256SUMS").read_text().splitlines()
    expected = {name: digest for digest, name in (line.split() for line in lines)}

    assert expected == {
        name: hashlib.sha256((SWAGGER_UI / name).read_bytes()).hexdigest() for name in expected
    }
    assert {*expected, "SHA256SUMS", "VERSION"} == {file.name for file in SWAGGER_UI.iterdir()}


def test_the_licence_comes_with_the_files() -> None:
    assert "Apache License" in (SWAGGER_UI / "LICENSE").read_text()


def test_the_page_loads_what_is_served_beside_it_and_nothing_else(client: TestClient) -> None:
    page = client.get(PAGE)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert {*(f"docs/{name}" for name in FILES), "openapi.json"} == set(loaded)
    assert [200] * len(loaded) == [client.get(f"/{address}").status_code for address in loaded]


def test_a_browser_may_load_nothing_from_elsewhere(client: TestClient) -> None:
    policy = client.get(PAGE).headers["content-security-policy"]

    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "validatorUrl: null" in (WEB / "docs.js").read_text()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_sent_as_what_it_is(client: TestClient, name: str) -> None:
    answer = client.get(f"{PAGE}/{name}")

    assert FILES[name][1] == answer.headers["content-type"].partition(";")[0]
    assert FILES[name][0].read_bytes() == answer.content


def test_the_page_is_no_part_of_the_api_it_shows(client: TestClient) -> None:
    assert {} == client.get("/openapi.json").json()["paths"]
