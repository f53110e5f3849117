"""Helpers that tests of several folders share: servers that tests start, clients, and parts of the mesh or all of
it."""
