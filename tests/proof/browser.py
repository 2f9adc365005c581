"""The verifying page in Chromium."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from monitor.verifier import page
from tests.proof.world import SIGNER


@contextmanager
def opened(browser: Any, **context: Any) -> Iterator[Any]:
    """The page, open. Everything that goes wrong in it or that it asks of a network is in ``page.trouble``."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "verify.html")
        file.write_text(page())
        within = browser.new_context(**context)
        shown = within.new_page()
        shown.trouble = []
        shown.on("pageerror", lambda error: shown.trouble.append(str(error)))
        shown.on("console", lambda message: shown.trouble.append(message.text) if message.type == "error" else None)
        shown.on("request", lambda request: shown.trouble.append(request.url) if request.url[:5] != "file:" else None)
        shown.goto(file.as_uri())
        yield shown
        within.close()


VERIFY = """async ([data, key, contract, certificates]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const result = await verify(bytes, {keys: key ? [parseKey(key)] : [], contract,
    certificates: (certificates || []).map((one) => unbase64(one))});
  const told = (s) => [s.step, s.state, s.code, s.place, sentence("en", s), sentence("de", s)];
  return {status: result.status, steps: result.steps.map(told)};
}"""


def verify_in(shown: Any, data: bytes, key: str | None = str(SIGNER.key), contract: str | None = None,
              certificates: Sequence[bytes] = ()) -> dict[str, Any]:  # fmt: skip
    """What the page finds."""
    encoded = [base64.b64encode(one).decode() for one in certificates]
    return dict(shown.evaluate(VERIFY, [base64.b64encode(data).decode(), key, contract, encoded]))


CAMPAIGN = """async ([base, key, cases]) => {
  const original = Uint8Array.from(atob(base), (letter) => letter.charCodeAt(0)), missed = [];
  for (const [name, data] of cases) {
    let bytes;
    if (Array.isArray(data)) { bytes = original.slice(); bytes[data[0]] = data[1]; }
    else bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const result = await verify(bytes, {keys: [parseKey(key)]});
    const bad = result.steps.filter((one) => one.state === "bad");
    if (result.status !== "INVALID" || !bad.length || bad.some((one) => !one.place)) missed.push(name);
  }
  return missed;
}"""


def campaign(shown: Any, bundle: bytes, cases: Sequence[tuple[str, bytes]]) -> list[str]:
    """Which falsifications the page does not refuse with a place."""
    sent: list[Any] = []
    for name, data in cases:
        changed: list[int] = []
        if len(data) == len(bundle):
            changed = [i for i, (a, b) in enumerate(zip(bundle, data, strict=True)) if a != b]
        small = len(changed) == 1
        sent.append([name, [changed[0], data[changed[0]]] if small else base64.b64encode(data).decode()])
    found = shown.evaluate(CAMPAIGN, [base64.b64encode(bundle).decode(), str(SIGNER.key), sent])
    assert not shown.trouble, shown.trouble
    return [str(name) for name in found]
