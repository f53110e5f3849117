"""Revocation of proofs, encrypted texts by which anyone can verify later what an answer said."""
