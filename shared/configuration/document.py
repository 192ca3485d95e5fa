"""YAML as plain data that remembers its lines, read defensively.

PyYAML's own loaders forget where a value stood, let a key be given twice, read `No` as false and
`12:30` as 750, and expand an alias as often as it is named. A file of people's own words (statuses,
queues) wants text to stay text, so: keys are always text, only true/false/null and plain numbers are
anything else, and everything is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from shared.configuration.problems import ConfigurationInvalid, Problem

FILE_BYTES_MAX: Final = 1 << 20
"""A megabyte is tens of thousands of lines; more is not a configuration."""
DEPTH_MAX: Final = 32
VALUES_MAX: Final = 100_000
"""Values after aliases were expanded: bounds what ten lines of nested aliases can blow up to."""

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Document:
    """Plain data, and the line (from 1) of each path in it: of the key for members, of the item in lists."""

    file: str
    data: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Sequence[str | int]) -> int:
        """Return the line of `path`, or of the nearest thing around it that has one."""
        known: Path = ()
        for part in path:
            if (*known, part) in self.lines:
                known = (*known, part)
        return self.lines.get(known, 1)


class _Loader(yaml.SafeLoader):
    """Resolves only null, true/false and numbers; everything else plain is text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in the base


_FLOAT: Final = re.compile(r"^[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|[0-9]{1,18}[eE][-+]?[0-9]{1,2})$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), [*"~nN", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), [*"tTfF"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]{0,17})$"), None)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, None)
_TEXT: Final = "tag:yaml.org,2002:str"
_SCALARS: Final[Mapping[str, Any]] = {
    "tag:yaml.org,2002:null": lambda _: None,
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    _TEXT: str,
}


def read_document(content: bytes, file: str) -> Document:
    """Return the one document in `content`; an empty file is an empty mapping.

    Raises ConfigurationInvalid for what is no YAML, too large, too deep, or says a key twice.
    """
    text = _text(content, file)
    try:
        _check_depth(text, file)
        root = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"this is no YAML: {error.problem or error.context}"
        line = mark.line + 1 if mark else 1
        raise ConfigurationInvalid([Problem(file, line, what, _mend(error))]) from error
    except yaml.YAMLError as error:
        raise ConfigurationInvalid([Problem(file, 1, f"this is no YAML: {error}")]) from error
    if root is None:
        return Document(file, {})
    return _Builder(file).document(root)


def _text(content: bytes, file: str) -> str:
    if len(content) > FILE_BYTES_MAX:
        what = f"the file has {len(content)} bytes, more than {FILE_BYTES_MAX}"
        raise ConfigurationInvalid([Problem(file, 1, what, "split off what is no configuration")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(file, line, "this is no UTF-8", "save the file as UTF-8")
        raise ConfigurationInvalid([problem]) from error


def _mend(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "'\\t'" in problem:
        return "indent with spaces, not with tabs"
    if "mapping values are not allowed" in problem:
        return "check the indentation, and put text that holds `: ` in quotes"
    return "check indentation and quotes there and on the line before"


def _check_depth(text: str, file: str) -> None:
    """Refuse deep nesting before anything recursive sees it."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:
            mark = event.start_mark
            line = mark.line + 1 if mark else 1
            raise ConfigurationInvalid([Problem(file, line, f"nested deeper than {DEPTH_MAX}", "flatten it")])


class _Builder:
    """Turns nodes into data, collecting lines and problems."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[Path, int] = {}
        self._problems: list[Problem] = []
        self._values = 0

    def document(self, root: yaml.Node) -> Document:
        """Return the data of `root`. Raises ConfigurationInvalid."""
        self._lines[()] = root.start_mark.line + 1
        data = self._value(root, ())
        if self._problems:
            raise ConfigurationInvalid(self._problems)
        return Document(self._file, data, self._lines)

    def _problem(self, node: yaml.Node, what: str, mend: str) -> None:
        self._problems.append(Problem(self._file, node.start_mark.line + 1, what, mend))

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._values += 1
        if self._values > VALUES_MAX or len(path) > DEPTH_MAX:
            self._problem(node, "aliases expand to too much", "write the values out, once each")
            raise ConfigurationInvalid(self._problems)
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path)
            case yaml.SequenceNode():
                return self._sequence(node, path)
        convert = _SCALARS.get(node.tag)
        if convert is None:
            self._problem(node, f"the tag `{node.tag}` is not known", "write plain YAML without tags")
            return None
        return convert(node.value)

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self._lines[*path, index] = item.start_mark.line + 1
            items.append(self._value(item, (*path, index)))
        return items

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                self._problem(key_node, "a key must be text", "write `key: value`")
            elif key == "<<":
                self._problem(key_node, "merge keys (`<<`) are not read", "repeat the members")
            elif key in members:
                first = self._lines[*path, key]
                self._problem(key_node, f"`{key}` is given twice (first on line {first})", "keep one of them")
            else:
                self._lines[*path, key] = key_node.start_mark.line + 1
                members[key] = self._value(value_node, (*path, key))
        return members
