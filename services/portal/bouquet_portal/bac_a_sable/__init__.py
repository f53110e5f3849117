"""Explorer of the sandbox, a gateway whose answers are about invented people. Its pages show these people and all
errors, make calls to the sandbox, and check proposed test cases."""
