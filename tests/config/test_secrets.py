"""Secrets are fetched from where the configuration says, and all of them are known afterwards."""

from pathlib import Path

import pytest

from monitor.config.secrets import Secrets, TreePath
from monitor.config.yamlfile import Tree


class Told(list[tuple[TreePath, str]]):
    """Collects complaints."""

    def __call__(self, path: TreePath, message: str) -> None:
        self.append((path, message))


def resolve(tree: Tree, base: Path, environment: dict[str, str], required: bool = True) -> tuple[Tree, Secrets, Told]:
    told = Told()
    secrets = Secrets(base, environment, required=required)
    return secrets.resolve(tree, ("targets", 0, "http"), told), secrets, told


def test_variables_files_and_credentials_take_their_place(tmp_path: Path) -> None:
    """Each way to name a secret puts its value in place."""
    (tmp_path / "key.txt").write_text("from-file\n")
    (tmp_path / "cred").mkdir()
    (tmp_path / "cred/smtp").write_text("from-credential")
    tree: Tree = {
        "headers": {"X-Api-Key": "${API_KEY}", "Accept": "text/${API_KEY}"},
        "password": {"file": "key.txt"},
        "other": [{"credential": "smtp"}],
        "plain": "$${API_KEY} costs $5",
    }
    environment = {"API_KEY": "from-env", "CREDENTIALS_DIRECTORY": str(tmp_path / "cred")}
    resolved, secrets, told = resolve(tree, tmp_path, environment)
    assert resolved == {
        "headers": {"X-Api-Key": "from-env", "Accept": "text/from-env"},
        "password": "from-file",
        "other": ["from-credential"],
        "plain": "${API_KEY} costs $5",
    }
    assert secrets.values == {"from-env", "from-file", "from-credential"}
    assert not told
    assert [(s.name, s.present) for s in secrets.sources] == [
        ("$API_KEY", True),
        ("$API_KEY", True),
        ("the file key.txt", True),
        ("the credential smtp", True),
    ]


def test_what_stands_in_the_file_itself_is_a_secret_too(tmp_path: Path) -> None:
    """A password written into the file, and the token behind its scheme, are hidden like any other."""
    tree: Tree = {"password": "hunter2", "headers": {"Authorization": "Bearer abc.def"}, "username": "u"}
    _, secrets, _ = resolve(tree, tmp_path, {})
    assert secrets.values == {"hunter2", "Bearer abc.def", "abc.def"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("${NONE}", "the variable NONE is not set: set it, or write {file: PATH} or {credential: NAME}"),
        ("${EMPTY}", "the variable EMPTY is empty: set it, or write {file: PATH} or {credential: NAME}"),
        ("${no name}", "'${no name}' names no variable: write ${NAME}, or $${ for a plain ${"),
        ({"file": "none.txt"}, "the file none.txt cannot be read: No such file or directory"),
        ({"file": "empty.txt"}, "the file empty.txt cannot be read: it is empty"),
        ({"file": "binary"}, "the file binary cannot be read: it is not UTF-8 text"),
        ({"file": "large"}, "the file large cannot be read: it is larger than 64 KiB"),
        ({"credential": "smtp"}, "the credential smtp cannot be read: there is no CREDENTIALS_DIRECTORY: start under "
         "systemd with LoadCredential="),
        ({"credential": "../x"}, "'../x' is not the name of a credential: write a plain name, without a slash"),
    ],
)  # fmt: skip
def test_what_is_absent_is_told(tmp_path: Path, value: Tree, said: str) -> None:
    """A secret that cannot be fetched is told with its place and what to do."""
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    _, secrets, told = resolve({"key": value}, tmp_path, {"EMPTY": ""})
    assert told == [(("targets", 0, "http", "key"), said)]
    assert not secrets.values


def test_commands_that_only_read_need_no_secrets(tmp_path: Path) -> None:
    """Where secrets are optional, one that is absent is noted and no problem."""
    _, secrets, told = resolve({"key": "${NONE}", "k2": {"file": "gone"}}, tmp_path, {}, required=False)
    assert not told
    assert [source.present for source in secrets.sources] == [False, False]
    assert secrets.missing_at(("targets", 0, "http", "key"))
    assert secrets.missing_below(("targets", 0))
    assert not secrets.missing_below(("targets", 1))
