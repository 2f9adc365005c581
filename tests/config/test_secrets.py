"""Secrets are fetched from where the configuration says, and all of them are known afterwards."""

import base64
import itertools
from pathlib import Path
from urllib.parse import quote

import pytest

from monitor.config.load import ConfigProblems, load
from monitor.config.secrets import Secrets, TreePath
from monitor.config.yamlfile import Tree
from probes._redact import Redactor


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
        ("${SHORT}", "the secret from $SHORT has 1 character, and to hide it would blank out whatever has the same in"
         " it: take one of 4 or more, or write into this file what is no secret"),
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
    _, secrets, told = resolve({"key": value}, tmp_path, {"EMPTY": "", "SHORT": "a"})
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


def test_a_secret_that_cannot_be_hidden_is_not_used(tmp_path: Path) -> None:
    """Where secrets are optional, one that is too short is as good as absent: what is shown stays readable."""
    tree: Tree = {"password": "${PW}", "token": "ab", "headers": {"Authorization": "Bearer ${PW}"}}
    resolved, secrets, told = resolve(tree, tmp_path, {"PW": "a"}, required=False)
    assert not told
    assert not secrets.values
    assert isinstance(resolved, dict)
    assert "ab" not in resolved.values()
    assert "a" not in resolved.values()
    assert [source.present for source in secrets.sources] == [False, False, False]


def test_what_is_expected_of_an_answer_may_be_short(tmp_path: Path) -> None:
    """A pattern is no secret, even for a header that has one."""
    tree: Tree = {"expect": {"headers": {"Set-Cookie": ".*", "Cookie": ""}}}
    resolved, secrets, told = resolve(tree, tmp_path, {})
    assert (resolved, secrets.values, told) == (tree, set(), [])


def test_what_is_no_secret_is_shown(tmp_path: Path) -> None:
    """Nothing at the top of the file is secret: a name of three letters, or a port, may come from a variable."""
    path = tmp_path / "monitor.yaml"
    path.write_text("location: ${PLACE}\nlisten: 127.0.0.1:${PORT}\n")
    config = load(path, environment={"PLACE": "fra", "PORT": "80"})
    assert (config.location, config.listen) == ("fra", ("127.0.0.1", 80))
    assert config.redactor("from fra, 80 ms") == "from fra, 80 ms"
    assert config.secrets == ()


def test_a_problem_does_not_quote_a_secret(tmp_path: Path) -> None:
    """Whoever puts a password in the wrong place finds it neither on the terminal nor, after a reload, in the log."""
    path = tmp_path / "monitor.yaml"
    path.write_text('targets: [{name: a, tcp: {host: h.example, port: "${PW}", tls: {ca: {file: key.txt}}}}]\n')
    (tmp_path / "key.txt").write_text("another-word")
    with pytest.raises(ConfigProblems) as caught:
        load(path, environment={"PW": "s3cret-word"})
    told = str(caught.value)
    assert "'[redacted]' is not a whole number" in told
    assert "another-word" not in told
    assert "s3cret-word" not in told


@pytest.mark.parametrize("secret", ["k7#q", "test", "é7q#", "s3cret-word"])
def test_the_shortest_secret_is_hidden_in_every_disguise(secret: str) -> None:
    """Beside any text before and after it, encoded together with it or alone."""
    hide = Redactor([secret])
    raw = secret.encode()
    for before, after in itertools.product((b"", b"u:", b"\0user\0", b"abc"), (b"", b"!", b"\0more")):
        coded = base64.b64encode(before + raw + after).decode()
        assert "[redacted]" in hide(f"AUTH PLAIN {coded}"), coded
        assert "[redacted]" in hide((before + raw + after).hex())
        assert "[redacted]" in hide(quote(before + raw + after))
    assert hide("AUTH PLAIN") == "AUTH PLAIN"
