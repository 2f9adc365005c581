"""Sealing: what was recorded each day becomes an entry of the ledger, signed, and known to outside witnesses."""
