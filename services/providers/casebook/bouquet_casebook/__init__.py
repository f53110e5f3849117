"""The sandbox, which answers from case files in YAML in place of every worker (docs/reference/contract.md §6)."""
