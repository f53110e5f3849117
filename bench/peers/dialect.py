"""Types and codecs for workers of the other frameworks. All use msgspec, and check no token, scope, rate limit or
rule."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode

import msgspec
from msgspec import Struct

HEADERS = {"Authorization": "Bearer 5ec2e7", "Content-Type": "application/json"}
CONCURRENCY = 256
"""Requests that another framework's worker handles at a time."""


class Question(Struct):
    fields: dict[str, list[str]]


class Person(Struct, rename="camel"):
    nom_naissance: str | None = None
    nom_usage: str | None = None
    liste_prenoms: str | None = None
    date_naissance: str | None = None
    genre: str | None = None


class Address(Struct, rename="camel"):
    identite: str | None = None
    complement_information: str | None = None
    complement_information_geo: str | None = None
    numero_libelle_voie: str | None = None
    lieu_dit: str | None = None
    code_postal_ville: str | None = None
    pays: str | None = None


class File(Struct, rename="camel"):
    allocataires: tuple[Person, ...]
    enfants: tuple[Person, ...]
    adresse: Address
    quotient_familial: int
    annee: int
    mois: int


encode = msgspec.json.encode
_file = msgspec.json.Decoder(File)
read_file = _file.decode


def question_of(query: str) -> Question:
    return Question(parse_qs(query))


def query_of(question: Question) -> str:
    return urlencode(question.fields, doseq=True)


def decode(body: bytes | str) -> object:
    """Decodes JSON. Nameko requires a serializer to have this function."""
    return msgspec.json.decode(body)
