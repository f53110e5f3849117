"""Revocation of the proofs of answers."""
