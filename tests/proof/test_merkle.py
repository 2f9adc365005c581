"""Trees agree with RFC 6962's published answers, and with its definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.proof import merkle

# The inputs and roots that implementations of Certificate Transparency test themselves with.
INPUTS = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS]


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, written down as it stands there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(by_definition(leaves[:k]), by_definition(leaves[k:]))


def test_published_roots() -> None:
    """Each published tree has its published root, built at once and leaf by leaf."""
    log = merkle.Log()
    assert log.root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for size, wanted in enumerate(ROOTS, 1):
        log = log.append(LEAVES[size - 1])
        assert log.root().hex() == wanted
        assert merkle.root(LEAVES[:size]).hex() == wanted


def test_published_path() -> None:
    """The proof of leaf 5 of 8 holds the hashes of the published audit path, from left to right."""
    path = [
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    ]
    assert sorted(one.hex() for one in merkle.multiproof(LEAVES, [5])) == sorted(path)


digests = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


@given(leaves=digests, data=st.data())
def test_any_leaves_can_be_shown(leaves: list[bytes], data: st.DataObject) -> None:
    """Whatever leaves are shown, their proof gives the root, and a shown leaf that is altered does not."""
    shown = data.draw(st.sets(st.integers(0, len(leaves) - 1)))
    proof = merkle.multiproof(leaves, sorted(shown))
    given_leaves = {index: leaves[index] for index in shown}
    root = by_definition(leaves)
    assert merkle.root_of_proof(len(leaves), given_leaves, proof) == root
    for index in shown:
        altered = {**given_leaves, index: hashlib.sha256(leaves[index]).digest()}
        assert merkle.root_of_proof(len(leaves), altered, proof) != root
    with pytest.raises(merkle.ProofError):
        merkle.root_of_proof(len(leaves), given_leaves, [*proof, bytes(32)])
    if proof:
        with pytest.raises(merkle.ProofError):
            merkle.root_of_proof(len(leaves), given_leaves, proof[:-1])


@given(leaves=digests, cut=st.integers(0, 40))
def test_a_log_grows_from_its_peaks(leaves: list[bytes], cut: int) -> None:
    """A log taken up at any size from its peaks has the roots of one that was never put down."""
    log = merkle.Log()
    for leaf in leaves[:cut]:
        log = log.append(leaf)
    taken_up = merkle.Log(log.size, log.peaks)
    for size in range(log.size, len(leaves)):
        taken_up = taken_up.append(leaves[size])
        assert taken_up.root() == by_definition(leaves[: size + 1])


def test_peaks_must_fit() -> None:
    """Peaks that cannot be of that size are refused."""
    with pytest.raises(merkle.ProofError):
        merkle.Log(3, (bytes(32),))
