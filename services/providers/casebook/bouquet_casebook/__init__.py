"""The sandbox: every installed offer answered from files that a contributor can read (http-contract §6)."""
