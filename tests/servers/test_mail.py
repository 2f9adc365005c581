"""Postfix and Dovecot of the tests: every knob is heard by a plain client."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
import time
from collections.abc import Iterator

import pytest

from tests.servers import HOST, eventually
from tests.servers.certs import Authority
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix

_MAIL = "Subject: token 4711\r\nFrom: probe@example\r\nTo: sink@example\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    """One Dovecot for all tests here."""
    with Dovecot() as server:
        yield server


@pytest.fixture(scope="module")
def module_postfix(dovecot: Dovecot) -> Iterator[Postfix]:
    """One Postfix for all tests here."""
    with Postfix(dovecot) as server:
        yield server


@pytest.fixture
def postfix(module_postfix: Postfix) -> Iterator[Postfix]:
    """The Postfix, put back into a good mood after each test."""
    yield module_postfix
    module_postfix.policy.clear()
    module_postfix.recipients.clear()
    module_postfix.greylist(None)


def _client(port: int) -> smtplib.SMTP:
    return smtplib.SMTP("localhost", port, local_hostname="client.example", timeout=5)


def _rcpt(server: Postfix, recipient: str = "sink@example") -> tuple[int, bytes]:
    with _client(server.plain_port) as client:
        client.ehlo()
        code, text = client.mail("probe@example")
        return client.rcpt(recipient) if code == 250 else (code, text)


def test_submission_and_delivery(postfix: Postfix, ca: Authority) -> None:
    """STARTTLS, AUTH by Dovecot, delivery over LMTP, and the mail is found over IMAP."""
    with _client(postfix.port) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        client.starttls(context=ca.client_context())
        client.login("u", "secret")
        client.sendmail("probe@example", ["sink@example"], _MAIL)
    eventually(lambda: postfix.dovecot.mailbox("sink"), because="delivery")
    with imaplib.IMAP4_SSL("localhost", postfix.dovecot.imaps_port, ssl_context=ca.client_context(), timeout=5) as imap:
        imap.login("sink", "sink-secret")
        imap.select()
        assert imap.search(None, "SUBJECT", '"token 4711"') == ("OK", [b"1"])


def test_implicit_tls_and_a_wrong_password(postfix: Postfix, ca: Authority) -> None:
    """TLS from the start; a wrong password is answered with 535, the right one is taken after it."""
    context = ca.client_context()
    with smtplib.SMTP_SSL("localhost", postfix.smtps_port, "client.example", timeout=5, context=context) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            client.login("u", "wrong")
        assert caught.value.smtp_code == 535
        assert client.login("u", "secret")[0] == 235


def test_recipients(postfix: Postfix) -> None:
    """Known, unknown, elsewhere, and one whose mailbox is full."""
    assert _rcpt(postfix)[0] == 250
    code, text = _rcpt(postfix, "nobody@example")
    assert (code, text[:5]) == (550, b"5.1.1")
    assert _rcpt(postfix, "a@elsewhere.example")[0] == 554
    postfix.recipients["full@example"] = "452 4.2.2 Mailbox full"
    code, text = _rcpt(postfix, "full@example")
    assert (code, text[:5]) == (452, b"4.2.2")


def test_greylisting(postfix: Postfix) -> None:
    """450 4.2.0 at first, taken after a while."""
    postfix.greylist(0.3)
    code, text = _rcpt(postfix)
    assert (code, text[:5]) == (450, b"4.2.0")
    time.sleep(0.3)
    assert _rcpt(postfix)[0] == 250


@pytest.mark.parametrize("stage", ["EHLO", "MAIL", "RCPT"])
def test_too_fast(postfix: Postfix, stage: str) -> None:
    """421 4.7.0 at each stage, and the connection is closed."""
    postfix.policy[stage] = "421 4.7.0 Too many messages, slow down"
    with _client(postfix.plain_port) as client:
        commands = {"EHLO": "EHLO c.example", "MAIL": "MAIL FROM:<a@example>", "RCPT": "RCPT TO:<sink@example>"}
        for name, command in commands.items():
            code, text = client.docmd(command)
            if name == stage:
                break
            assert code == 250
        assert (code, text.startswith(b"4.7.0")) == (421, True)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.docmd("NOOP")


def test_refused_at_the_banner(postfix: Postfix) -> None:
    """421 instead of a greeting."""
    postfix.policy["CONNECT"] = "421 4.7.0 Not now"
    with pytest.raises(smtplib.SMTPConnectError) as caught:
        _client(postfix.plain_port)
    assert caught.value.smtp_code == 421


def test_held_back(postfix: Postfix) -> None:
    """Accepted and not delivered; delivered after the release."""
    postfix.policy["RCPT"] = "HOLD"
    before = len(postfix.dovecot.mailbox("probe"))
    with _client(postfix.plain_port) as client:
        client.sendmail("probe@example", ["probe@example"], _MAIL)
    eventually(lambda: postfix.held() == 1)
    assert len(postfix.dovecot.mailbox("probe")) == before
    postfix.release()
    eventually(lambda: len(postfix.dovecot.mailbox("probe")) == before + 1, because="released")


def test_other_configurations(postfix: Postfix, ca: Authority) -> None:
    """452 for a full disk, STARTTLS withdrawn, a limit of connections, and an expired certificate; each taken back."""
    postfix.disk_full()
    code, text = _rcpt(postfix)
    assert (code, text[:5]) == (452, b"4.3.1")
    postfix.disk_full(False)
    postfix.withdraw_starttls()
    with _client(postfix.port) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
    postfix.withdraw_starttls(False)
    postfix.limit_connections(2)
    codes = []
    for _ in range(4):
        try:
            _client(postfix.plain_port).quit()
            codes.append(220)
        except smtplib.SMTPConnectError as error:
            codes.append(error.smtp_code)
    assert codes == [220, 220, 421, 421]
    postfix.limit_connections(0)
    postfix.certificate(ca.bad("expired"))
    with _client(postfix.port) as client:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            client.starttls(context=ca.client_context())
        client.close()
    postfix.certificate(ca.issue())
    with _client(postfix.port) as client:
        assert client.starttls(context=ca.client_context())[0] == 220


def test_suspend_and_stop(postfix: Postfix) -> None:
    """Silent while suspended, refused when stopped, well again."""
    postfix.suspend()
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        smtplib.SMTP(HOST, postfix.plain_port, timeout=0.3)
    postfix.resume()
    assert _rcpt(postfix)[0] == 250
    postfix.stop()
    with pytest.raises(ConnectionRefusedError):
        _rcpt(postfix)
    postfix.start()
    assert _rcpt(postfix)[0] == 250


def test_imap_password(dovecot: Dovecot) -> None:
    """A wrong password is refused, the right one is taken after it."""
    with imaplib.IMAP4(HOST, dovecot.imap_port, timeout=5) as imap:
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            imap.login("sink", "wrong")
        assert imap.login("sink", "sink-secret")[0] == "OK"
