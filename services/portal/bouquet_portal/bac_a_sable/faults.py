"""French texts for the faults that the sandbox finds in a proposed test case. The sandbox itself reports the faults in
English."""

from __future__ import annotations

import re

FRENCH: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"is not readable YAML \(\w+\)", "Ce texte n'est pas du YAML lisible."),
        (
            r"YAML does not read the value of `(.+)` as it is written: quote it",
            r"YAML ne lit pas la valeur de « \1 » telle qu'elle est écrite : mettez-la entre apostrophes.",
        ),
        (r"`(.+)` is given twice", r"« \1 » est donné deux fois."),
        (
            r"needs `params`.*",
            "Il faut « params » (les paramètres), « status » (le statut HTTP) et « payload » (un texte JSON).",
        ),
        (r"is not a mapping", "Le fichier n'est pas une suite de « clé: valeur »."),
        (r"`payload` is not JSON", "« payload » n'est pas du JSON."),
        (r"has more than (\d+) levels", r"Plus de \1 niveaux sont imbriqués."),
        (r"has more than (\d+) values", r"Le fichier a plus de \1 valeurs, une fois les alias développés."),
        (r"has the same parameters as (\d+) other", r"Un cas du bac à sable a déjà les mêmes paramètres."),
        (r"is not an error body", "« payload » n'a pas la forme d'une erreur : il faut « errors », avec « code »."),
        (r"does not fit the schema at (\S+) \(required: (.+)\)", r"Au chemin \1, il manque : \2."),
        (r"does not fit the schema at (\S+) \(type\)", r"Au chemin \1, la valeur n'a pas le bon type."),
        (r"does not fit the schema at (\S+) \(enum\)", r"Au chemin \1, la valeur n'est pas de la liste permise."),
        (r"does not fit the schema at (\S+) \(additionalProperties\)", r"Au chemin \1, un champ n'existe pas."),
        (r"does not fit the schema at (\S+) \((.+)\)", r"Au chemin \1, la valeur ne respecte pas le schéma (\2)."),
        (r"cannot be shown in version 2 at (\S+)", r"La version 2 ne peut pas montrer la valeur au chemin \1."),
        (r"is not the introspection of a session", "« payload » ne décrit pas une session FranceConnect."),
        (r"has a birthdate that is not YYYY-MM-DD", "« birthdate » n'est pas de la forme AAAA-MM-JJ."),
        (
            r"unreachable with any fake token: none has a scope of the operation",
            "Aucun jeton FranceConnect du bac à sable n'a de droit sur cette opération.",
        ),
        (
            r"unreachable.*: its parameters are refused \((.+)\)",
            r"Aucun appel n'obtient ce cas : ses paramètres sont refusés (\1).",
        ),
        (r"unreachable(?P<how>.*?): (?P<why>.+)", ""),
    )
)
REASONS = (
    ("a call never has ", "un appel n'a jamais "),
    ("the nearest call has another ", "l'appel le plus proche a une autre valeur de "),
    ("a call also has ", "un appel a aussi "),
)


def in_french(message: str) -> str:
    """Returns the French text for a fault that the sandbox reports in English. Returns an unknown text unchanged."""
    for pattern, text in FRENCH:
        match = pattern.fullmatch(message)
        if match is not None:
            return match.expand(text) if text else _unreachable(match["why"])
    return message


def _unreachable(why: str) -> str:
    for english, french in REASONS:
        why = why.replace(english, french)
    return f"Aucun appel n'obtient ce cas : {why.replace('; ', ' ; ')}."
