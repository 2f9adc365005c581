"""The API holds what its OpenAPI document says, for whatever schemathesis can think of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from monitor.store import Event
from monitor.web.api import Api
from monitor.web.ports import Caller
from monitor.web.settings import WebSettings
from tests.fakes import FakeClock
from tests.web.conftest import changed, make_source
from tests.web.month import NOW, made_proofs
from tests.web.test_browser import served

TOKEN = "slp_everything"


class One:
    """One token for everything."""

    def find(self, secret: str) -> Caller | None:
        return Caller(name="test", scopes=frozenset({"read", "events", "manage"})) if secret == TOKEN else None


@pytest.fixture(scope="module")
def address(month: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API, with a way to enter events that leads nowhere."""
    source = make_source(month, FakeClock(NOW))

    async def enter(event: Event) -> Event:
        return event

    wide = WebSettings(requests_per_second=10_000)
    with served(
        changed(
            source, tokens=One(), enter=enter, settings=lambda: wide, proofs=made_proofs(tmp_path_factory.mktemp("p"))
        )
    ) as found:
        yield found
    source.closing()


@pytest.fixture(scope="module")
def api(address: str) -> schemathesis.schemas.BaseSchema:
    """What the served document describes."""
    return schemathesis.openapi.from_url(f"{address}/api/v1/openapi.json")


CALLS = [(call.method, f"/api/v1{call.path}") for call in Api(None).calls()]  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_call_holds_to_the_document(method: str, path: str, api: schemathesis.schemas.BaseSchema) -> None:
    """Status codes, types, schemas, and refusals of what is not allowed. A body may fit its schema and still speak of a
    contract that is not there, so that what fits is not always taken."""
    operation = api[path][method]

    @given(case=operation.as_strategy())
    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def holds(case: schemathesis.Case) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {TOKEN}"},
            excluded_checks=[positive_data_acceptance, ignored_auth],
            timeout=120,  # every result there is, on a machine that does other things too
        )

    holds()
