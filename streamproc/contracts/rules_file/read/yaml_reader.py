"""YAML to plain data and lines.

It is read by the rules of YAML 1.2. YAML 1.1 (which PyYAML implements) takes ``no`` for false,
``10:00`` for 600 and ``010`` for 8. Here only ``true`` and ``false`` are booleans, times and dates
are text, and numbers with leading zeros are refused. One rule of YAML 1.1 stays: underscores in
whole numbers (``1_000_000``).
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import Any

import yaml
from yaml.composer import Composer

from streamproc.contracts.rules_file.read.field_lines import MAX_FIELDS, Lines, Path, SyntaxProblem
from streamproc.errors import StreamprocError

_PREFIX = "tag:yaml.org,2002:"
_AMBIGUOUS = re.compile(r"[-+]?0[0-9_]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


class _AliasNode(yaml.Node):
    """Remembers the place of an alias. PyYAML would remember only the place of its anchor."""

    def __init__(self, target: yaml.Node, start_mark: Any, end_mark: Any) -> None:
        super().__init__(target.tag, target.value, start_mark, end_mark)
        self.target = target


_MAX_NODES = 2 * MAX_FIELDS
"""Names of fields are nodes, too."""


class _TooManyNodesError(StreamprocError):
    """Composing ends at this line: what follows would only take memory."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


class _Aliases(Composer):
    peek_event: Any  # an attribute of the parser, which is another class
    check_event: Any
    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise _TooManyNodesError(mark.line + 1)
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        return _AliasNode(node, mark, mark) if is_alias and node is not None else node


class _Loader(_Aliases, yaml.SafeLoader):
    yaml_implicit_resolvers = {}


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9][0-9_]*", "-+0123456789"),
    ("float", _FLOAT.pattern, "-+0123456789."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(f"^(?:{_pattern})$"), list(_first))

if yaml.__with_libyaml__:

    class _FastLoader(_Aliases, yaml.CSafeLoader):
        """The same nodes, nine times as fast: libyaml produces the events."""

        yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

        def __init__(self, stream: str) -> None:
            yaml.CSafeLoader.__init__(self, stream)
            Composer.__init__(self)


_READ_OTHERWISE = re.compile(
    "[\t\x85\u2028\u2029\ufeff]"  # tabs within plain text, and line breaks that editors do not show
    "|^(---|%|\\.\\.\\.)"  # start and end of a document
    "|[|>][-+0-9]*#"
    r"|(?<![^\s\[\]{},:-])!"  # tags
    r"|\?[\],}:]|^[^\"'\n]*\?",  # a question mark outside quotes
    re.MULTILINE,
)
"""Text that libyaml reads differently from PyYAML, found with random texts. PyYAML reads such
texts."""


_ESCAPE = re.compile(r"\\U([0-9A-Fa-f]{8})")


def _composed(text: str) -> yaml.Node | None:
    """The root node. Errors always have the words of PyYAML, with or without libyaml."""
    # If libyaml finds an error, the text is read again by PyYAML, for its better message.
    if yaml.__with_libyaml__ and not _READ_OTHERWISE.search(text):
        with suppress(yaml.YAMLError):
            return yaml.compose(text, Loader=_FastLoader)
    return yaml.compose(text, Loader=_Loader)


def parse(text: str, filename: str) -> tuple[Any, Lines]:
    """Data and lines; the data is None if the file is empty. Raises :class:`SyntaxProblem`."""
    try:
        node = _composed(text)
    except _TooManyNodesError as error:
        raise SyntaxProblem(filename, error.line, f"more than {MAX_FIELDS} fields") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = f"not YAML: {error.problem or error.context}"
        raise SyntaxProblem(filename, mark.line + 1 if mark else 1, problem) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"not YAML: the character U+{error.character:04X} is not allowed"
        raise SyntaxProblem(filename, line, problem) from None
    except (ValueError, OverflowError):  # PyYAML looks at neither
        found = next((at for at in _ESCAPE.finditer(text) if int(at[1], 16) > sys.maxunicode), None)
        if found is None:
            raise SyntaxProblem(filename, 1, "not YAML: a number is too long") from None
        line = text.count("\n", 0, found.start()) + 1
        raise SyntaxProblem(filename, line, f"not YAML: {found[0]} is not a character") from None
    lines = Lines()
    if node is None:
        return None, lines
    return _Reader(filename, lines).read(node, ()), lines


class _Reader:
    """Walks the composed nodes once, for data and lines."""

    def __init__(self, filename: str, lines: Lines) -> None:
        self._filename = filename
        self._lines = lines
        self._open: set[int] = set()
        """The identities of the nodes around the one that is read."""
        self._count = 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._lines.put(path, line)
        self._count += 1
        if self._count > MAX_FIELDS:
            raise SyntaxProblem(self._filename, line, f"more than {MAX_FIELDS} fields")
        if isinstance(node, _AliasNode):
            node = node.target
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        # An alias of a node that contains it would never end.
        if id(node) in self._open:
            raise SyntaxProblem(self._filename, line, "an alias within its own anchor")
        self._check_tag(node, path, "map" if isinstance(node, yaml.MappingNode) else "seq")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]
        finally:
            self._open.remove(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == _PREFIX + "merge":
                many = isinstance(value, yaml.SequenceNode)
                merged.extend(value.value if many else [value])
                continue
            if isinstance(key, _AliasNode):
                key = key.target
            if not isinstance(key, yaml.ScalarNode):
                self._lines.problems.append((line, path, "a field name must be a single word"))
                continue
            # A key is text, whatever it looks like: `no:` is Norwegian, not false.
            inner = (*path, key.value)
            if key.value in found:
                self._lines.problems.append((line, inner, "given twice"))
                continue
            self._lines.put(inner, line)
            found[key.value] = self.read(value, inner)
        for base in merged:
            content = self.read(base, path)
            if not isinstance(content, dict):
                line = base.start_mark.line + 1
                self._lines.problems.append((line, (*path, "<<"), "merges mappings only"))
                continue
            for name, one in content.items():
                found.setdefault(name, one)
        return found

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix(_PREFIX)
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if _AMBIGUOUS.fullmatch(text) and kind in ("int", "float"):
            problem = f"{text} means different numbers to different readers; no leading zeros"
            self._problem(node, path, problem)
            return 0
        if kind in ("int", "float") and _FLOAT.fullmatch(text):
            return self._number(node, path, kind)
        self._check_tag(node, path, "str")
        return text

    def _number(self, node: yaml.ScalarNode, path: Path, kind: str) -> int | float:
        try:
            return int(node.value) if kind == "int" else float(node.value.replace("_", ""))
        except ValueError:  # two underscores in a row, or more than 4,300 digits
            self._problem(node, path, "not a number")
            return 0

    def _check_tag(self, node: yaml.Node, path: Path, kind: str) -> None:
        if node.tag != _PREFIX + kind:
            self._problem(node, path, f"the tag {node.tag} is not allowed")

    def _problem(self, node: yaml.Node, path: Path, problem: str) -> None:
        self._lines.problems.append((node.start_mark.line + 1, path, problem))
