"""The documents as the tests read them: fenced examples, links, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.architecture.tree import ROOT

DOCUMENTS: Final = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "deploy" / "README.md", ROOT / "requirements" / "README.md"]
)  # fmt: skip

_FENCED: Final = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"!?\[[^\]\[]*\]\(([^()\s]+)\)")
_HEADING: Final = re.compile(r"^#+ +(.+)$", re.MULTILINE)


class Example(NamedTuple):
    """One fenced block. `kind` is what stands behind the fence, such as `yaml` or `json ticket`."""

    place: str
    kind: str
    text: str


def name_of(document: Path) -> str:
    """Return the document's path in the tree."""
    return str(document.relative_to(ROOT))


def examples(kind: str) -> Iterator[Example]:
    """Yield the fenced blocks of `kind` in all documents."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for found in _FENCED.finditer(text):
            if found[1].strip() == kind:
                line = text.count("\n", 0, found.start()) + 1
                yield Example(f"{name_of(document)}:{line}", kind, found[2])


def prose(document: Path) -> str:
    """Return a document without its fenced blocks."""
    return _FENCED.sub("", document.read_text(encoding="utf-8"))


def links(document: Path) -> list[str]:
    """Return where the links and pictures of a document lead."""
    return _LINK.findall(prose(document))


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = _HEADING.findall(prose(document))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def first_cells(document: Path) -> Iterator[str]:
    """Yield the first cell of each row of the document's tables."""
    for line in document.read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            yield line.split("|")[1].strip()
