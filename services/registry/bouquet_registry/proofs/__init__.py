"""Revocation of proofs, encrypted texts that show later what an answer said."""
