"""Proofs of answers: encrypted texts that show later what an answer said, to anybody who holds them
(docs/adr/0021-proofs.md)."""
