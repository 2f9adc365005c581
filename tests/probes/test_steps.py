"""Sequences of requests: cookies and values are passed on, and the step that failed is named."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

import probes
from probes._cookies import Cookies
from probes._outcome import Outcome
from probes._url import parse
from tests.probes.running import ask, told
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import http_response

SESSION = "session-9f8e7d6c"


def application() -> Misbehaving:
    form = http_response(b'<input name="csrf" value="tok&en-123456">', "Set-Cookie: pre=1; Path=/; HttpOnly")
    logged_in = http_response(b"", "Location: /home", f"Set-Cookie: sid={SESSION}; Path=/", status="302 Found")
    return Misbehaving(
        "http",
        replies={
            b"GET /login": form,
            b"POST /login": logged_in,
            b"GET /home": http_response(b'{"user": "me", "inbox": "/inbox/5"}'),
            b"GET /inbox/5": http_response(b"3 messages"),
        },
    )


def journey(server: Misbehaving) -> list[dict[str, object]]:
    return [
        {"name": "open", "url": server.url("/login"), "capture": {"csrf": {"regex": 'value="([^"]*)"'}}},
        {
            "name": "log in",
            "url": "/login",
            "form": {"user": "me", "password": "pw-secret", "csrf": "{{csrf}}"},
            "expect": {"json": {"$.user": "me"}},
            "capture": {"inbox": {"json": "$.inbox"}},
        },
        {"name": "inbox", "url": "{{inbox}}", "headers": {"X-Token": "{{ csrf }}"}, "expect": {"body": "messages"}},
    ]


async def test_log_in_open_check() -> None:
    """Cookies follow redirects and steps, values stand where they are named, and none is shown."""
    with application() as server:
        result = await ask("steps", steps=journey(server), secrets=("pw-secret",))
        assert result.outcome == Outcome.OK, told(result)
        first, login, home, inbox = server.requests
        assert b"Cookie" not in first
        assert b"Cookie: pre=1\r\n" in login
        assert login.endswith(b"user=me&password=pw-secret&csrf=tok%26en-123456")
        assert f"Cookie: pre=1; sid={SESSION}\r\n".encode() in home
        assert b"GET /inbox/5 " in inbox
        assert b"X-Token: tok&en-123456\r\n" in inbox
    text = told(result)
    for secret in ("pw-secret", SESSION, "tok&en-123456", "tok%26en-123456"):
        assert secret not in text, text
    assert [phase.name for phase in result.phases if phase.name.startswith("step")] == ["step 1", "step 2", "step 3"]


async def test_the_step_that_failed_is_named() -> None:
    """The detail begins with the step's name; later steps are not made."""
    with application() as server:
        steps = journey(server)
        steps[1]["expect"] = {"json": {"$.user": "you"}}
        result = await ask("steps", steps=steps)
        assert (result.outcome, result.detail) == (Outcome.WRONG_ANSWER, 'log in: $.user is "me", expected you')
        assert result.facts["step"] == "log in"
        assert len(server.requests) == 3
        steps[0]["capture"] = {"csrf": {"header": "X-None"}}
        result = await ask("steps", steps=steps)
        assert (result.outcome, result.detail) == (Outcome.WRONG_ANSWER, "open: csrf is not in the answer")


@pytest.mark.parametrize("value", [b"a\r\nX-Evil: 1", b"a b"])
async def test_values_cannot_break_out_of_their_place(value: bytes) -> None:
    """A captured value with line ends is refused in a header, quoted in an address and escaped in JSON."""
    answer = http_response(b'"' + value + b'"')
    capture = {"v": {"regex": '(?s)"(.*)"'}}
    with Misbehaving("http", replies={b"GET /a": answer}) as server:
        first = {"url": server.url("/a"), "capture": capture}
        result = await ask("steps", steps=[first, {"url": "/b", "headers": {"X": "{{v}}"}}])
        assert result.outcome == (Outcome.WRONG_ANSWER if b"\r" in value else Outcome.OK)
        result = await ask("steps", steps=[first, {"url": "/b?x={{v}}", "json": '{"v": "{{v}}"}'}])
        assert result.outcome == Outcome.OK
        assert b"\r\nX-Evil" not in server.requests[-1]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "at least 1 item"),
        ([{"url": "/a"}], "is not a web address"),
        ([{"url": "http://a/{{x}}"}], "step 1 needs {{x}}, which no step before it captures"),
        ([{"url": "http://a", "capture": {"x": {"json": "$["}}}], "is not a JSONPath"),
    ],
)
def test_settings_that_are_refused(steps: list[object], words: str) -> None:
    """A value that nobody captures is known when the configuration is read."""
    with pytest.raises(ValidationError, match=words.replace("{", r"\{")):
        probes.load("steps").Target.model_validate({"steps": steps})


def test_cookies_go_only_where_they_belong() -> None:
    """Domain, path and Secure bound a cookie; a foreign domain is refused; an expired one is forgotten."""
    jar = Cookies()
    here = parse("https://app.example/a/b")
    for header in ("one=1", "two=2; Path=/", "three=3; Domain=example; Secure", "four=4; Domain=evil.test", "bad"):
        jar.take(here, header)
    assert jar.header(parse("https://app.example/a/c")) == "one=1; three=3; two=2"
    assert jar.header(parse("http://app.example/x")) == "two=2"
    assert jar.header(parse("https://other.example/a/c")) == "three=3"
    assert jar.header(parse("https://notexample/a/c")) == ""
    jar.take(here, "two=; Max-Age=0; Path=/")
    assert "two" not in jar.header(here)
    assert jar.take(here, "x=a\x01b") is None
