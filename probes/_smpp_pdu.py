"""PDUs of SMPP 3.4: built, read and shown. Pure; every length that the other side claims is bounded.

Reading is strict about what frames a PDU and generous about what is in it: unknown optional parameters are kept, a
body that ends too soon is said to be malformed, a body-less error answer is as good as any (§3.2: the body of an
answer is left out where its status is not zero).
"""

import re
import struct
from typing import NamedTuple

HEADER = 16
MOST = 70_000
"""The longest PDU taken: 64 KiB of payload, and room for the rest."""

RESPONSE = 0x80000000
GENERIC_NACK = 0x80000000
BIND = {"receiver": 0x00000001, "transmitter": 0x00000002, "transceiver": 0x00000009}
SUBMIT_SM, DELIVER_SM, UNBIND = 0x00000004, 0x00000005, 0x00000006
OUTBIND, ENQUIRE_LINK, ALERT_NOTIFICATION, DATA_SM = 0x0000000B, 0x00000015, 0x00000102, 0x00000103

_NAMES = {
    0x01: "bind_receiver", 0x02: "bind_transmitter", 0x03: "query_sm", 0x04: "submit_sm", 0x05: "deliver_sm",
    0x06: "unbind", 0x07: "replace_sm", 0x08: "cancel_sm", 0x09: "bind_transceiver", 0x0B: "outbind",
    0x15: "enquire_link", 0x21: "submit_multi", 0x102: "alert_notification", 0x103: "data_sm",
}  # fmt: skip

RECEIPTED_MESSAGE_ID, MESSAGE_STATE, MESSAGE_PAYLOAD, ADDITIONAL_TEXT = 0x001E, 0x0427, 0x0424, 0x001D
STATES = {
    1: "ENROUTE", 2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 6: "ACCEPTD", 7: "UNKNOWN", 8: "REJECTD",
}  # fmt: skip


class MalformedPdu(Exception):
    """Bytes that are no PDU of SMPP; the text says why."""


class Pdu(NamedTuple):
    """One PDU: command_id, command_status, sequence_number and the body as it came."""

    command: int
    status: int
    sequence: int
    body: bytes = b""

    @property
    def name(self) -> str:
        """The command's name, ``unknown command 0x...`` where it has none."""
        return command_name(self.command)

    def wire(self) -> bytes:
        """The PDU as it is sent."""
        return struct.pack(">4I", HEADER + len(self.body), self.command, self.status, self.sequence) + self.body


def command_name(command: int) -> str:
    """The name of a command_id."""
    if command == GENERIC_NACK:
        return "generic_nack"
    name = _NAMES.get(command & ~RESPONSE)
    if name is None:
        return f"unknown command 0x{command:08X}"
    return f"{name}_resp" if command & RESPONSE else name


def body_length(header: bytes) -> int:
    """How many bytes follow this header; raises MalformedPdu where it cannot be one."""
    length = int.from_bytes(header[:4], "big")
    if not HEADER <= length <= MOST:
        raise MalformedPdu(f"command_length {length} is not between {HEADER} and {MOST}")
    return length - HEADER


def read_pdu(header: bytes, body: bytes) -> Pdu:
    """The PDU of this header and body."""
    _, command, status, sequence = struct.unpack(">4I", header)
    return Pdu(command, status, sequence, body)


def c_string(text: str, most: int) -> bytes:
    """A C-Octet String of at most ``most`` bytes with its zero (§3.1)."""
    return text.encode("latin-1", "replace")[: most - 1].replace(b"\0", b"") + b"\0"


def bind_body(system_id: str, password: str, system_type: str, address_range: str) -> bytes:
    """The body of a bind (§4.1); interface_version 0x34.

    The standard gives a password eight characters; providers hand out longer ones, and cutting them would be wrong.
    """
    names = c_string(system_id, 16) + c_string(password, 65) + c_string(system_type, 13)
    return names + b"\x34\0\0" + c_string(address_range, 41)


class Address(NamedTuple):
    """An address with its type of number and numbering plan (§5.2.5, §5.2.6)."""

    ton: int
    npi: int
    number: str

    def wire(self) -> bytes:
        """As it stands in a body."""
        return bytes((self.ton, self.npi)) + c_string(self.number, 21)


def address(text: str) -> Address:
    """An address from what people write: ``+41…`` is international, digits are unknown or short, letters a name."""
    if text.startswith("+"):
        return Address(1, 1, text[1:])
    if text.isdigit():
        return Address(3, 0, text) if len(text) <= 6 else Address(1, 1, text)
    return Address(5, 0, text)


def submit_body(source: Address, destination: Address, text: bytes, service_type: str) -> bytes:
    """The body of a submit_sm that asks for a receipt of the final state (§4.4, registered_delivery 1)."""
    head = c_string(service_type, 6) + source.wire() + destination.wire()
    # esm_class, protocol_id, priority; no schedule, no validity; registered_delivery, replace, coding, default id.
    return head + b"\0\0\0" + b"\0\0" + b"\1\0\0\0" + bytes((len(text[:254]),)) + text[:254]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def string(self, what: str, most: int) -> str:
        end = self.data.find(b"\0", self.at, self.at + most)
        if end < 0:
            raise MalformedPdu(f"{what} has no end within {most} bytes")
        text, self.at = self.data[self.at : end].decode("latin-1"), end + 1
        return text

    def octets(self, what: str, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) < count:
            raise MalformedPdu(f"{what} is cut off")
        self.at += count
        return piece

    def parameters(self) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        while self.at < len(self.data):
            tag, length = struct.unpack(">HH", self.octets("an optional parameter", 4))
            found[tag] = self.octets(f"the optional parameter 0x{tag:04X}", length)
        return found


class Message(NamedTuple):
    """What a deliver_sm or data_sm carries."""

    source: str
    destination: str
    esm_class: int
    text: bytes
    parameters: dict[int, bytes]


def read_message(pdu: Pdu) -> Message:
    """The message in a deliver_sm (§4.6) or data_sm (§4.7); raises MalformedPdu."""
    body = _Reader(pdu.body)
    body.string("service_type", 6)
    body.octets("source type", 2)
    source = body.string("source_addr", 65)
    body.octets("destination type", 2)
    destination = body.string("destination_addr", 65)
    esm_class = body.octets("esm_class", 1)[0]
    text = b""
    if pdu.command == DELIVER_SM:
        body.octets("protocol_id and priority", 2)
        body.string("schedule_delivery_time", 17)
        body.string("validity_period", 17)
        body.octets("registered_delivery to sm_default_msg_id", 4)
        text = body.octets("short_message", body.octets("sm_length", 1)[0])
    else:
        body.octets("registered_delivery and data_coding", 2)
    parameters = body.parameters()
    return Message(source, destination, esm_class, text or parameters.get(MESSAGE_PAYLOAD, b""), parameters)


def read_message_id(pdu: Pdu) -> str:
    """The message_id of a submit_sm_resp; empty where there is none (§4.4.2)."""
    return pdu.body[:65].split(b"\0", 1)[0].decode("latin-1")


def read_bind_answer(pdu: Pdu) -> str:
    """The system_id of a bind's answer; raises MalformedPdu where an accepted bind has no valid body."""
    if not pdu.body:
        return ""
    body = _Reader(pdu.body)
    name = body.string("system_id", 65)
    body.parameters()
    return name


class Receipt(NamedTuple):
    """A delivery receipt: which message, its state (as in ``stat:``), the network's error, and its dates as text."""

    message_id: str
    state: str
    error: str
    text: str


_RECEIPT = re.compile(r"\bid:\s*(\S+).*?\bstat:\s*(\w+)(?:.*?\berr:\s*(\w+))?", re.IGNORECASE | re.DOTALL)
_KIND_OF_MESSAGE, _IS_RECEIPT, _IS_INTERMEDIATE = 0x3C, 0x04, 0x20


def read_receipt(message: Message) -> Receipt | None:
    """The receipt in a message (§5.2.12, appendix B), from its parameters or its text; None where it is none."""
    # A receipt's text is short; a long one would keep the expression busy.
    text = message.text[:1_000].decode("latin-1")
    found = _RECEIPT.search(text)
    told = message.parameters.get(RECEIPTED_MESSAGE_ID, b"").split(b"\0", 1)[0].decode("latin-1")
    state = STATES.get((message.parameters.get(MESSAGE_STATE) or b"\0")[0], "")
    marked = message.esm_class & _KIND_OF_MESSAGE in (_IS_RECEIPT, _IS_INTERMEDIATE)
    if not (found or told) or not (marked or found):
        return None
    message_id = told or (found[1] if found else "")
    stat = state or (found[2].upper() if found else "")
    return Receipt(message_id, stat, (found[3] or "") if found else "", text)


def same_id(ours: str, theirs: str) -> bool:
    """Whether two message ids are one: message centres write the one in hexadecimal and the other in decimal."""
    if ours.strip().lower().lstrip("0") == theirs.strip().lower().lstrip("0"):
        return True
    for one, other in ((ours, theirs), (theirs, ours)):
        if (
            re.fullmatch(r"[0-9a-fA-F]{1,16}", one)
            and re.fullmatch(r"[0-9]{1,20}", other)
            and int(one, 16) == int(other)
        ):
            return True
    return False
