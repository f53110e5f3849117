"""Helpers that tests of several folders share: servers that the tests start, clients, and the mesh in parts or
whole."""
