"""Proofs of answers: encrypted texts, each with data of one answer. Only the gateway can decrypt a proof, and shows the
data to anybody who sends it the text, until the proof expires or is revoked (docs/adr/0021-proofs.md)."""
