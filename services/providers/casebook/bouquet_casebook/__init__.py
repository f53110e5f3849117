"""Sandbox: a process that answers gateways' requests from case files (recorded answers in YAML), in place of every
provider's worker (docs/reference/contract.md §6)."""
