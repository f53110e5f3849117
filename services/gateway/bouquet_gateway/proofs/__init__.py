"""Proofs of answers: encrypted texts that show later what an answer said (docs/adr/0021-proofs.md). The gateway
decrypts a proof for anybody who sends it, until the proof expires or is revoked."""
