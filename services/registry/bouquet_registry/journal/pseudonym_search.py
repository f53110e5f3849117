"""Search for a person in the journal by the pseudonyms of all spellings that callers may have used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate, product
from typing import Any, TypeAlias

from msgspec import structs

from bouquet_mesh.pseudonym import pseudonym
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_proto.identity import FRANCE, Identifiant, Identite, Identity, Ine, NumeroAllocataire
from bouquet_proto.rules import birth_place
from bouquet_registry.journal.former_pseudonym import former_pseudonym, former_spellings
from bouquet_registry.refusals import InvalidFields
from bouquet_registry.store import PREFIX

Given: TypeAlias = Mapping[str, str]
"""Parts of a person's identity, by names such as `nom` and `prenom`."""
LeftOutParts: TypeAlias = tuple[str, ...]
"""Names of the parts of an identity, such as `sexe`, that a caller left out."""
# A call without these parts could also be about a namesake.

Option: TypeAlias = tuple[dict[str, Any], LeftOutParts]
"""One way to write a part of an identity: the fields to replace in the full identity, and the names of the parts left
out. For a birth date without the day, these are `{"jour_date_naissance": None}` and `("jour",)`."""

NAMED_BY: dict[str, tuple[str, ...]] = {
    "nom": ("prenom", "naissance", "sexe", "commune", "pays"),
    "ine": (),
    "identifiant": (),
    "numero_allocataire": ("code_postal",),
}
"""Maps each part by which one can search for a person, such as `nom` or `ine`, to the further parts that the search
needs. Of `commune` and `pays`, one suffices."""
WORD_END = re.compile(r"[\s'-]+")
DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)


COMMUNE = birth_place.COMMUNE
PAYS = birth_place.PAYS


def keys_of(setting: Secret) -> list[Secret]:
    """Returns the secrets in the setting `journal_keys` (`name:secret,…`), with which pseudonyms in the journal are
    made. Raises `SettingsError` if the setting is empty or malformed."""
    pairs = [pair.strip().partition(":") for pair in setting.reveal().split(",")]
    if not all(name and secret for name, _, secret in pairs):
        raise SettingsError([f"{PREFIX}JOURNAL_KEYS: must be name:secret,… of every key that pseudonyms are made with"])
    return [Secret(secret) for _, _, secret in pairs]


def identity_of(given: Given) -> Identity:
    """Returns the identity that has the given parts. Raises `InvalidFields` if a part is missing or wrong, or if the
    parts mix several ways to identify a person (`NAMED_BY`)."""
    named = [name for name in NAMED_BY if given.get(name)]
    if len(named) != 1:
        raise InvalidFields([f"one of {', '.join(NAMED_BY)} says who it is"])
    own = {name: given.get(name) or "" for name in (named[0], *NAMED_BY[named[0]])}
    if missing := [name for name, value in own.items() if not value and name not in ("commune", "pays")]:
        raise InvalidFields([f"{name}: is missing" for name in missing])
    match named:
        case ["ine"]:
            return Ine(**own)
        case ["identifiant"]:
            return Identifiant(**own)
        case ["numero_allocataire"]:
            return NumeroAllocataire(**own)
        case _:
            return _identite(**own)


def _identite(nom: str, prenom: str, naissance: str, sexe: str, commune: str, pays: str) -> Identite:
    date = DATE.fullmatch(naissance)
    problems = [
        *(["naissance: is no YYYY-MM-DD"] if date is None else []),
        *(["sexe: is M or F"] if sexe.upper() not in ("M", "F") else []),
        *(["commune or pays: is missing"] if not (commune or pays) else []),
    ]
    if date is None or problems:
        raise InvalidFields(problems)
    year, month, day = map(int, date.groups())
    return Identite(
        nom_naissance=nom,
        prenoms=(prenom,),
        annee_date_naissance=year,
        mois_date_naissance=month,
        jour_date_naissance=day,
        sexe_etat_civil="M" if sexe.upper() == "M" else "F",
        code_cog_insee_commune_naissance=commune or None,
        code_cog_insee_pays_naissance=pays or FRANCE,
    )


def possible_pseudonyms(keys: list[Secret], identity: Identity) -> dict[str, LeftOutParts]:
    """Returns every pseudonym under which the journal may contain a person, with the parts left out of the identity,
    such as `sexe`. `keys` are the keys with which gateways made pseudonyms."""
    # One pseudonym for each key, each spelling, and the present and the former rule.
    found: dict[str, LeftOutParts] = {}
    for written, left_out in spellings(identity):
        for key in keys:
            found |= {former_pseudonym(key, one): left_out for one in former_spellings(written)}
            found[pseudonym(key, written)] = left_out
    return found


def spellings(identity: Identity) -> Iterator[tuple[Identity, LeftOutParts]]:
    """Yields each form in which callers may have written an identity, with the names of the parts left out, such as
    `sexe`."""
    if not isinstance(identity, Identite):
        yield identity, ()
        return
    options = (_dates(identity), _places(identity), _sexes(identity), _first_names(identity))
    for chosen in product(*options):
        fields = {name: value for part, _ in chosen for name, value in part.items()}
        yield structs.replace(identity, **fields), tuple(word for _, left_out in chosen for word in left_out)


def _dates(identity: Identite) -> Iterator[Option]:
    parts = {f"{word}_date_naissance": word for word in ("annee", "mois", "jour")}
    known = [name for name in parts if getattr(identity, name)]
    for given_count in range(len(known) + 1):
        yield dict.fromkeys(known[given_count:]), tuple(parts[name] for name in known[given_count:])


def _places(identity: Identite) -> Iterator[Option]:
    yield {COMMUNE: None, PAYS: None}, ("lieu",)
    if identity.code_cog_insee_commune_naissance:
        yield {COMMUNE: None}, ("commune",)
    yield {}, ()


def _sexes(_: Identite) -> Iterator[Option]:
    yield {"sexe_etat_civil": None}, ("sexe",)
    yield {}, ()


def _first_names(identity: Identite) -> Iterator[Option]:
    """Yields the ways in which callers may have written the first names: none, the first word, the first two words, and
    so on."""
    yield {"prenoms": ()}, ("prenom",)
    for name in accumulate(filter(None, WORD_END.split(identity.prenoms[0])), "{}-{}".format):
        yield {"prenoms": (name,)}, ()
