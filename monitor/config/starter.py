"""A first configuration for the providers that one picks, with a comment wherever something has to be filled in."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.config.terms import load_preset
from monitor.sla.contract import Contract, Service

_HEAD = """\
# What slaproof watches, and under which contracts.
#
#   slaproof check                says in plain words what this file asks for
#   slaproof probe NAME           probes one target now and shows it step by step
#   slaproof run                  starts the daemon
#
# Durations are written as 60s, 5m, 7d. Any text may hold a secret that stands elsewhere: "${{NAME}}" is a variable of
# the environment, {{file: path}} a file beside this one, {{credential: name}} a systemd credential.

location: {location}                          # the name of this place; a database belongs to one location for good
storage: slaproof.db                    # beside this file, or under StateDirectory where systemd sets one
listen: 127.0.0.1:9780                  # pages, API and /metrics

# Hosts that have nothing to do with any provider. While none of them answers, this location is offline, and nothing
# that fails is held against a provider. Name two or three that you may connect to, on different networks.
reference_hosts: ["1.1.1.1:443", "9.9.9.9:53"]
"""

_HTTP = """\
    http:
      url: https://api.{provider}.example/                  # fill in: the address that you depend on
      headers: {{Authorization: "Bearer ${{{variable}_KEY}}"}}  # or auth: {{username: ..., password: ...}}
      expect: {{status: [200]}}               # and, better: body: "regex", json: {{"$.state": "ok"}}
"""
_PAGE = """\
    page: {{url: "https://www.{provider}.example/", contains: Sign in}}  # fill in: the page, and what it must show
"""
_SMTP = """\
    smtp:                                 # up to RCPT TO and RSET: no mail is sent
      host: smtp.{provider}.example         # fill in
      port: 587
      tls: starttls                       # or implicit (465), or none (25)
      username: ${{{variable}_SMTP_USER}}
      password: ${{{variable}_SMTP_PASSWORD}}
      from: probe@your-domain.example     # fill in: an address of your own
      to: sink@your-domain.example        # fill in: one that the relay accepts
"""
_SMS = """\
    sms:                                  # a request that costs nothing: a price, a balance, a dry run
      url: https://rest.{provider}.example/  # fill in
      auth: {{username: "${{{variable}_USER}}", password: "${{{variable}_KEY}}"}}
      expect: {{status: [200]}}
"""
_MX = """\
    tcp: {{host: mx.{provider}.example, port: 25, expect: "^220 "}}  # fill in: the host that takes your incoming mail
"""

_BY_SERVICE = {
    "api": _HTTP,
    "smtp": _SMTP,
    "smtp_in": _MX,
    "sms_gateway": _SMS,
    "website": _PAGE,
    "online_apps": _PAGE,
}


def starter(providers: Sequence[str], *, location: str = "main") -> str:
    """The text of a configuration. Raises KeyError where there is no contract of that name."""
    parts = [_HEAD.format(location=location)]
    contracts = {name: load_preset(name) for name in providers}
    if contracts:
        parts.append("\ncontracts:\n" + "".join(_contract(name, contract) for name, contract in contracts.items()))
    parts.append("\ntargets:\n")
    for name, contract in contracts.items():
        parts.append(f"  # --- {contract.title or name}\n")
        if not contract.services:
            parts.append(
                "  # The contract promises no availability: nothing to probe for it. Tickets are judged by it.\n"
            )
        parts += [_target(name, service) for service in contract.services]
    if not any(contract.services for contract in contracts.values()):
        parts.append(_ALONE)
    return "".join(parts)


_ALONE = """\
  # A target without a contract is watched for its own sake.
  - name: site
    interval: 5m
    page: {url: "https://www.your-site.example/", contains: Sign in}
"""


def _contract(name: str, contract: Contract) -> str:
    extras = []
    if contract.credit is not None:
        extras.append("fee: {amount: 100, currency: USD}")
    if contract.period == "billing_month":
        extras.append("billing_day: 1")
    fill = "  # fill in: what one period costs you" if contract.credit is not None else ""
    return f"  {name}: {{{', '.join([f'preset: {name}', *extras])}}}{fill}\n"


def _target(provider: str, service: Service) -> str:
    promise = f"promised {service.target_text}" if service.target_text else "no promise in the contract"
    template = _BY_SERVICE.get(service.name)
    head = (
        f"  - name: {provider}-{service.name.replace('_', '-')}\n    contract: {provider}\n    service: {service.name}"
    )
    interval = "5m" if service.name == "website" else "60s"
    head += f"  # {promise}\n    interval: {interval}\n"
    if template is None:
        return (
            f"  # {service.name} ({promise}) needs a probe of your choice, such as a test mail that is awaited:\n"
            "  # see “delivery” in docs/configuration.md.\n"
        )
    return head + template.format(provider=provider, variable=provider.upper().replace("-", "_"))
