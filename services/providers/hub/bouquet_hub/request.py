"""Query and headers of a request to the social-security hub. The query describes the person, and the headers describe
the caller (docs/reference/upstreams/hub.md §1-2)."""

from __future__ import annotations

from bouquet_proto.identity import FRANCE
from bouquet_worker import Identite, Question, to_ascii


def transliterate(text: str) -> str:
    """Returns a name in ASCII, without accents, as the social-security hub requires (docs/reference/upstreams/shared.md
    §2). Raises `ValueError` for letters of other alphabets."""
    # The contract's rules refuse them: if they were replaced, the hub would look for another person.
    spelt = to_ascii(text)
    if spelt is None:
        raise ValueError("the name has no spelling in ASCII")
    return spelt


def query_of(who: Identite) -> dict[str, str]:
    """Returns the query parameters that describe a person, the same for every benefit (docs/reference/upstreams/hub.md
    §2). Leaves out unknown values. Raises `ValueError` for a name that cannot be written in ASCII."""
    # The birth date is always sent, the commune only for a birth in France.
    born_in_france = who.code_cog_insee_pays_naissance == FRANCE
    query = {
        "nomUsage": transliterate((who.nom_usage or "").strip()),
        "nomNaissance": transliterate(who.nom_naissance),
        "listePrenoms": transliterate(" ".join(who.prenoms)),
        "dateNaissance": who.date_naissance(),
        "codeLieuNaissance": who.code_cog_insee_commune_naissance if born_in_france else None,
        "codePaysNaissance": who.code_cog_insee_pays_naissance,
        "villeNaissance": who.nom_commune_naissance,
        "depNaissance": who.code_cog_insee_departement_naissance,
        "genre": who.sexe_etat_civil,
    }
    return {name: value for name, value in query.items() if value}


def headers_of(question: Question[Identite]) -> dict[str, str]:
    """Returns the headers of a request to the social-security hub (docs/reference/upstreams/regime.md §8): the id of
    the caller's request, and the SIRET of the administration that receives the data."""
    # The id of the request is the same for CNAF and MSA.
    return {
        "Content-Type": "application/json",  # on a GET too, as the hub requires (docs/reference/upstreams/hub.md §1)
        "X-Correlation-ID": question.request_id,
        "X-APIPART-FSFINAL": question.caller.recipient,
    }
