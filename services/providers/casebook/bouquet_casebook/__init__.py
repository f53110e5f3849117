"""Sandbox: a process that answers gateways' questions from case files in YAML, in place of every provider's worker
(docs/reference/contract.md §6)."""
