"""The API: strict in what it reads, exact in what it answers, and described by a document that holds."""

from __future__ import annotations

import csv
import io
import json

import pytest
from aiohttp.test_utils import TestClient

from monitor.sla.values import Observation
from monitor.times import iso, parse
from monitor.web.openapi import SCHEMAS
from monitor.web.ports import Source
from tests.web.month import NOW


async def get(client: TestClient, path: str, status: int = 200, **query: str) -> object:
    async with client.get(f"/api/v1{path}", params=query) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None)


async def test_the_answer_for_a_period_is_that_of_the_judge(client: TestClient, shared: Source) -> None:
    """Pages, API and proof read one judgement: the call answers exactly Evaluation.answer()."""
    found = await get(client, "/contracts/mailgun/periods/2026-10")
    assert found == json.loads(json.dumps(shared.judge.evaluate("mailgun", "2026-10").answer()))


async def test_availability_is_listed_by_contract_and_service(client: TestClient) -> None:
    """Without a period it is the one that runs in each contract."""
    items = (await get(client, "/availability"))["items"]  # type: ignore[index]
    assert len(items) == 9
    assert {(i["contract"], i["period"]["name"]) for i in items} >= {("mailgun", "2026-10"), ("mailpro", "2026-10")}
    one = (await get(client, "/availability", contract="mailgun", service="smtp"))["items"]  # type: ignore[index]
    assert [i["service"] for i in one] == ["smtp"]


async def test_availability_as_csv_has_the_same_figures(client: TestClient) -> None:
    """A spreadsheet gets what a program gets."""
    async with client.get("/api/v1/availability", params={"format": "csv", "contract": "mailgun"}) as answer:
        lines = list(csv.DictReader(io.StringIO(await answer.text())))
    items = (await get(client, "/availability", contract="mailgun"))["items"]  # type: ignore[index]
    assert [line["availability"] for line in lines] == [item["availability"] for item in items]


async def test_results_are_paged_without_loss(client: TestClient, shared: Source) -> None:
    """All pages together are all observations, each once and in order."""
    query = {"from": "2026-10-22T03:00:00Z", "to": "2026-10-22T05:00:00Z", "limit": "37"}
    found, cursor = [], None
    while True:
        page = await get(client, "/results", **query, **({"cursor": cursor} if cursor else {}))
        found += page["items"]  # type: ignore[index]
        cursor = page["next"]  # type: ignore[index]
        if cursor is None:
            break
    expected = shared.reader.rows(parse(query["from"]), parse(query["to"]))
    assert [(r["at"], r["target"]) for r in found] == [(iso(r.at), r.target) for r in expected]
    assert len(found) > 37 * 3


async def test_results_as_csv_are_what_evaluate_reads(client: TestClient, shared: Source) -> None:
    """The stream has the columns of arithmetic section 1, and every observation of the target."""
    query = {"target": "mailgun-api", "from": "2026-10-01T00:00:00Z", "format": "csv"}
    async with client.get("/api/v1/results", params=query) as answer:
        assert answer.content_type == "text/csv"
        lines = list(csv.DictReader(io.StringIO(await answer.text())))
    expected = shared.reader.observations(parse(query["from"]), NOW, targets=["mailgun-api"])
    assert len(lines) == len(expected)
    made = [
        Observation(
            parse(x["at"]), x["target"], x["location"], x["scheduled"] == "true", x["outcome"], int(x["duration_ms"])
        )
        for x in lines
    ]
    assert made == expected


async def test_results_as_ndjson_are_objects_a_line(client: TestClient) -> None:
    """A limit bounds the stream."""
    async with client.get("/api/v1/results", params={"format": "ndjson", "limit": "12"}) as answer:
        lines = (await answer.text()).splitlines()
    assert len(lines) == 12
    assert {"at", "outcome", "phases"} <= set(json.loads(lines[0]))


async def test_results_are_filtered_by_outcome_and_schedule(client: TestClient) -> None:
    """Extra probes are told from those on the interval."""
    query = {"target": "mailgun-api", "outcome": "server_error", "from": "2026-10-20T00:00:00Z"}
    extra = await get(client, "/results", **query, scheduled="false", limit="10000")
    every = await get(client, "/results", **query, limit="10000")
    assert 0 < len(extra["items"]) < len(every["items"])  # type: ignore[index]
    assert all(r["outcome"] == "server_error" and not r["scheduled"] for r in extra["items"])  # type: ignore[index]


async def test_one_result_has_its_transcript(client: TestClient) -> None:
    """What was kept of a failed probe is given out with it."""
    page = await get(client, "/results", target="mailgun-api", outcome="server_error", limit="1")
    at = page["items"][0]["at"]  # type: ignore[index]
    one = await get(client, f"/results/mailgun-api/main/{at}")
    assert one["evidence"]["transcript"]  # type: ignore[index]
    await get(client, "/results/mailgun-api/main/2026-01-01T00:00:00Z", status=404)


async def test_outages_gaps_events_and_claims_are_listed(client: TestClient) -> None:
    """Each has its own list."""
    outages = (await get(client, "/outages", contract="mailgun", period="2026-10"))["items"]  # type: ignore[index]
    assert [o["service"] for o in outages] == ["smtp", "api"]
    gaps = (await get(client, "/gaps", target="mailgun-api", **{"from": "2026-10-01T00:00:00Z"}))["items"]  # type: ignore[index]
    assert [g["reason"] for g in gaps] == ["not_running", "loop_stalled"]
    kinds = {e["kind"] for e in (await get(client, "/events"))["items"]}  # type: ignore[index]
    assert {"maintenance", "start"} <= kinds
    claims = (await get(client, "/claims"))["items"]  # type: ignore[index]
    assert {(c["contract"], c["period"]) for c in claims} >= {("mailgun", "2026-09"), ("mailgun", "2026-10")}


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("/results", {"since": "now"}, "is no parameter"),
        ("/results", {"from": "yesterday"}, "is not an instant"),
        ("/results", {"limit": "0"}, "from 1 to 10000"),
        ("/results", {"outcome": "broken"}, "write some of"),
        ("/results", {"cursor": "x"}, "the page before"),
        ("/availability", {"period": "October"}, "2026-10"),
        ("/availability", {"format": "xml"}, "one of json, csv"),
    ],
)
async def test_what_is_not_understood_is_refused(
    client: TestClient, path: str, query: dict[str, str], says: str
) -> None:
    """A mistyped parameter never silently means something else."""
    problem = await get(client, path, status=400, **query)
    assert says in problem["detail"]  # type: ignore[index]


@pytest.mark.parametrize(
    "path", ["/contracts/nobody/periods/2026-10", "/contracts/mailgun/periods/2027-03", "/nothing"]
)
async def test_what_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    """An unknown contract, a period that has not begun, a path that does not exist."""
    await get(client, path, status=404)


async def test_the_document_names_every_route_of_the_api(client: TestClient) -> None:
    """Nothing is served that is not described, and the reverse."""
    from monitor.web.app import table

    document = await get(client, "/openapi.json")
    described = {(m.upper(), p) for p, ms in document["paths"].items() for m in ms}  # type: ignore[index]
    served = {(r.method, r.path) for r in table(None) if r.api} - {("GET", "/api/v1/openapi.json")}
    assert described == served
    used = json.dumps(document)
    assert all(f"#/components/schemas/{name}" in used for name in SCHEMAS)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/availability?contract=mailgum", "There is no contract “mailgum”."),
        ("/api/v1/proofs/2026-10/mailgum.pdf", "There is no such statement of “mailgum” for 2026-10."),
        ("/api/v1/results/x/main/2026-10-01T00:00:00.000Z", "Nothing was seen of “x” from “main” at 2026-10-01T00:00"),
        ("/api/v1/outtages", "There is no such call; /api/v1/openapi.json"),
    ],
)
async def test_what_is_not_there_is_named(client: TestClient, path: str, said: str) -> None:
    """Who mistyped a name sees which."""
    async with client.get(path) as answer:
        assert answer.status == 404
        assert (await answer.json(content_type="application/problem+json"))["detail"].startswith(said)
