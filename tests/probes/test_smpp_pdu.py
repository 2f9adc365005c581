"""The PDUs of SMPP 3.4: what is built, what is read, and what is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import _smpp_pdu as codec
from probes._smpp_pdu import Address, MalformedPdu, Message, Pdu
from probes._smpp_status import NAMES, judge, status_name


def test_a_pdu_is_written_as_the_standard_shows_it() -> None:
    """§3.2: length, id, status and sequence, big-endian, then the body."""
    assert Pdu(codec.ENQUIRE_LINK, 0, 7).wire().hex() == "00000010000000150000000000000007"
    body = codec.bind_body("SMPP3TEST", "secret08", "SUBMIT1", "")
    assert body == b"SMPP3TEST\0secret08\0SUBMIT1\0\x34\0\0\0"
    assert codec.bind_body("s", "a-much-longer-password", "", "").startswith(b"s\0a-much-longer-password\0\0")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("+41791234567", Address(1, 1, "41791234567")),
        ("41791234567", Address(1, 1, "41791234567")),
        ("8000", Address(3, 0, "8000")),
        ("Slaproof", Address(5, 0, "Slaproof")),
    ],
)
def test_addresses(text: str, wanted: Address) -> None:
    """International numbers, short codes and names each have their type of number."""
    assert codec.address(text) == wanted


@pytest.mark.parametrize("length", [0, 15, 70_001, 0x7FFFFFFF, 0xFFFFFFFF])
def test_lengths_that_cannot_be(length: int) -> None:
    """A length that no PDU has is refused before a byte of memory is taken for it."""
    with pytest.raises(MalformedPdu, match=str(length)):
        codec.body_length(struct.pack(">4I", length, 5, 0, 1))


RECEIPT = (
    b"id:1A sub:001 dlvrd:001 submit date:2610010000 done date:2610010001 stat:DELIVRD err:000 text:0123456789abcdef"
)


def deliver(text: bytes, esm_class: int = 4, tlvs: bytes = b"") -> Pdu:
    body = b"\0\1\1491234\0\1\1test\0" + bytes((esm_class,)) + b"\0\0\0\0\0\0\0\0" + bytes((len(text),)) + text + tlvs
    return Pdu(codec.DELIVER_SM, 0, 3, body)


def test_receipts_are_read_from_text_and_parameters() -> None:
    """Appendix B's text, or receipted_message_id and message_state; unknown parameters do no harm."""
    receipt = codec.read_receipt(codec.read_message(deliver(RECEIPT)))
    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.error) == ("1A", "DELIVRD", "000")
    tlvs = struct.pack(">HH3s", 0x001E, 3, b"77\0") + struct.pack(">HHB", 0x0427, 1, 5) + struct.pack(">HH", 0x1400, 0)
    receipt = codec.read_receipt(codec.read_message(deliver(b"", tlvs=tlvs)))
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == ("77", "UNDELIV")
    payload = struct.pack(">HH", 0x0424, len(RECEIPT)) + RECEIPT
    receipt = codec.read_receipt(codec.read_message(deliver(b"", tlvs=payload)))
    assert receipt is not None
    assert receipt.state == "DELIVRD"


def test_a_message_of_somebody_is_no_receipt() -> None:
    """An incoming message is not taken for a receipt."""
    assert codec.read_receipt(codec.read_message(deliver(b"hello id of mine", esm_class=0))) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [("1A", "26", True), ("26", "1A", True), ("00012", "12", True), ("abc", "ABC", True), ("12", "13", False),
     ("m-1", "m-2", False), ("", "0", True)],
)  # fmt: skip
def test_ids_in_hexadecimal_and_decimal_are_one(ours: str, theirs: str, same: bool) -> None:
    """Message centres answer submit_sm in the one and write receipts in the other."""
    assert codec.same_id(ours, theirs) is same


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_bodies_that_end_too_soon(cut: int) -> None:
    """A body that is cut off is malformed, never an accident."""
    whole = deliver(RECEIPT)
    with pytest.raises(MalformedPdu):
        codec.read_message(whole._replace(body=whole.body[:cut]))


@given(st.binary(max_size=300), st.sampled_from([codec.DELIVER_SM, codec.DATA_SM]))
def test_any_body_is_read_or_refused(body: bytes, command: int) -> None:
    """Whatever stands in a body gives a message or MalformedPdu."""
    try:
        message = codec.read_message(Pdu(command, 0, 1, body))
    except MalformedPdu:
        return
    assert isinstance(message, Message)
    codec.read_receipt(message)


@given(st.binary(min_size=16, max_size=16))
def test_any_header_is_bounded(header: bytes) -> None:
    """No header makes us take more than the longest PDU."""
    try:
        assert 0 <= codec.body_length(header) <= codec.MOST
    except MalformedPdu:
        return
    assert codec.read_pdu(header, b"").name


def test_statuses_have_names_and_judgements() -> None:
    """Every status of §5.1.3 has its name; what is unknown is told by its number and held against ourselves."""
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_name(0x400) == "status 0x00000400"
    assert judge("bind", 0x400) == "refused"
    assert judge("bind", 0x0E) == "credentials"
    assert judge("submit", 0x08) == "server_failed"
    assert judge("submit", 0x14) == judge("bind", 0x58) == "rate_limited"
    assert judge("bind", 0x03) == "bind_unknown"
    assert judge("enquire_link", 0x03) == "not_understood"
    assert len(set(NAMES.values())) == len(NAMES)
