"""An SMTP relay: EHLO, STARTTLS or implicit TLS, AUTH, MAIL, RCPT, RSET, DATA, QUIT (RFC 5321, 3207, 4954)."""

import asyncio
import base64
import secrets
import ssl

from monitor.sandbox.provider import Provider
from monitor.sandbox.script import Fault


class SmtpProvider(Provider):
    """Accepts mail for anyone who knows `password`, and throws it away.

    `tls` given with `starttls` is offered by STARTTLS; otherwise it wraps the connection from the start.
    """

    def __init__(
        self,
        name: str,
        port: int,
        *,
        password: str,
        tls: ssl.SSLContext,
        bad_tls: ssl.SSLContext,
        starttls: bool,
    ) -> None:
        super().__init__(name, port, tls=None if starttls else tls, bad_tls=None if starttls else bad_tls)
        self._upgrade = tls if starttls else None
        self._password = password

    def drip(self) -> bytes:
        """A banner that never ends."""
        return b"2"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        if self.fault == Fault.THROTTLE:
            writer.write(b"421 4.7.0 Too many connections from your address, try again later\r\n")
            return
        writer.write(b"220 relay.sandbox.example ESMTP ready\r\n")
        upgraded = known = False
        while line := await reader.readline():
            text = line.decode("latin-1").strip()
            verb, _, rest = text.partition(" ")
            verb = verb.upper()
            if verb == "STARTTLS" and self._upgrade is not None and self.fault != Fault.WRONG_ANSWER:
                writer.write(b"220 2.0.0 Ready to start TLS\r\n")
                await writer.drain()
                await writer.start_tls(self._upgrade)
                upgraded = True
            elif verb == "AUTH":
                known = await self._auth(rest, reader, writer)
            elif verb == "DATA" and known:
                writer.write(b"354 End data with <CR><LF>.<CR><LF>\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(f"250 2.0.0 Ok: queued as {secrets.token_hex(5).upper()}\r\n".encode())
            else:
                writer.write(self._reply(verb, upgraded=upgraded, known=known))
                if verb == "QUIT":
                    return

    def _reply(self, verb: str, *, upgraded: bool, known: bool) -> bytes:
        if verb in ("EHLO", "HELO"):
            offers = ["PIPELINING", "SIZE 10240000", "ENHANCEDSTATUSCODES", "8BITMIME"]
            if self._upgrade is not None and not upgraded and self.fault != Fault.WRONG_ANSWER:
                offers.append("STARTTLS")
            if upgraded or self._upgrade is None:
                offers.append("AUTH PLAIN LOGIN")
            lines = ["relay.sandbox.example", *offers]
            return "".join(f"250{' ' if n == len(lines) else '-'}{o}\r\n" for n, o in enumerate(lines, 1)).encode()
        if verb in ("MAIL", "RCPT"):
            if self.fault == Fault.ERROR:
                return b"451 4.3.0 Temporary lookup failure, try again\r\n"
            return b"250 2.1.0 Ok\r\n" if known else b"530 5.7.0 Authentication required\r\n"
        if verb == "QUIT":
            return b"221 2.0.0 Bye\r\n"
        return b"250 2.0.0 Ok\r\n" if verb in ("RSET", "NOOP") else b"502 5.5.2 Command not recognized\r\n"

    async def _auth(self, rest: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        mechanism, _, initial = rest.partition(" ")
        if mechanism.upper() == "LOGIN":
            if not initial:
                writer.write(b"334 VXNlcm5hbWU6\r\n")
                await reader.readline()
            writer.write(b"334 UGFzc3dvcmQ6\r\n")
            answer = base64.b64decode(await reader.readline()).decode()
        else:
            if not initial:
                writer.write(b"334 \r\n")
                initial = (await reader.readline()).decode()
            answer = base64.b64decode(initial).decode().rpartition("\0")[2]
        good = answer == self._password
        writer.write(b"235 2.7.0 Authentication successful\r\n" if good else b"535 5.7.8 Authentication failed\r\n")
        return good
