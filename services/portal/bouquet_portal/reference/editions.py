"""OpenAPI files that visitors may download: one with all operations, and others with some of them."""

from __future__ import annotations

from msgspec import Struct


class Edition(Struct, frozen=True):
    """OpenAPI file that visitors may download. `path` is its address on the site without the first slash."""

    name: str
    title: str
    path: str


EDITIONS = (
    Edition("all", "Toutes les opérations", "open-api.yml"),
    Edition("current", "Les opérations qui ne sont pas dépréciées", "open-api-without-deprecated-paths.yml"),
    Edition("v3", "Version 3 et suivantes", "open-api-v3.yml"),
    Edition("v2", "Version 2", "open-api-v2.yml"),
)
