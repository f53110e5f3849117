"""The sandbox, which answers for every installed worker from case files in YAML
(docs/reference/contract.md §6)."""
