"""Proofs of answers: sealed texts that show later what an answer said (docs/adr/0021-proofs.md)."""
