"""YAML 1.2 with every scalar as text, and with the place of everything.

``NO`` is Norway, ``12:30`` and ``+10:00`` are text, ``89.9`` is the text of a decimal: what a scalar means is its
field's affair. Only a plain ``null``, ``~`` or nothing at all is None. Duplicate keys, tags, several documents, and
aliases that unfold into more than a file may hold are problems, each with its line and column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.errors import Refused

MAX_BYTES = 4 << 20
MAX_NODES = 200_000
MAX_DEPTH = 50
_LONG = 100_000
"""From so many characters on (hundreds of targets) the time that reading takes is felt."""
_SILENT_TAGS = frozenset({"!", "str", "int", "float", "bool", "null", "timestamp", "merge", "seq", "map"})
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

Tree = dict[str, "Tree"] | list["Tree"] | str | None
"""What a file holds: mappings, lists and text."""

PathParts = Sequence[str | int]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong in a file that a person wrote: where, what, and what to write instead."""

    file: str
    line: int
    """From 1; 0 where the problem is the whole file's."""
    column: int
    """From 1; 0 where the problem is the whole line's or file's."""
    message: str

    def __str__(self) -> str:
        place = f":{self.line}:{self.column}" if self.line and self.column else f":{self.line}" if self.line else ""
        # A value that is quoted may hold line breaks, or what a terminal would obey: a problem is one line of text.
        message = "".join(one if one.isprintable() else repr(one)[1:-1] for one in self.message)
        return f"{self.file}{place}: {message}"


class Problems(Refused):
    """Everything that is wrong in the files read, in their order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Document:
    """A file's content and the places of its parts."""

    def __init__(self, file: str, root: Any, data: Tree) -> None:
        self.file = file
        """The file's name as the caller gave it, for messages."""
        self.data = data
        self._root = root

    def place(self, path: PathParts = (), *, key: bool = False) -> tuple[int, int]:
        """Give line and column (from 1) of what stands at ``path``, or of the deepest part of it that exists.

        ``key`` asks for the place of the last part's key in place of its value.
        """
        node, mark = self._root, None
        for index, part in enumerate(path):
            found = None
            if node is not None and node.id == "mapping":
                for key_node, value_node in node.value:
                    if key_node.value == part:
                        found = value_node
                        mark = key_node.start_mark if key and index == len(path) - 1 else value_node.start_mark
                        # An empty value has no place of its own that a reader would look at: point at its key.
                        if value_node.start_mark.index == value_node.end_mark.index:
                            mark = key_node.start_mark
            elif node is not None and node.id == "sequence" and isinstance(part, int) and part < len(node.value):
                found = node.value[part]
                mark = found.start_mark
            if found is None:
                break
            node = found
        if mark is None:
            mark = node.start_mark if node is not None else None
        return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)

    def problem(self, path: PathParts, message: str, *, key: bool = False) -> Problem:
        """Make a Problem at ``path``."""
        return Problem(self.file, *self.place(path, key=key), message)


def load(path: Path, *, name: str | None = None) -> Document:
    """Read a file; ``name`` is what messages call it (default: the path as given). Raises Problems."""
    shown = name if name is not None else str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise Problems([Problem(shown, 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    if len(raw) > MAX_BYTES:
        raise Problems([Problem(shown, 0, 0, f"is larger than {MAX_BYTES >> 20} MiB")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Problems([Problem(shown, line, 0, "is not UTF-8: save the file as UTF-8")]) from error
    return loads(text, shown)


def loads(text: str, file: str) -> Document:
    """Read YAML text; ``file`` is what messages call it. Raises Problems."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    reader = YAML(typ="safe", pure=True)
    reader.max_depth = MAX_DEPTH
    reader.composer.warn_double_anchors = False
    try:
        root = (_composed_by_libyaml(text) if len(text) > _LONG else None) or reader.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        what = error.problem or error.context or "cannot be read"
        opened = error.context_mark.line + 1 if error.context_mark is not None else line
        said = f"is nested deeper than {MAX_DEPTH} levels" if "maximum depth" in what else _not_yaml(what, opened)
        raise Problems([Problem(file, line, column, said)]) from error
    except YAMLError as error:
        raise Problems([Problem(file, 0, 0, f"is not YAML: {str(error).splitlines()[0]}")]) from error
    except RecursionError as error:
        raise Problems([Problem(file, 0, 0, f"is nested deeper than {MAX_DEPTH} levels")]) from error
    if root is None:
        return Document(file, None, None)
    builder = _Builder(file)
    data, _ = builder.build(root, 0)
    if builder.problems:
        raise Problems(sorted(builder.problems))
    return Document(file, root, data)


def _not_yaml(what: str, opened: int) -> str:
    """The reader's complaint, and what to write instead; ``opened`` is the line on which what it reads began."""
    hint = next((hint for part, hint in _HINTS if part in what), "put a value with special characters in quotes")
    return f"is not YAML: {what}; {hint.format(line=opened)}"


_HINTS = (
    ("'\\t'", "write spaces in place of the tab"),
    ("that cannot start any token", "put the value in quotes"),
    (
        "mapping values are not allowed",
        "begin each key on a line of its own, and put a value that holds “: ” in quotes",
    ),
    ("expected ',' or", "close the bracket that was opened on line {line}"),
    ("expected <block end>", "look at the indentation, and at the quotation marks from line {line} on"),
    ("another document", "a file holds one: take the line “---” away"),
    ("could not find expected ':'", "write a colon and a space after the key"),
    ("end of stream", "close the quotation mark that was opened on line {line}"),
    ("undefined alias", "write &name before the first *name, or put a value that begins with * in quotes"),
)
"""Of the reader's words a part, and what to do about it."""


def _composed_by_libyaml(text: str) -> Any:
    """Give the same nodes ten times as fast; None where there are none, or anything is wrong with the text.

    What is wrong is then said by the reader above, in the same words for short and long files.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").compose(text)
    except YAMLError:
        return None


class _Builder:
    """Nodes to plain values, with everything collected that may not stand in a file of ours."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._done: dict[int, tuple[Tree, int]] = {}
        self._open: set[int] = set()

    def _complain(self, node: Any, message: str) -> None:
        mark = node.start_mark
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1, message))

    def build(self, node: Any, depth: int) -> tuple[Tree, int]:
        """Give the value of a node and how many nodes it unfolds into."""
        known = self._done.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            self._complain(node, "holds itself by an alias: write it out")
            return None, 1
        if depth > MAX_DEPTH:
            self._complain(node, f"is nested deeper than {MAX_DEPTH} levels")
            return None, 1
        self._open.add(id(node))
        data, size = self._value(node, depth)
        self._open.discard(id(node))
        if size > MAX_NODES:
            if not any("unfolds" in problem.message for problem in self.problems):
                self._complain(node, f"unfolds into more than {MAX_NODES:,} values: write fewer aliases")
            data, size = None, 1
        self._done[id(node)] = data, size
        return data, size

    def _value(self, node: Any, depth: int) -> tuple[Tree, int]:
        if node.id == "scalar":
            if node.style is None and node.value in _NULLS:
                return None, 1
            self._refuse_tag(node)
            return self._text(node), 1
        size = 1
        if node.id == "sequence":
            self._refuse_tag(node)
            items: list[Tree] = []
            for child in node.value:
                value, count = self.build(child, depth + 1)
                items.append(value)
                size += count
            return items, size
        self._refuse_tag(node)
        mapping: dict[str, Tree] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                self._complain(key_node, "a key must be text: write it as one word, or in quotes")
                continue
            key = self._text(key_node)
            if key in mapping:
                self._complain(key_node, f"'{key}' stands here a second time, first on line {lines[key]}: keep one")
                continue
            lines[key] = key_node.start_mark.line + 1
            value, count = self.build(value_node, depth + 1)
            mapping[key] = value
            size += count + 1
        return mapping, size

    def _text(self, node: Any) -> str:
        """The text of a scalar. JSON writes what lies beyond U+FFFF as two escapes, which are one character here."""
        text = str(node.value)
        if text.isascii():
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._complain(node, "holds half a character: write the character itself")
            return ""

    def _refuse_tag(self, node: Any) -> None:
        # ruamel gives a plain scalar the tag that YAML 1.2 would resolve it to: those say nothing, the text does.
        tag = str(node.tag or "")
        if tag and tag.removeprefix("tag:yaml.org,2002:") not in _SILENT_TAGS:
            self._complain(node, f"carries the tag {tag}: tags mean nothing here, take it away")
