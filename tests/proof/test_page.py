"""The verifying page in Chromium: it judges as Python does, refuses what is falsified, and uses no network."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.proof.note import SeedSigner
from monitor.proof.segment import DAY_MS, Row
from monitor.proof.verify import Known, verify
from monitor.proving.recount import recount
from monitor.times import iso
from monitor.verifier import page
from tests.proof import tamper
from tests.proof.browser import campaign, opened, verify_in
from tests.proof.world import CONTRACT_TEXT, SIGNER, World
from tests.servers.chromium import launch
from tests.sla.strategies import Case, cases
from tests.sla.test_bruteforce import evaluation_of

KNOWN = Known(keys=(SIGNER.key,))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium."""
    with launch() as found:
        yield found


@pytest.fixture(scope="module")
def shown(browser: Any) -> Iterator[Any]:
    """The page, open."""
    with opened(browser, color_scheme="light") as found:
        yield found


@pytest.fixture(scope="module")
def real() -> bytes:
    """A bundle of three days by the real arithmetic, with exclusions, one stated on one of the two days after."""
    start = World().start
    spans = [
        {"start": start - DAY_MS, "end": start + 7_200_000, "reason": "customer_error"},
        {"start": start + DAY_MS, "end": start + DAY_MS + 7_200_000, "reason": "customer_error", "services": ["api"]},
    ]
    spans.append({**spans[0], "start": start + 3 * DAY_MS, "end": start + 3 * DAY_MS + 1000})
    return World(later=2, exclusions=spans, failing=0.2).real_bundle()


def test_the_page_finds_what_python_finds(shown: Any, real: bytes) -> None:
    """Each step comes out the same."""
    verdict = verify(real, KNOWN, recount)
    assert [step.text for step in verdict.steps if step.state == "bad"] == []
    found = verify_in(shown, real)
    assert found["status"] == verdict.status == "VALID BUT"
    assert [step[:2] for step in found["steps"]] == [[step.name, step.state] for step in verdict.steps]
    assert not shown.trouble


def test_a_supplement_and_a_contract(shown: Any) -> None:
    """What came late counts; the contract given is compared; a stranger's key is refused."""
    world = World()
    slot = world.entries[1].shown["mailer"].segments[0].gaps[0].start
    world.supplement("2026-10-02", [Row(slot + 3, 50, True, "ok", 200), Row(slot + 3_600_003, 51, True, "timeout")])
    bundle = world.real_bundle()
    assert verify(bundle, KNOWN, recount).status == verify_in(shown, bundle)["status"] == "VALID BUT"
    same = verify_in(shown, bundle, contract=CONTRACT_TEXT)
    assert ["contract", "good", "contract_same"] in [step[:3] for step in same["steps"]]
    other = verify_in(shown, bundle, contract=CONTRACT_TEXT.replace("99.9%", "98%"))
    assert [step[3] for step in other["steps"] if step[1] == "bad"] == ["mailer: 4"]
    assert verify_in(shown, bundle, key=str(SeedSigner("x", b"\x05" * 32).key))["status"] == "INVALID"


def test_several_targets_and_locations(shown: Any) -> None:
    """Two targets of a service from three locations are joined as the contract says."""
    text = CONTRACT_TEXT.replace("{target: 99.9%}", "{target: 99.9%, down_when: all}")
    terms = {
        "name": "mailer", "title": "Mailer service level agreement",
        "services": {"api": {"target": "99.9%", "down_when": "all"}}, "availability": {"unit": "time"},
    }  # fmt: skip
    bundle = World(
        targets=("api", "smtp"), locations=("ams", "fra", "nyc"), text=text, terms=terms, failing=0.5
    ).real_bundle()
    assert verify(bundle, KNOWN, recount).status == verify_in(shown, bundle)["status"] == "VALID BUT"


EVALUATE = """(cases) => cases.map(({config, inputs, series, start, to}) => {
  const tidied = series.map((one) => ({target: one.target, location: one.location,
    observations: tidy(one.at, one.at.map((_, i) => i), one.kinds)}));
  return evaluateServices(config, inputs, tidied, start, to).map((one) => ({
    target: one.target, unit: one.unit, availability: one.availability, worst_case: one.worst_case,
    coverage: one.coverage, counted: one.counted, out_of: one.out_of, unknown: one.unknown,
    excluded_ms: one.excluded_ms, verdict: one.verdict,
    service: one.service, outages: one.outages.map((o) => ({start: new Date(o.start).toISOString(),
      end: new Date(o.end).toISOString(), counted_ms: o.counted_ms, outcome: o.outcome}))}));
})"""


def as_page_takes_it(case: Case) -> dict[str, Any]:
    """A random case of the arithmetic's tests as the page reads one from a bundle."""
    series: dict[tuple[str, str], dict[str, Any]] = {}
    for at, target, location, scheduled, outcome, *_ in case.rows:
        one = series.setdefault((target, location), {"target": target, "location": location, "at": [], "kinds": []})
        one["at"].append(at)
        one["kinds"].append([int(scheduled), outcome])
    times = ("start", "end", "at", "announced")
    inputs = {
        kind: [{k: iso(v) if k in times and v is not None else v for k, v in row.items()} for row in rows]
        for kind, rows in case.events.items()
    }
    targets = [
        {"name": t["name"], "service": t["service"], "interval_ms": t["interval"], "stale_after_ms": t["stale"]}
        for t in case.targets
    ]
    config = {"terms": case.contract, "targets": targets}
    return {
        "config": config,
        "inputs": inputs,
        "series": list(series.values()),
        "start": case.period[0],
        "to": case.period[2],
    }


@settings(max_examples=4, deadline=None, database=None)
@given(many=st.lists(cases(), min_size=60, max_size=60))
def test_the_page_counts_as_the_arithmetic_does(many: list[Case]) -> None:
    """Every figure of every service is the arithmetic's, whatever the contract's terms."""
    page_in_use = _page()
    found = page_in_use.evaluate(EVALUATE, [as_page_takes_it(case) for case in many])
    for case, services in zip(many, found, strict=True):
        wanted = evaluation_of(case).answer()["services"]
        for one in wanted:
            for outage in one["outages"]:
                del outage["claim_by"]
        assert services == wanted


_OPEN: list[Any] = []


def _page() -> Any:
    return _OPEN[0]


@pytest.fixture(autouse=True)
def _in_use(shown: Any) -> Iterator[None]:
    _OPEN[:] = [shown]
    yield
    _OPEN.clear()


MIDNIGHTS = """(asked) => asked.map(([zone, period, day, name]) =>
  periodBounds({timezone: zone, period}, {billing_day: day}, name))"""


def test_periods_begin_and_end_where_they_do(shown: Any) -> None:
    """Months of places whose clocks change, also at midnight, have the bounds that the arithmetic gives them."""
    from monitor.sla.period import bounds

    zones = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "America/Havana", "Asia/Kolkata", "+05:30",
             "-11:00", "Australia/Lord_Howe", "Pacific/Apia"]  # fmt: skip
    asked = [
        (zone, kind, day, f"{year}-{month:02d}")
        for zone in zones
        for kind, day in (("calendar_month", 1), ("billing_month", 29))
        for year, month in itertools.product((2017, 2026), (2, 3, 10, 11))
    ]
    found = shown.evaluate(MIDNIGHTS, [list(one) for one in asked])
    assert found == [list(bounds(kind, zone, day, name)) for zone, kind, day, name in asked]


def test_falsifications_show_in_the_browser(shown: Any, real: bytes) -> None:
    """A part of the campaign (the whole: make campaign-proof): the page refuses each and says where."""
    cases_ = itertools.chain(
        tamper.flips(real, step=61), tamper.cuts(real), tamper.rows(real, step=37), tamper.events(real),
        tamper.chain(real), tamper.words(real), tamper.evaluation(real),
    )  # fmt: skip
    assert campaign(shown, real, list(cases_)) == []


def test_the_fallback_verifies_as_the_browser_does(shown: Any) -> None:
    """Ed25519 in plain JavaScript takes the same signatures as the browser's own, and the hashes are the standard's."""
    script = """async ([key, signature, data]) => {
      const [k, s, d] = [unhex(key), unhex(signature), unhex(data)], out = [];
      for (const bytes of [s, s.map((b, i) => i === 3 ? b ^ 1 : b), s.map((b, i) => i === 40 ? b ^ 1 : b)])
        out.push([ed25519Plain(k, bytes, d), await ed25519(k, bytes, d)]);
      return [out, hex(sha256(d)), hex(sha512(d)), hex(hmacSha256(k, d)), ed25519Plain(k, s, concat(d, d))];
    }"""
    for size in (0, 55, 56, 64, 111, 112, 200):
        data = bytes(range(size))
        signer = SeedSigner("a", bytes([size]) * 32)
        out, short, long, mac, other = shown.evaluate(
            script, [signer.key.public.hex(), signer.sign(data).hex(), data.hex()]
        )
        assert out == [[True, True], [False, False], [False, False]]
        import hmac

        assert (short, long) == (hashlib.sha256(data).hexdigest(), hashlib.sha512(data).hexdigest())
        assert mac == hmac.digest(signer.key.public, data, "sha256").hex()
        assert other is (size == 0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_the_page_is_accessible_in_both_languages_and_lights(
    browser: Any, real: bytes, tmp_path: Path, theme: Any, locale: str
) -> None:
    """A file that is chosen is verified and shown, in the browser's language, without a fault that axe finds."""
    file = tmp_path / "mailer-2026-10.slaproof"
    file.write_bytes(real)
    with opened(browser, color_scheme=theme, locale=locale, viewport={"width": 1100, "height": 1500}) as found:
        found.set_input_files("#file", str(file))
        found.wait_for_selector("#verdict.but")
        words = found.inner_text("main")
        assert ("Gültig, aber" if locale == "de-DE" else "Valid, but") in words
        assert "undefined" not in words
        assert "{" not in words
        results = Axe().run(found)
        assert results.violations_count == 0, results.generate_report()
        assert not found.trouble


def test_every_sentence_stands_in_both_languages(shown: Any) -> None:
    """The two tables of words have the same keys and the same names to fill in."""
    names = "(text) => (text.match(/{\\w+}/g) || []).sort()"
    script = f"Object.values(WORDS).map((all) => Object.entries(all).map(([key, text]) => [key, ({names})(text)]))"
    english, german = (dict(words) for words in shown.evaluate(script))
    assert english == german


def test_the_page_is_whole() -> None:
    """One file that names no address to fetch from, and whose policy forbids all but its own script."""
    text = page()
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert "default-src 'none'" in text
    assert "{{" not in text
