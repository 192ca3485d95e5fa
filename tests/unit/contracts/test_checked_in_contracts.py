"""What is checked in is what the code says, and nothing in it may break those who rely on it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from barometer.asyncapi import FLOWS, asyncapi_document, asyncapi_text
from barometer.contracts import ASYNCAPI, ROOT, SCHEMAS, generated, main
from shared.codec import EVENT_TYPES, EventType, to_outgoing
from shared.codec.compatibility import breaking_changes
from shared.codec.schemas import file_name, reader_schema, schema_text, writer_schema
from shared.contracts.topics import TOPICS
from tests.unit.contracts.events import events

MEND = "run `make contracts`; if it refuses, the change needs a new type with the next version"
OBSERVED = "barometer.ticket.observed.v1.json"


def golden(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((ROOT / SCHEMAS / name).read_text())
    return schema


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=list(EVENT_TYPES))
def test_the_schema_checked_in_is_the_one_of_the_struct(kind: EventType) -> None:
    assert (ROOT / SCHEMAS / file_name(kind)).read_text() == schema_text(writer_schema(kind)), MEND


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=list(EVENT_TYPES))
def test_a_breaking_change_without_a_new_version_fails(kind: EventType) -> None:
    assert [] == breaking_changes(golden(file_name(kind)), writer_schema(kind)), MEND


def test_there_is_a_schema_for_each_type_and_no_other() -> None:
    assert {file_name(kind) for kind in EVENT_TYPES.values()} == {
        path.name for path in (ROOT / SCHEMAS).iterdir()
    }


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=list(EVENT_TYPES))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_written_obeys_the_schema(kind: EventType, data: st.DataObject) -> None:
    value = json.loads(to_outgoing(data.draw(events(kind)), partition=0).value or b"")

    writers = jsonschema_rs.validator_for(golden(file_name(kind)))
    writers.validate(value)
    assert not writers.is_valid({**value, "invented": 1})
    jsonschema_rs.validator_for(reader_schema(golden(file_name(kind)))).validate({**value, "later": 1})


def test_opening_a_schema_keeps_the_types_of_free_members() -> None:
    labels = reader_schema(golden("barometer.alert.fired.v1.json"))["properties"]["labels"]

    assert {"type": "string"} == labels["additionalProperties"]


def test_the_asyncapi_document_is_current() -> None:
    assert (ROOT / ASYNCAPI).read_text() == asyncapi_text(), MEND


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = yaml.safe_load((ROOT / ASYNCAPI).read_text())

    found = list(references(document))

    assert len(EVENT_TYPES) < len(found)
    assert [] == [each for each in found if not leads_somewhere(document, each)]


def references(value: Any) -> Any:
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def leads_somewhere(document: Any, reference: str) -> bool:
    if not reference.startswith("#/"):
        return (ROOT / ASYNCAPI.parent / reference).is_file()
    for name in reference.removeprefix("#/").split("/"):
        document = document.get(name, {})
    return bool(document)


def test_every_topic_and_type_is_sent_by_somebody() -> None:
    document = asyncapi_document()

    sent = {
        message["$ref"].rpartition("/")[2]
        for operation in document["operations"].values()
        if operation["action"] == "send"
        for message in operation["messages"]
    }

    assert {name.replace(".", "_") for name in EVENT_TYPES} == sent
    assert {topic.name for topic in TOPICS} == {each["address"] for each in document["channels"].values()}
    assert len(FLOWS) == len(document["operations"]), "two flows have one name"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / SCHEMAS, tmp_path / SCHEMAS)
    (tmp_path / ASYNCAPI.parent).mkdir()
    shutil.copy(ROOT / ASYNCAPI, tmp_path / ASYNCAPI)
    return tmp_path


def changed(name: str, change: Any) -> dict[str, Any]:
    schemas: dict[str, Any] = json.loads(json.dumps(generated()))
    change(schemas[name])
    return schemas


def test_writing_again_what_is_current_writes_nothing(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}

    assert main([], root) == 0
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def test_writing_refuses_a_breaking_change_and_leaves_everything_as_it_was(root: Path, capsys: Any) -> None:
    (root / SCHEMAS / file_name(EVENT_TYPES["barometer.run.began.v1"])).unlink()
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}

    code = main([], root, changed(OBSERVED, lambda schema: schema["properties"].pop("sequence")))

    assert code == 2
    assert f"{OBSERVED}/sequence: removed" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_writing_refuses_to_forget_a_type(root: Path) -> None:
    schemas = {name: schema for name, schema in generated().items() if name != OBSERVED}

    assert main([], root, schemas) == 2
    assert (root / SCHEMAS / OBSERVED).is_file()


def test_writing_takes_an_additive_change(root: Path) -> None:
    schemas = changed(
        OBSERVED, lambda schema: schema["properties"].update(mood={"type": "string", "default": ""})
    )

    assert main(["--check"], root, schemas) == 1
    assert main([], root, schemas) == 0
    assert main(["--check"], root, schemas) == 0
    assert schemas[OBSERVED] == msgspec.json.decode((root / SCHEMAS / OBSERVED).read_bytes())


def test_a_new_type_needs_nothing_but_writing(root: Path) -> None:
    (root / SCHEMAS / OBSERVED).unlink()

    assert main([], root) == 0
    assert golden(OBSERVED) == json.loads((root / SCHEMAS / OBSERVED).read_text())
