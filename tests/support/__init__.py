"""Helpers that tests of several folders share: servers, clients, and parts of the mesh or all of it."""
