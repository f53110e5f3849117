"""Proofs of answers: encrypted texts, each with data of one answer, which only the gateway can decrypt. It shows this
data to anybody who sends the proof, until the proof expires or is revoked (docs/adr/0021-proofs.md)."""
