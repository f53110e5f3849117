"""The sandbox, a stand-in for every installed worker: it answers their questions from case files in YAML
(docs/reference/contract.md §6)."""
