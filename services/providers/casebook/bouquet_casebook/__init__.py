"""The sandbox: every installed offer answered from files that a contributor can read
(docs/reference/contract.md §6)."""
