"""Explorer of the sandbox, a gateway with invented people. Its pages show these people and all errors, make calls to
the sandbox, and check proposed cases."""
