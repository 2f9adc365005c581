"""Secrets of the configuration: where they come from, and the list of those that nobody may see.

A text in the configuration may hold ``${NAME}`` (a variable of the environment), and in its place may stand
``{file: path}`` (the text of a file) or ``{credential: name}`` (a systemd credential, from $CREDENTIALS_DIRECTORY).
``$${`` is a plain ``${``. Whatever was fetched this way is a secret, and so is what stands under a key that says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.config.yamlfile import Tree
from probes._redact import SHORTEST

TreePath = tuple[str | int, ...]
Complain = Callable[[TreePath, str], None]

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_KEY = re.compile(
    r"(?i)(^|[-_])(password|passwd|secret|token|authorization|api[-_]?key|private[-_]?key|cookie|x-api-key)$"
)
_MAX_BYTES = 64 << 10
_HERE = "the file itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One secret that the configuration asks for, without its value."""

    path: TreePath
    """Where in the file it stands."""
    name: str
    """Where it comes from, for people: ``$API_KEY``, ``the file key.txt``, ``the credential smtp``."""
    present: bool
    """Whether it was found and can be used."""


class Secrets:
    """Fetches secrets while a file is read, and remembers each of them so that it can be hidden.

    ``base`` is the folder of the configuration, ``environment`` holds the variables. With ``required`` false a secret
    that is missing is no problem: commands that only read results do not need the daemon's passwords. With ``hidden``
    false what is fetched is shown: it stands where nothing is secret, such as the location's name.
    """

    def __init__(
        self, base: Path, environment: Mapping[str, str], *, required: bool = True, hidden: bool = True
    ) -> None:
        self._base = base
        self._environment = environment
        self._required = required
        self._hidden = hidden
        self.values: set[str] = set()
        self.sources: list[Source] = []

    def missing_below(self, path: TreePath) -> bool:
        """Whether a secret somewhere under ``path`` was not found."""
        return any(not source.present and source.path[: len(path)] == path for source in self.sources)

    def missing_at(self, path: TreePath) -> bool:
        """Whether a secret at ``path`` itself was not found."""
        return any(not source.present and source.path == path for source in self.sources)

    def resolve(self, tree: Tree, path: TreePath, complain: Complain, *, files: bool = True) -> Tree:
        """The same tree with every secret in its place; ``complain`` is told what could not be found.

        ``files`` says whether ``{file: path}`` is a secret here.
        """
        if isinstance(tree, str):
            known = len(self.sources)
            text = self._variables(tree, path, complain)
            if not (path and isinstance(path[-1], str) and _SECRET_KEY.search(path[-1])):
                return text
            fetched = self.sources[known:]
            if not fetched and "expect" in path and len(text) < SHORTEST:
                return text  # what an answer must be like, such as `Set-Cookie: .*`
            if not fetched and text:
                return self._taken(text, path, _HERE, complain)
            if not fetched and self._required:
                complain(path, "nothing stands here: write the secret, or take the key away")
            if all(source.present for source in fetched):  # what was fetched is hidden, and so is the whole
                self._hide(text)
            return text
        if isinstance(tree, list):
            return [self.resolve(item, (*path, index), complain, files=files) for index, item in enumerate(tree)]
        if isinstance(tree, dict):
            if len(tree) == 1:
                ((key, value),) = tree.items()
                if isinstance(value, str) and (key == "credential" or (key == "file" and files)):
                    return self._fetch(key, value, path, complain)
            return {key: self.resolve(value, (*path, key), complain, files=files) for key, value in tree.items()}
        return tree

    def _variables(self, text: str, path: TreePath, complain: Complain) -> str:
        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name is None:
                return "${"
            if not _NAME.fullmatch(name):
                complain(path, f"'${{{name}}}' names no variable: write ${{NAME}}, or $${{ for a plain ${{")
                return ""
            value = self._environment.get(name)
            if not value:
                self.sources.append(Source(path=path, name=f"${name}", present=False))
                if self._required:
                    how = "is empty" if value == "" else "is not set"
                    complain(
                        path, f"the variable {name} {how}: set it, or write {{file: PATH}} or {{credential: NAME}}"
                    )
                return f"unset-{name}"
            return self._taken(value, path, f"${name}", complain)

        return _VARIABLE.sub(replace, text)

    def _fetch(self, key: str, name: str, path: TreePath, complain: Complain) -> str:
        shown = f"the {key} {name}"
        if key == "credential":
            folder = self._environment.get("CREDENTIALS_DIRECTORY")
            if "/" in name or name in ("", ".", ".."):
                complain(path, f"'{name}' is not the name of a credential: write a plain name, without a slash")
                return ""
            file = Path(folder, name) if folder else None
            why = "there is no CREDENTIALS_DIRECTORY: start under systemd with LoadCredential="
        else:
            file = self._base / name
            why = ""
        try:
            if file is None:
                raise OSError(0, why)
            with file.open("rb") as stream:
                raw = stream.read(_MAX_BYTES + 1)
            if len(raw) > _MAX_BYTES:
                raise OSError(0, "it is larger than 64 KiB")
            value = raw.decode().removesuffix("\n").removesuffix("\r")
            if not value:
                raise OSError(0, "it is empty")
        except UnicodeDecodeError:
            self._absent(path, shown, "it is not UTF-8 text", complain)
            return f"unset-{name}"
        except OSError as error:
            self._absent(path, shown, error.strerror or str(error), complain)
            return f"unset-{name}"
        return self._taken(value, path, shown, complain)

    def _taken(self, value: str, path: TreePath, name: str, complain: Complain) -> str:
        """A secret that was found, to be hidden from now on; one that is too short for that is not used at all."""
        shortest = min(_words(value), key=len)
        usable = len(shortest) >= SHORTEST or not self._hidden
        self.sources.append(Source(path=path, name=name, present=usable))
        if usable:
            self._hide(value)
            return value
        if self._required:
            count = f"{len(shortest)} character{'' if len(shortest) == 1 else 's'}"
            here, otherwise = ("this secret", "") if name == _HERE else (
                f"the secret from {name}", ", or write into this file what is no secret"
            )  # fmt: skip
            complain(
                path,
                f"{here} has {count}, and to hide it would blank out whatever has the same in it: take one of"
                f" {SHORTEST} or more{otherwise}",
            )
        return f"unset-{len(self.sources)}"

    def _absent(self, path: TreePath, shown: str, why: str, complain: Complain) -> None:
        self.sources.append(Source(path=path, name=shown, present=False))
        if self._required:
            complain(path, f"{shown} cannot be read: {why}")

    def _hide(self, value: str) -> None:
        if self._hidden:
            self.values.update(_words(value))


def _words(value: str) -> set[str]:
    """What must not be seen of a secret: itself, and of ``Bearer abc`` the second word alone as well."""
    scheme, _, rest = value.partition(" ")
    schemes = ("bearer", "basic", "token", "digest", "api-key", "apikey")
    return {value, rest.strip()} if rest.strip() and scheme.lower() in schemes else {value}
