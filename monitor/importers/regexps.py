"""Regular expressions of Go (RE2) in Python's syntax. Pure."""

from __future__ import annotations

import re

_POSIX = {
    "[:alnum:]": "A-Za-z0-9", "[:alpha:]": "A-Za-z", "[:digit:]": "0-9", "[:lower:]": "a-z", "[:upper:]": "A-Z",
    "[:space:]": r"\s", "[:punct:]": r"!-/:-@\[-`{-~", "[:xdigit:]": "0-9A-Fa-f", "[:word:]": r"\w",
}  # fmt: skip


def python_regex(go: str) -> str:
    """The same expression for Python's ``re``; raises ValueError with a sentence where there is none."""
    text = go.replace(r"\z", r"\Z")
    for name, meaning in _POSIX.items():
        text = text.replace(name, meaning)
    # Go lets ^ be repeated and means ^ by it; whoever writes ^+OK wants the plus (a POP3 banner). Both fit this.
    text = re.sub(r"^(\(\?[a-z]+\))?\^\+", r"\1^\\+?", text)
    # Flags in front hold to the end; Python wants them around what they hold for. U (ungreedy) changes no verdict.
    flags = ""
    while match := re.match(r"\(\?([a-zA-Z]+)\)", text):
        flags += match[1].replace("U", "")
        text = text[match.end() :]
    if flags:
        text = f"(?{''.join(dict.fromkeys(flags))}:{text})"
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"the expression {go!r} cannot be read: {error}") from None
    return text


def all_of(expressions: list[str]) -> str:
    """One expression that matches a text in which every one of these matches somewhere."""
    if len(expressions) == 1:
        return expressions[0]
    return r"\A" + "".join(rf"(?=[\s\S]*?(?:{one}))" for one in expressions)


def any_of(expressions: list[str]) -> str:
    """One expression that matches where one of these does."""
    return expressions[0] if len(expressions) == 1 else "|".join(f"(?:{one})" for one in expressions)
