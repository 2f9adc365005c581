"""Which message is told, to whom, and when."""

from fractions import Fraction
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from monitor.judgement.standing import BudgetNow
from monitor.notify.conditions import Condition, burning
from monitor.notify.engine import Known, step
from monitor.notify.settings import NotifySettings
from monitor.notify.text import compose, together
from monitor.notify.watch import budget_text
from monitor.times import parse

NOW = parse("2026-10-09T23:30:00Z")
OUTAGE = Condition(
    kind="outage",
    key="outage/mailgun/api/1",
    since=NOW - 5_000,
    contract="mailgun",
    service="api",
    facts={"outcome": "server_error", "detail": "HTTP 503", "budget": "1 min of 4 min 19 s left"},
    path="/services/mailgun/api",
)
CERTIFICATE = Condition(
    kind="certificate",
    key="certificate/site/1",
    since=NOW,
    facts={"target": "site", "days": 9, "not_after": "2026-10-18"},
)


def settings(**more: object) -> NotifySettings:
    channels = [
        {"name": "ops", "mail": {"host": "127.0.0.1", "from": "a@example.org", "to": "b@example.org"}},
        {"name": "boss", "webhook": {"url": "https://127.0.0.1/hook"}, "escalation": True},
        {"name": "sms", "apprise": {"url": "json://127.0.0.1"}, "contracts": ["clicksend"]},
    ]
    return NotifySettings.model_validate({"channels": channels, "group_wait": "10s", **more})


def test_a_condition_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    """Looking again tells nothing; only channels that want it are told."""
    told, known = step(settings(), {}, [OUTAGE], NOW)
    assert [(t.channel, t.change, t.not_before) for t in told] == [("ops", "began", NOW + 10_000)]
    again, known = step(settings(), known, [OUTAGE], NOW + 1000)
    assert again == []
    ended, known = step(settings(), known, [], NOW + 2000)
    assert [(t.channel, t.change) for t in ended] == [("ops", "ended")]
    assert known == {}


def test_a_restart_forgets_nothing_and_repeats_nothing() -> None:
    """What was known is read back as it was; the same condition has the same key."""
    told, known = step(settings(), {}, [OUTAGE], NOW)
    back = {key: Known.from_json(one.as_json()) for key, one in known.items()}
    assert back == known
    assert step(settings(), back, [OUTAGE], NOW + 1000)[0] == []
    assert [t.change for t in step(settings(), back, [], NOW + 1000)[0]] == ["ended"]
    assert told[0].key == step(settings(), {}, [OUTAGE], NOW + 99)[0][0].key


def test_what_cannot_be_seen_is_not_over() -> None:
    """Right after a start the judgement is not known yet: nothing has ended by that."""
    _, known = step(settings(), {}, [OUTAGE], NOW)
    told, kept = step(settings(), known, [], NOW + 1000, unsure=["outage/"])
    assert told == []
    assert kept == known


def test_quiet_hours_hold_back_what_is_not_critical() -> None:
    """An outage goes out at night, a certificate waits for the morning of the zone named."""
    quiet = settings(quiet_hours={"hours": "22:00-07:00", "timezone": "Europe/Berlin"})
    told, _ = step(quiet, {}, [OUTAGE, CERTIFICATE], NOW)
    assert [(t.condition.kind, t.not_before) for t in told] == [
        ("outage", NOW + 10_000),
        ("certificate", parse("2026-10-10T05:00:00Z")),
    ]
    noon, _ = step(quiet, {}, [CERTIFICATE], parse("2026-10-09T12:00:00Z"))
    assert noon[0].not_before == parse("2026-10-09T12:00:10Z")


def test_an_escalation_tells_the_next_once() -> None:
    """After its time, further channels; never twice."""
    steps = settings(escalation=[{"after": "15m", "channels": ["boss"]}, {"after": "1h", "channels": ["boss", "ops"]}])
    _, known = step(steps, {}, [OUTAGE], NOW)
    early, known = step(steps, known, [OUTAGE], NOW + 14 * 60_000)
    assert early == []
    first, known = step(steps, known, [OUTAGE], NOW + 15 * 60_000)
    assert [(t.channel, t.change) for t in first] == [("boss", "escalated")]
    assert step(steps, known, [OUTAGE], NOW + 16 * 60_000)[0] == []
    second, known = step(steps, known, [OUTAGE], NOW + 60 * 60_000)
    assert {t.channel for t in second} == {"boss", "ops"}
    assert len({t.key for t in first + second}) == 3, "each step's message has a key of its own"


@pytest.mark.parametrize(
    ("rates", "kinds"),
    [
        ({"1h": 15.0, "5m": 20.0}, {"burn_fast"}),
        ({"1h": 15.0, "5m": 0.0}, set()),
        ({"6h": 7.0, "30m": 6.0, "3d": 2.0}, {"burn_fast", "burn_slow"}),
        ({"3d": 1.5, "6h": 1.0}, {"burn_slow"}),
        ({"3d": 1.5, "6h": None}, set()),
    ],
)
def test_burn_rates_are_told_when_both_windows_burn(rates: dict[str, float | None], kinds: set[str]) -> None:
    """A long window alone may be over already, a short one alone may be nothing."""
    assert set(burning(rates)) == kinds


def test_a_message_says_what_since_when_the_cost_and_where() -> None:
    """Everything that one needs at three in the morning."""
    body = Known(condition=OUTAGE, told_at=NOW).as_json()["condition"]
    text = compose("began", body, NOW, "https://status.example/")
    assert text.subject == "mailgun api is down"
    assert "since 2026-10-09 23:29:55.000 UTC" in text.body
    assert "server_error: HTTP 503" in text.body
    assert "Error budget: 1 min of 4 min 19 s left." in text.body
    assert text.body.endswith("https://status.example/services/mailgun/api\n")
    ended = {**body, "facts": {**body["facts"], "ended": NOW + 60_250, "counted_ms": 61_000}}
    over = compose("ended", ended, NOW + 90_000, None)
    assert over.subject == "Over: mailgun api was down for 1 min 5 s"
    assert "Over since: 2026-10-09 23:31:00.250 UTC, after 1 min 5.25 s\n" in over.body
    assert "Counted under the contract: 1 min 1 s\n" in over.body
    unseen = compose("ended", {**ended, "facts": {**ended["facts"], "unseen": True}}, NOW + 90_000, None)
    assert unseen.subject == "Out of sight: mailgun api was down for 1 min 5 s"
    assert "Seen down until: 2026-10-09 23:31:00.250 UTC, after 1 min 5.25 s; then nothing was known" in unseen.body
    assert "Over" not in unseen.body
    gone = {**body, "facts": {**body["facts"], "withdrawn": True}}
    assert "stands no more" in compose("ended", gone, NOW + 90_000, None).body
    assert together([text, over]).subject == "mailgun api is down (and 1 more)"


@pytest.mark.parametrize(
    ("days", "said"),
    [(9, "ends in 9 days"), (1, "ends in 1 day"), (0, "ends within a day"), (-3, "has expired")],
)
def test_a_certificate_ends_in_plain_words(days: int, said: str) -> None:
    """The last day and what is over already are said as people say them."""
    condition = {**Known(condition=CERTIFICATE, told_at=NOW).as_json()["condition"]}
    condition["facts"] = {**condition["facts"], "days": days}
    text = compose("began", condition, NOW, None)
    assert text.subject == f"Certificate of site {said}"
    assert "valid until 2026-10-18 UTC" in text.body


@pytest.mark.parametrize(
    ("unit", "allowed", "used", "said"),
    [
        ("time", 259_200, 129_600, "2 min 9 s of 4 min 19 s left"),
        ("time", 259_200, 459_900, "3 min 20 s beyond the 4 min 19 s allowed"),
        ("time", 0, 60_000, "none is allowed; 1 min used"),
        ("check", 86, 1, "85 of 86 checks left"),
        ("check", 86, 90, "4 beyond the 86 checks allowed"),
        ("check", 0, 2, "none is allowed; 2 checks used"),
        ("time", 0, 0, "none is allowed, none used"),
    ],
)
def test_a_budget_says_how_far_it_is_overdrawn(unit: str, allowed: int, used: int, said: str) -> None:
    """What is left, or how much beyond it is: never “0 s of 4 min left”."""
    service = SimpleNamespace(
        budget=BudgetNow(allowed=Fraction(allowed), used=used), current=SimpleNamespace(unit=unit)
    )
    assert budget_text(service) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"channels": [{"name": "a"}]}, "needs exactly one of mail, webhook and apprise"),
        (
            {"channels": [], "escalation": [{"after": "5m", "channels": ["x"]}]},
            "names the channel 'x', which is not there",
        ),
        ({"quiet_hours": {"hours": "25:00-07:00"}}, "write them as 22:00-07:00"),
        ({"quiet_hours": {"hours": "22:00-07:00", "timezone": "Berlin"}}, "is not a timezone"),
        ({"channels": [{"name": "a", "apprise": {"url": "x://y"}, "kinds": ["fire"]}]}, "'fire' is no kind of message"),
    ],
)
def test_mistakes_are_named(block: dict[str, object], message: str) -> None:
    """What is wrong, and what to write instead."""
    with pytest.raises(ValidationError, match=message):
        NotifySettings.model_validate(block)
