"""YAML files: scalars are text, everything has its place, and nothing can be smuggled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.yamlfile import Problems, load, loads


def problems(text: str) -> list[str]:
    with pytest.raises(Problems) as raised:
        loads(text, "x.yaml")
    return str(raised.value).splitlines()


def test_every_scalar_is_text() -> None:
    """Norway, noon, an offset, a decimal and a date stay what was written; only a plain null or nothing is None."""
    document = loads(
        "a: NO\nb: 12:30\nc: +10:00\nd: 89.90\ne: 2026-10-01\nf: yes\ng: 0x10\nh: 1_000\ni: ~\nj:\nk: null\n"
        'l: "null"\nm: \'\'\nn: [on, -06:00, {x: 1e3}]\no: "mon-fri"\n',
        "x.yaml",
    )
    assert document.data == {
        "a": "NO", "b": "12:30", "c": "+10:00", "d": "89.90", "e": "2026-10-01", "f": "yes", "g": "0x10",
        "h": "1_000", "i": None, "j": None, "k": None, "l": "null", "m": "", "n": ["on", "-06:00", {"x": "1e3"}],
        "o": "mon-fri",
    }  # fmt: skip


def test_everything_has_its_place() -> None:
    """A value, a key, an entry of a list; what is not there has the place of what should hold it."""
    document = loads("a: 1\nb:\n  - x: 2\n  - {y: three, z: }\n", "x.yaml")
    assert document.place(("a",)) == (1, 4)
    assert document.place(("a",), key=True) == (1, 1)
    assert document.place(("b", 0, "x")) == (3, 8)
    assert document.place(("b", 1, "y")) == (4, 9)
    assert document.place(("b", 1, "z")) == (4, 16)
    assert document.place(("b", 1, "missing")) == (4, 5)
    assert document.place(("b", 7)) == (3, 3)
    assert document.place(("nothing",)) == (1, 1)
    assert str(document.problem(("b", 1, "y"), "is wrong")) == "x.yaml:4:9: is wrong"
    assert loads("", "x.yaml").place(("a",)) == (1, 1)


def test_duplicate_keys_are_refused() -> None:
    """The first is named; those of different mappings are no duplicates."""
    assert problems("a: 1\nb: {c: 1, c: 2}\na: 3\n") == [
        "x.yaml:2:11: 'c' stands here a second time, first on line 2: keep one",
        "x.yaml:3:1: 'a' stands here a second time, first on line 1: keep one",
    ]
    assert loads("a: {c: 1}\nb: {c: 1}\n", "x.yaml").data == {"a": {"c": "1"}, "b": {"c": "1"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object:os.system x", "x.yaml:1:4: carries the tag"),
        ("a: !secret x", "x.yaml:1:4: carries the tag !secret: tags mean nothing here, take it away"),
        ("a: &a [*a]", "x.yaml:1:4: holds itself by an alias: write it out"),
        ("a: *b", "x.yaml:1:4: is not YAML: found undefined alias"),
        ("a: 1\n---\nb: 2", "x.yaml:2:1: is not YAML: but found another document"),
        ("? [a, b]\n: c", "x.yaml:1:3: a key must be text"),
        ("a: [1", "x.yaml:1:6: is not YAML: "),
        ("a: \x07", "x.yaml: is not YAML: "),
        ('a: "x\\ud800"', "x.yaml:1:4: holds half a character: write the character itself"),
        ("[" * 200, "x.yaml:1:51: is nested deeper than 50 levels"),
        ("\ta: 1", "x.yaml:1:1: is not YAML: "),
    ],
)
def test_what_may_not_stand_in_a_file(text: str, message: str) -> None:
    """Tags, loops, several documents, keys that are not text, and what is not YAML: with the place."""
    assert problems(text)[0].startswith(message)


def test_aliases_may_be_used_but_not_to_blow_a_file_up() -> None:
    """Ten lines that unfold into a thousand million values are refused at once."""
    assert loads("a: &x [1]\nb: *x\n", "x.yaml").data == {"a": ["1"], "b": ["1"]}
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
    )
    (message,) = problems(bomb)
    assert "unfolds into more than 200,000 values" in message


def test_a_file_of_json_is_read() -> None:
    """JSON is YAML, and writes a character beyond U+FFFF as two escapes."""
    assert loads('{"a": "\\ud83d\\ude00", "b": ["\\u00e9"]}', "x.json").data == {"a": "\U0001f600", "b": ["é"]}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """One that is not there, one that is not UTF-8, one that is far too long."""
    for name, content, message in (
        ("none.yaml", None, "none.yaml: cannot be read: No such file or directory"),
        ("latin.yaml", b"a: 1\nb: \xe9\n", "latin.yaml:2: is not UTF-8: save the file as UTF-8"),
        ("long.yaml", b"a: 1\n" * 1_000_000, "long.yaml: is larger than 4 MiB"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(Problems) as raised:
            load(tmp_path / name, name=name)
        assert str(raised.value) == message
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load(tmp_path / "bom.yaml").data == {"a": "1"}
