"""Which edits of the file are a new version of the facts, and which are not."""

from __future__ import annotations

from shared.configuration.facts import facts_digest, facts_document
from shared.configuration.loader import read


def digest_of(content: str) -> str:
    """Return the digest of the facts document of `content`."""
    return facts_digest(facts_document(read(content)))


def test_rules_receivers_and_keys_change_no_facts() -> None:
    key = "{name: k, sha256: " + "a" * 64 + ", scopes: [read]}"
    other = f"tenants: [{{name: default, keys: [{key}]}}]\nrules: [{{name: r, measure: open, above: 1}}]"
    assert digest_of("") == digest_of(other)


def test_edges_and_maps_change_facts() -> None:
    digests = {
        digest_of(content)
        for content in (
            "",
            "age: {edges: [24h, 72h]}",
            "age: {from: episode}",
            "sources: [{name: a}]",
            "sources: [{name: a, status: {map: {x: new}}}]",
            "sources: [{name: a, priority: {default: p2}}]",
        )
    }
    assert len(digests) == 6


def test_order_and_spelling_change_no_facts() -> None:
    one = "sources: [{name: a, status: {map: {x: new, y: waiting}}}, {name: b}]"
    other = (
        "sources: [{name: b}, {status: {map: {y: waiting/internal, x: new}}, name: a}]\nage: {from: created}"
    )
    assert digest_of(one) == digest_of(other)


def test_the_document_holds_no_secret() -> None:
    sha256 = "a" * 64
    document = facts_document(read(f"sources: [{{name: a, keys: [{{name: k, sha256: {sha256}}}]}}]"))
    assert sha256 not in str(document)
    assert "key" not in str(document)
