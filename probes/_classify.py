"""The one table that says what an observation means: (protocol, phase, what happened) → outcome and advice.

Kinds of probe never name an outcome: they name a row of this table, and the row names the outcome, whose fault
follows from it (``probes._outcome.FAULTS``). The documentation's table (docs/classification.md) is generated from
here, and a test holds every row to be reachable.

Rules:
1. What the remote did while it was reachable is the provider's, unless it told us that we are at fault.
2. A refusal of *us* (credentials, account, recipient, rate) is the customer's.
3. No route is the network's. Whatever stops us before a packet leaves is the monitor's.
4. In doubt between the provider and ourselves the row says ourselves: a statement must survive the other side.
"""

from typing import NamedTuple

from probes._outcome import Failed, Outcome

O = Outcome  # noqa: E741 - the table reads better with a short name


class Row(NamedTuple):
    """One line of the table. ``happened`` is the name that code uses; ``means`` is the sentence that people read."""

    protocol: str
    phase: str
    happened: str
    outcome: Outcome
    means: str
    advice: str


TABLE: tuple[Row, ...] = (
    # --- resolving a name -------------------------------------------------------------------------------------
    Row("net", "resolve", "nxdomain", O.DNS, "the name does not exist, says a working resolver",
        "Check the name; if it is right, the provider's DNS is at fault."),
    Row("net", "resolve", "no_address", O.DNS, "the name exists but has no address of the wanted family",
        "Choose another address family with ip:, or ask the provider for one."),
    Row("net", "resolve", "servfail", O.DNS, "the resolver works for other names but fails for this one",
        "The provider's name servers are lame, silent or badly signed."),
    Row("net", "resolve", "silent_zone", O.DNS, "the resolver works but got no answer for this name in time",
        "The provider's name servers do not answer."),
    Row("net", "resolve", "no_resolver", O.LOCAL, "no resolver of ours answered, for any name",
        "Check the resolvers in /etc/resolv.conf or under nameservers."),
    # --- connecting -------------------------------------------------------------------------------------------
    Row("net", "connect", "refused", O.REFUSED, "the connection was refused",
        "Nothing listens on that port, or a firewall rejects us."),
    Row("net", "connect", "deadline", O.CONNECT_TIMEOUT, "no connection by the deadline",
        "The host is down or drops our packets."),
    Row("net", "connect", "reset", O.RESET, "the connection was lost while it was made",
        "A load balancer or firewall in front of the service broke it off."),
    Row("net", "connect", "unreachable", O.NETWORK, "there is no route to the address",
        "Check the route from here; the provider did not see this probe."),
    Row("net", "connect", "no_family", O.LOCAL, "this machine has no route for the wanted address family",
        "Set ip: 4, or give this machine IPv6."),
    Row("net", "any", "no_descriptors", O.LOCAL, "this machine ran out of file descriptors, ports or memory",
        "Raise LimitNOFILE, or probe fewer targets."),
    Row("net", "connect", "forbidden", O.LOCAL, "this machine forbids the connection",
        "A local firewall or sandbox rule stops us."),
    Row("net", "any", "deadline", O.TIMEOUT, "connected, but no whole answer by the deadline",
        "The service hangs, or answers slower than the timeout."),
    Row("net", "any", "reset", O.RESET, "the connection was lost in mid-session",
        "The service or something in front of it broke the connection off."),
    Row("net", "any", "stalled", O.LOCAL, "our own process stood still while the probe ran, so its result says nothing",
        "This machine was suspended, stopped or overloaded."),
    Row("net", "any", "internal", O.LOCAL, "a fault in this program",
        "Please report it with the log; nothing is booked on the provider."),
    # --- TLS --------------------------------------------------------------------------------------------------
    Row("tls", "tls", "expired", O.TLS, "the certificate has expired", "The provider must renew it."),
    Row("tls", "tls", "not_yet_valid", O.TLS, "the certificate is not valid yet",
        "The provider installed it too early; check our clock as well."),
    Row("tls", "tls", "our_clock", O.LOCAL, "the certificate's dates do not fit, but our own clock is in doubt",
        "Set this machine's clock (NTP)."),
    Row("tls", "tls", "wrong_name", O.TLS, "the certificate is for another name",
        "The provider serves the wrong certificate, or the host name is wrong."),
    Row("tls", "tls", "untrusted", O.TLS, "the certificate's issuer is not trusted, or the chain is incomplete",
        "If the issuer is private, name its file with ca:."),
    Row("tls", "tls", "handshake", O.TLS, "the TLS handshake failed",
        "The service offers no version or cipher that we accept, or does not speak TLS here."),
    Row("tls", "tls", "not_offered", O.TLS, "the service does not offer the encryption that it should",
        "STARTTLS was withdrawn, or something in between strips it."),
    # --- HTTP -------------------------------------------------------------------------------------------------
    Row("http", "status", "server_error", O.SERVER_ERROR, "the service answered with HTTP 5xx: it failed",
        "The provider says so itself."),
    Row("http", "status", "throttled", O.THROTTLED, "the service answered with HTTP 429: too many requests",
        "Probe less often, or ask the provider for a higher rate."),
    Row("http", "status", "unauthorized", O.REJECTED, "the service refused our credentials (HTTP 401 or 403)",
        "Check the key, user name and password, and what the account may do."),
    Row("http", "status", "rejected", O.REJECTED, "the service refused our request (HTTP 4xx)",
        "Check the URL, the method and what is sent."),
    Row("http", "status", "captive", O.LOCAL, "something in between wants us to log in first (HTTP 511)",
        "This network holds traffic back; the provider did not see this probe."),
    Row("http", "status", "unexpected", O.WRONG_ANSWER, "the status is none of those expected",
        "If it is as it should be, add it to expect: status."),
    Row("http", "answer", "not_http", O.PROTOCOL, "the answer does not begin as HTTP/1 does",
        "Another service listens on that port, or it wants TLS."),
    Row("http", "answer", "malformed", O.PROTOCOL, "the answer breaks the rules of HTTP/1.1",
        "The transcript shows where; a server or load balancer sends broken framing."),
    Row("http", "answer", "head_too_long", O.PROTOCOL, "the head of the answer has no end",
        "More than 64 KiB of headers, or more than 20 interim answers."),
    Row("http", "answer", "bad_encoding", O.PROTOCOL, "the body is not compressed as its header says",
        "The server or a cache in front of it damaged the body."),
    Row("http", "answer", "bomb", O.PROTOCOL, "the body unpacks to far more than any answer needs",
        "It was cut off; look at what the server sends."),
    Row("http", "answer", "closed", O.RESET, "the connection was closed before an answer began",
        "The service, or a load balancer without a working server behind it, hung up."),
    Row("http", "answer", "truncated", O.RESET, "the connection was closed in the middle of the answer",
        "A server process died, or something in between cut the answer off."),
    Row("http", "answer", "no_end", O.WRONG_ANSWER, "the body is longer than 16 MiB and goes on",
        "Probe something smaller, or use method: HEAD."),
    Row("http", "assert", "cut", O.LOCAL, "the body is longer than we read, so nothing can be said about it",
        "Raise max_body, or expect something that stands nearer to the beginning."),
    Row("http", "assert", "encoding", O.WRONG_ANSWER, "the body comes in an encoding that was not asked for",
        "Ask for no encoding with headers: {Accept-Encoding: identity}."),
    Row("http", "assert", "body", O.WRONG_ANSWER, "the body does not hold what it should",
        "Compare the body in the transcript with expect."),
    Row("http", "assert", "body_not", O.WRONG_ANSWER, "the body holds what it should not",
        "Compare the body in the transcript with expect: body_not."),
    Row("http", "assert", "not_json", O.WRONG_ANSWER, "the body is not JSON", "An error page in place of the answer?"),
    Row("http", "assert", "json", O.WRONG_ANSWER, "a value in the JSON answer is not what it should be",
        "Compare the body in the transcript with expect: json."),
    Row("http", "assert", "header", O.WRONG_ANSWER, "a header of the answer is missing or not what it should be",
        "Compare the head in the transcript with expect: headers."),
    Row("http", "assert", "slow", O.WRONG_ANSWER, "the whole answer came later than expect: within allows",
        "The service is slower than was agreed."),
    Row("http", "redirect", "loop", O.WRONG_ANSWER, "the redirects lead back to where they began",
        "The provider's redirects are wrong, or it wants a cookie: use a steps probe."),
    Row("http", "redirect", "too_many", O.WRONG_ANSWER, "there are too many redirects",
        "The provider must shorten them."),
    Row("http", "redirect", "nowhere", O.WRONG_ANSWER, "a redirect leads to no web address",
        "Its Location header is missing or is not one of HTTP."),
    Row("http", "proxy", "unreachable", O.LOCAL, "the proxy cannot be reached", "Check the proxy and its address."),
    Row("http", "proxy", "denied", O.LOCAL, "the proxy wants a password or refuses ours (HTTP 407)",
        "Put user and password into the proxy's address."),
    Row("http", "proxy", "failed", O.LOCAL, "the proxy answered in place of the service",
        "Whether the service was at fault cannot be told from behind a proxy; probe without one."),
    Row("http", "proxy", "deadline", O.LOCAL, "the proxy did not answer by the deadline", "Check the proxy."),
    # --- gateways for SMS over HTTP -----------------------------------------------------------------------------
    Row("sms", "answer", "refused", O.REJECTED, "the gateway refused us in the text of a good HTTP status",
        "Check the account, the sender and the recipient; the transcript holds the gateway's words."),
    Row("sms", "answer", "server_error", O.SERVER_ERROR, "the gateway said in its text that it failed",
        "The provider says so itself."),
    Row("sms", "answer", "throttled", O.THROTTLED, "the gateway told us in its text to slow down",
        "Probe less often, or ask the provider for a higher rate."),
    Row("sms", "answer", "no_id", O.WRONG_ANSWER, "the gateway took the message but gave no identifier for it",
        "Compare the transcript with message_id."),
    Row("sms", "smsc", "not_listed", O.WRONG_ANSWER, "the gateway's status does not list the SMSC",
        "Check the name under smsc, and that url is the gateway's status.xml."),
    Row("sms", "smsc", "dead", O.SERVER_ERROR, "the gateway has lost its SMSC",
        "The gateway answers but cannot send: the link behind it is down."),
    Row("sms", "receipt", "listen", O.LOCAL, "we cannot listen for the receipt",
        "Another program uses the address under receipt: listen, or it is not ours."),
    Row("sms", "receipt", "no_receipt", O.UNDELIVERED, "accepted, but no receipt came in time",
        "The gateway took the message and did not say that it was delivered; it may have no route."),
    Row("sms", "receipt", "not_delivered", O.UNDELIVERED, "accepted, but the receipt says that it was not delivered",
        "The transcript holds the receipt."),
    # --- a sequence of requests -----------------------------------------------------------------------------------
    Row("steps", "capture", "missing", O.WRONG_ANSWER, "a value that the next step needs is not in the answer",
        "Compare the transcript with capture."),
    Row("steps", "capture", "unusable", O.WRONG_ANSWER, "a value from the answer cannot stand where it is needed",
        "It holds line ends, or makes no web address."),
    # --- what a certificate is beyond valid ------------------------------------------------------------------------
    Row("tls", "certificate", "old_protocol", O.WRONG_ANSWER, "the encryption agreed is older than it should be",
        "The provider must offer the newer protocol."),
    Row("tls", "certificate", "name_missing", O.WRONG_ANSWER, "the certificate is not for all names that it should be",
        "The provider must add the name."),
    Row("tls", "certificate", "expires_soon", O.WRONG_ANSWER, "the certificate, or one above it, expires too soon",
        "The provider should have renewed it by now."),
    # --- DNS ------------------------------------------------------------------------------------------------------
    Row("dns", "answer", "nxdomain", O.DNS, "the name does not exist, says the server",
        "Check the name; if it is right, the zone lost it."),
    Row("dns", "answer", "empty", O.DNS, "the name exists but has no record of that type",
        "Check the type; if it is right, the zone lost the record."),
    Row("dns", "answer", "bogus", O.DNS, "the record's signatures do not hold: validating resolvers refuse it",
        "The zone is badly signed, or its signatures have expired."),
    Row("dns", "answer", "lame", O.DNS, "the server does not answer for the zone that it should serve",
        "The zone is not loaded there, or the delegation names the wrong server."),
    Row("dns", "answer", "servfail", O.SERVER_ERROR, "the server answered that it failed",
        "The provider says so itself."),
    Row("dns", "answer", "refused", O.REJECTED, "the server refuses to answer us",
        "It may serve others only; if it should serve this zone to all, set authoritative: true."),
    Row("dns", "answer", "exists", O.WRONG_ANSWER, "the name exists although it should not", "Somebody registered it?"),
    Row("dns", "answer", "wrong_rcode", O.WRONG_ANSWER, "the server gives an unusual answer code",
        "The transcript holds the whole answer."),
    Row("dns", "answer", "values", O.WRONG_ANSWER, "the records are not those expected",
        "The transcript holds the whole answer."),
    Row("dns", "answer", "not_secure", O.WRONG_ANSWER, "the answer is not as well signed as it should be",
        "secure needs a resolver that validates; a zone's own server gives signed at best."),
    Row("dns", "answer", "our_clock", O.LOCAL, "the signature's dates do not fit, but our own clock is in doubt",
        "Set this machine's clock (NTP)."),
    Row("dns", "answer", "malformed", O.PROTOCOL, "the answer is not a proper DNS message to our question",
        "Another service listens on that port, or something in between answers."),
    Row("dns", "answer", "closed", O.RESET, "the connection was closed before the answer was whole",
        "The server does not serve TCP well."),
    # --- ping -----------------------------------------------------------------------------------------------------
    Row("icmp", "socket", "forbidden", O.LOCAL, "this machine does not let us send echo requests",
        "Allow our group: sysctl net.ipv4.ping_group_range='0 2147483647'."),
    Row("net", "echo", "deadline", O.CONNECT_TIMEOUT, "no echo came back by the deadline",
        "The host is down, or something drops echo requests."),
    # --- gRPC -----------------------------------------------------------------------------------------------------
    Row("grpc", "answer", "not_http2", O.PROTOCOL, "the answer is not HTTP/2",
        "Another service listens on that port, or it wants TLS (or none)."),
    Row("grpc", "answer", "malformed", O.PROTOCOL, "the answer breaks the rules of HTTP/2 or gRPC",
        "The transcript shows where."),
    Row("grpc", "answer", "no_end", O.PROTOCOL, "the answer is far longer than a health check's", "Is this gRPC?"),
    Row("grpc", "answer", "closed", O.RESET, "the connection was closed before the answer was whole",
        "The service, or a load balancer in front of it, hung up."),
    Row("grpc", "answer", "stream_reset", O.RESET, "the server broke off this one call",
        "Its error code is in the transcript."),
    Row("grpc", "answer", "goaway", O.RESET, "the server ended the connection before it answered",
        "It shuts down, or something in front of it does."),
    Row("grpc", "status", "server_error", O.SERVER_ERROR, "the service answered with a status that says: I failed",
        "The provider says so itself."),
    Row("grpc", "status", "not_serving", O.SERVER_ERROR, "the service says that it is not serving",
        "The provider says so itself."),
    Row("grpc", "status", "rejected", O.REJECTED, "the service refused our call",
        "Check metadata and service; the server may not have the health service."),
    Row("grpc", "status", "throttled", O.THROTTLED, "the service told us to slow down", "Probe less often."),
    Row("grpc", "status", "not_grpc", O.PROTOCOL, "the answer is HTTP/2 but not gRPC", "Check host, port and path."),
    # --- TCP with a question ----------------------------------------------------------------------------------
    Row("tcp", "answer", "no_match", O.WRONG_ANSWER, "the answer does not match what is expected",
        "Compare the transcript with the expected expression."),
    Row("tcp", "answer", "too_long", O.PROTOCOL, "a line of the answer has no end", "This is not a line protocol."),
    # --- SMTP: which reply means which of these says the table REPLIES in probes/_smtp_replies.py -----------------
    Row("smtp", "any", "server_failed", O.SERVER_ERROR, "the server answered that it failed itself (4yz, 4.3.x, 5.3.x)",
        "Disk full, back end down or service stopped on the provider's side; the reply says which."),
    Row("smtp", "any", "rate_limited", O.THROTTLED, "the server told us to slow down (4.7.x, too many, quota)",
        "Probe less often, or ask the provider for a higher limit for this address."),
    Row("smtp", "any", "greylisted", O.THROTTLED, "the server asked us to come back later, as it asks every stranger",
        "Ask for this address to be exempt from greylisting, or probe a recipient that is."),
    Row("smtp", "banner", "refused", O.REJECTED, "the server refuses our address",
        "Our address is blocked there by policy or reputation; the reply says why."),
    Row("smtp", "ehlo", "refused", O.REJECTED, "the server refuses our name or address at EHLO",
        "Give a name with helo: that the server accepts."),
    Row("smtp", "ehlo_tls", "refused", O.REJECTED, "the server refuses our name or address at the second EHLO",
        "Give a name with helo: that the server accepts."),
    Row("smtp", "auth", "refused", O.REJECTED, "the server refuses the credentials",
        "Check username and password; the account may be closed."),
    Row("smtp", "auth", "not_offered", O.REJECTED, "the server offers no way to log in that we know",
        "Many servers offer AUTH only after STARTTLS: set tls: starttls; or name the method with auth:."),
    Row("smtp", "mail", "refused", O.REJECTED, "the sender address is refused",
        "Set from: to an address that this account may use."),
    Row("smtp", "rcpt", "refused", O.REJECTED, "the recipient is refused",
        "Set to: to an address that this service delivers to or relays for; its mailbox may be full."),
    Row("smtp", "data", "refused", O.REJECTED, "the message is refused",
        "The reply says why: content, size or policy."),
    Row("smtp", "any", "refused", O.REJECTED, "the server refuses what we ask", "The reply says why."),
    Row("smtp", "any", "auth_required", O.REJECTED, "the server wants encryption or authentication first",
        "Set tls:, username: and password:."),
    Row("smtp", "tls", "starttls_refused", O.TLS, "the server offers STARTTLS but refuses to begin it",
        "The provider's TLS is out of order (RFC 3207: 454)."),
    Row("smtp", "any", "not_smtp", O.PROTOCOL, "the answer is not SMTP", "Something else listens on that port."),
    Row("smtp", "any", "unexpected", O.PROTOCOL, "a reply that SMTP does not have at this point",
        "See the transcript; something between may answer in the server's place."),
    # --- SMPP: which command_status means which of these says probes/_smpp_status.py ------------------------------
    Row("smpp", "any", "server_failed", O.SERVER_ERROR, "the message centre answered that it failed (ESME_RSYSERR)",
        "Its back end is out of order; the status names how."),
    Row("smpp", "any", "rate_limited", O.THROTTLED, "the message centre told us to slow down (ESME_RTHROTTLED)",
        "Probe less often, or ask for a higher throughput."),
    Row("smpp", "bind", "credentials", O.REJECTED, "the message centre refuses system_id or password",
        "Check system_id and password."),
    Row("smpp", "bind", "bind_unknown", O.REJECTED, "the message centre does not know this kind of bind",
        "Set bind: transmitter, or ask the provider which kinds it takes."),
    Row("smpp", "bind", "refused", O.REJECTED, "the bind is refused",
        "The account may be closed, bound elsewhere (ESME_RALYBND), or limited to other addresses."),
    Row("smpp", "submit", "refused", O.REJECTED, "the message is refused",
        "Check from:, to: and the account's balance; the status names what is wrong."),
    Row("smpp", "any", "refused", O.REJECTED, "the message centre refuses what we ask", "The status names why."),
    Row("smpp", "any", "unbound", O.RESET, "the message centre ended the session with unbind",
        "It shuts down, or limits the number of sessions."),
    Row("smpp", "any", "not_understood", O.PROTOCOL, "a command that every message centre must know is not understood",
        "It does not speak SMPP 3.4."),
    Row("smpp", "any", "malformed", O.PROTOCOL, "a PDU that SMPP 3.4 does not allow",
        "See the transcript; the bytes are kept."),
    Row("smpp", "any", "not_smpp", O.PROTOCOL, "the answer is not SMPP",
        "Something else listens on that port, or it wants TLS."),
    Row("smpp", "receipt", "no_receipt", O.UNDELIVERED, "accepted, but no receipt came in time",
        "The operator or the provider's route is slow or broken; allow more time with timeout:."),
    Row("smpp", "receipt", "not_delivered", O.UNDELIVERED, "accepted, but the receipt says that it was not delivered",
        "The state and error code are the operator's; check that the test phone is on."),
    Row("smpp", "receipt", "refused_later", O.REJECTED, "accepted, but the receipt says that it was rejected",
        "The operator refuses sender, text or number."),
    Row("net", "receipt", "deadline", O.UNDELIVERED, "accepted, but no receipt by the deadline",
        "The route is slow or broken; allow more time with timeout:."),
    # --- delivery from end to end ---------------------------------------------------------------------------------
    Row("delivery", "mailbox", "mailbox_failed", O.LOCAL, "our own mailbox or receiving port failed",
        "It is no part of the service: check the settings under imap: or receive:."),
    Row("delivery", "arrival", "not_arrived", O.UNDELIVERED, "accepted, but the message did not arrive in its time",
        "Give the provider the queue id or message id that is kept with this probe; allow more time with timeout:."),
    Row("delivery", "arrival", "not_delivered", O.UNDELIVERED, "accepted, but it came back: the way failed",
        "The report of non-delivery is quoted."),
    Row("delivery", "arrival", "bounced", O.REJECTED, "accepted, but it came back: the receiving side refused it",
        "Check the address under to: and what the report says of our message."),
    Row("delivery", "arrival", "junk", O.REJECTED, "delivered, but into the folder for junk",
        "The receiving side distrusts sender or content; let it accept the probe's sender."),
    Row("net", "arrival", "deadline", O.UNDELIVERED, "accepted, but the message did not arrive by the deadline",
        "Give the provider the queue id or message id that is kept with this probe."),
    Row("net", "mailbox", "deadline", O.LOCAL, "our own mailbox did not open by the deadline",
        "It is no part of the service: check the settings under imap: or receive:."),
    # --- what surrounds a mail service ----------------------------------------------------------------------------
    Row("mailauth", "any", "check_failed", O.WRONG_ANSWER, "the domain's records do not let its mail be trusted",
        "Each check that fails is named with a sentence; correct the record in the DNS."),
    Row("mailauth", "any", "too_slow", O.LOCAL, "not all records could be read by the deadline",
        "Ask a faster resolver (nameservers:), or allow more time with timeout:."),
    Row("blocklist", "lookup", "listed", O.LISTED, "a sending address or domain is on a blocklist",
        "Ask the provider for another address or for removal; the list says why."),
    Row("blocklist", "lookup", "unusable", O.LOCAL, "a blocklist does not answer us, or answers what is no listing",
        "Ask over a resolver of your own (nameservers:), register with the list, or take it out."),
)  # fmt: skip

_ROWS = {(row.protocol, row.phase, row.happened): row for row in TABLE}


def row(protocol: str, phase: str, happened: str) -> Row:
    """The line for this event: the protocol's own, else the network's. Raises KeyError where there is none: a bug."""
    for key in ((protocol, phase, happened), (protocol, "any", happened), ("net", phase, happened)):
        if found := _ROWS.get(key):
            return found
    return _ROWS["net", "any", happened]


def failed(protocol: str, phase: str, happened: str, detail: str = "", *, code: int | None = None) -> Failed:
    """The exception to raise for this event; ``detail`` says what was seen (default: the table's own sentence)."""
    line = row(protocol, phase, happened)
    return Failed(line.outcome, detail or line.means, advice=line.advice, code=code)
