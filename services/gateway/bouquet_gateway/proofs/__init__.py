"""Proofs of answers: encrypted texts, each with data of one answer. Anybody may send a proof to the gateway, which
alone can decrypt it and shows the data, until the proof expires or is revoked (docs/adr/0021-proofs.md)."""
