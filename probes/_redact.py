"""Removes secrets from everything that is kept or shown. The only list of their disguises."""

import base64
import html
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus

HIDDEN = "[redacted]"
SHORTEST = 4
"""The fewest characters of a secret. A shorter one stands in every other word, so that hiding it would blank out all
that is recorded; and in base64 too few characters are its own alone to know it by."""

# Headers and parameters whose value is a credential whatever the configuration says of it.
_HEADERS = re.compile(
    r"(?im)^((?:proxy-)?authorization|cookie|set-cookie|x-api-key|api-key|x-auth-token|x-vault-token)"
    r"([ \t]*:[ \t]*)(.*)$"
)
_PARAMS = re.compile(r"(?i)([?&;](?:password|passwd|pass|pwd|token|api_?key|secret|access_token)=)([^&\s;#]+)")


def _disguises(secret: str) -> set[str]:
    """The ways in which a secret can stand in a text: raw, escaped, and in base64 at its three alignments."""
    raw = secret.encode()
    forms = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    forms |= {json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret), raw.hex(), raw.hex().upper()}
    forms |= {repr(secret)[1:-1], repr(raw)[2:-1]}
    for lead in range(3):
        # Characters of base64 that also carry bits of a neighbouring byte are left out on both sides.
        coded = base64.b64encode(b"\0" * lead + raw).decode().rstrip("=")
        core = coded[(lead * 8 + 5) // 6 : (len(raw) + lead) * 8 // 6]
        if len(core) >= SHORTEST:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    return {form for form in forms if form}


class Redactor:
    """Hides the given secrets, and the values of credential headers and parameters, in any text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = frozenset(secret for secret in secrets if secret)
        forms = {form for secret in self._secrets for form in _disguises(secret)}
        # The longest first, so that no secret is cut short by another that begins it.
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self._pattern = re.compile("|".join(map(re.escape, self._forms))) if forms else None

    def __call__(self, text: str) -> str:
        """The text without its secrets."""
        # Looking for each form is far cheaper than trying all of them at each character, and most texts hold none.
        if self._pattern is not None and any(form in text for form in self._forms):
            text = self._pattern.sub(HIDDEN, text)
        if "=" in text:
            text = _PARAMS.sub(rf"\1{HIDDEN}", text)
        if ":" in text:
            text = _HEADERS.sub(rf"\1\2{HIDDEN}", text)
        return text

    def also(self, secret: str) -> "Redactor":
        """One that hides this secret too."""
        return Redactor((*self._secrets, secret))

    def deep(self, value: object) -> object:
        """The same value with every string in it redacted, keys too."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self(str(key)): self.deep(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.deep(item) for item in value]
        return value


@lru_cache(maxsize=1)
def nothing_to_hide() -> Redactor:
    """A redactor without configured secrets; credential headers are hidden all the same."""
    return Redactor()
