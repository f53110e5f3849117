"""The failure table: one row for each reason why a call may fail, with the public error code and the texts for the
caller. A row also tells the party at fault, and whether a worker repeats its request.

    Failure
    ├── parameters    a wrong parameter of the query; the reason is the public code (docs/reference/contract.md §3.4)
    ├── session       a FranceConnect token that cannot be used (§2.4)
    ├── platform      a refused token, rate limit or path, or a fault of Bouquet itself (§3.3)
    ├── refusal       a call that a provider refuses to answer; the code begins with the authority's two digits (§3.4)
    └── provider      a failure of any provider; the code begins with the authority's two digits (§3.5)

A worker replies with a reason, and the gateway answers its caller with the code and texts in the row of this reason. A
worker may add rows of its provider, such as "not found" texts. All texts are copied word for word from the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, NamedTuple

from msgspec import Struct


class Kind(StrEnum):
    """Kind of a failure. The kind decides the HTTP status of the response (docs/reference/contract.md §3.1)."""

    BAD_REQUEST = "bad_request"
    WRONG_PARAMETER = "wrong_parameter"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    IP_FORBIDDEN = "ip_forbidden"
    NO_ROUTE = "no_route"
    GONE = "gone"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    TOO_MANY = "too_many"
    PROVIDER_ERROR = "provider_error"
    PROVIDER_UNKNOWN = "provider_unknown"
    NETWORK = "network"
    TIMEOUT = "timeout"
    LEGAL = "legal"
    MAINTENANCE = "maintenance"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"


class Rendering(NamedTuple):
    """Parts of an error response that depend only on the kind of the failure. `v3_status` and `v2_status` are the HTTP
    statuses in versions 3 and 2 of the API. `v2_word` is the value of `error` in a response of version 2."""

    v3_status: int
    v2_status: int
    v2_word: str


RENDERINGS: dict[Kind, Rendering] = {
    Kind.BAD_REQUEST: Rendering(400, 400, "bad_request"),
    Kind.WRONG_PARAMETER: Rendering(422, 400, "bad_request"),
    Kind.UNAUTHORIZED: Rendering(401, 401, "access_denied"),
    Kind.FORBIDDEN: Rendering(403, 401, "access_denied"),
    Kind.IP_FORBIDDEN: Rendering(403, 403, "access_denied"),
    Kind.NO_ROUTE: Rendering(404, 404, "not_found"),
    Kind.GONE: Rendering(410, 410, "gone"),
    Kind.NOT_FOUND: Rendering(404, 404, "not_found"),
    Kind.CONFLICT: Rendering(409, 409, "conflict"),
    Kind.TOO_LARGE: Rendering(413, 413, "bad_request"),
    Kind.UNSUPPORTED: Rendering(415, 415, "bad_request"),
    Kind.TOO_MANY: Rendering(429, 429, "too_many_requests"),
    Kind.PROVIDER_ERROR: Rendering(502, 503, "data_provider_error"),
    Kind.PROVIDER_UNKNOWN: Rendering(502, 503, "provider_unknown_error"),
    Kind.NETWORK: Rendering(502, 502, "network_error"),
    Kind.TIMEOUT: Rendering(504, 504, "timeout_error"),
    Kind.LEGAL: Rendering(451, 451, "unavailable_for_legal_reason"),
    Kind.MAINTENANCE: Rendering(503, 503, "maintenance"),
    Kind.OVERLOADED: Rendering(503, 503, "overloaded"),
    Kind.INTERNAL: Rendering(500, 500, "error"),
}

Fault = Literal["caller", "platform", "provider"]
"""Party at fault for a failure: the caller, Bouquet itself (`platform`), or the provider."""
LogLevel = Literal["info", "warning", "error"]


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Row of the failure table: the error that the caller gets if a call fails for one reason. The kind decides the
    HTTP status."""

    kind: Kind
    code: str
    """Public code of the error, such as `00210`. A code of only three digits is completed by the two digits of the
    operation's authority (`Authority.prefix`): `003` becomes `35003`."""
    title: str
    detail: str
    fault: Fault
    retry: bool = False
    """Whether a second attempt may succeed. A worker then repeats its request to the provider once, unless the request
    changes data there."""
    log: LogLevel = "info"
    """Level of the log line about the failure."""
    source: dict[str, str] = {}
    """Value of the key `source` in the error that the caller gets, such as `{"parameter": "recipient"}`. The error has
    no `source` if the value is empty."""
    provider: str = ""
    """Name that the error gives in `meta.provider`, such as `DSNJ`. If empty, the error names the operation's authority
    or, if `code` has five digits, nobody."""
    retry_in_s: int = 0
    """Seconds after which the caller may try again; 0 if the error gives no such advice."""
    v2_word: str = ""
    """Value of `error` in the v2 response. If empty, the kind's usual value is used (`Rendering`)."""
    v2_reason: str = ""
    """Value of `reason` in the v2 response. If empty, `reason` repeats `detail`."""
    v2_flat: bool = False
    """Whether the v2 response has the short form `{"errors": [detail]}`. False for the usual v2 response
    (docs/reference/contract.md §3.1)."""

    @property
    def has_authority_prefix(self) -> bool:
        """Whether the public code begins with the two digits of an authority. If so, `code` holds only the other three
        digits."""
        return len(self.code) == 3

    def code_of(self, prefix: str) -> str:
        """Returns the public code of five digits. `prefix`, the two digits of the operation's authority, completes a
        `code` of three digits."""
        return prefix + self.code if self.has_authority_prefix else self.code


PERIMETER = " Veuillez vérifier que votre recherche est couverte par le périmètre de l'API."
"""Sentence at the end of most "not found" texts."""
# The contract has no full stop before this sentence (docs/reference/contract.md §3.5, C6).


GENERIC_ABSENCE = (
    "L'identifiant indiqué n'existe pas, n'est pas connu ou ne comporte aucune information pour cet appel."
)
"""Default text of a "not found" response, for a provider that has no text of its own in the contract."""


def absence(detail: str = GENERIC_ABSENCE, *, title: str = "Entité non trouvée", v2_reason: str = "") -> Failure:
    """Returns a row of the failure table for a provider that has no data about the person. The public code ends with
    `003`. The caller gets the text `detail`, followed by the sentence `PERIMETER`. `v2_reason`, if not empty, replaces
    the text as the `reason` of a v2 response."""
    return Failure(
        kind=Kind.NOT_FOUND, code="003", title=title, detail=detail + PERIMETER, fault="caller", v2_reason=v2_reason
    )


_UNPROCESSABLE = "Entité non traitable"
_TOKEN = {"parameter": "token"}


def _parameter(code: str, detail: str) -> Failure:
    return Failure(kind=Kind.WRONG_PARAMETER, code=code, title=_UNPROCESSABLE, detail=detail, fault="caller")


PARAMETERS: dict[str, Failure] = {
    row.code: row
    for row in (
        Failure(
            kind=Kind.WRONG_PARAMETER,
            code="00210",
            title=_UNPROCESSABLE,
            detail="Le paramètre recipient n'est pas un siret valide",
            fault="caller",
            source={"parameter": "recipient"},
        ),
        _parameter("00351", "Le code postal n'est pas correctement formaté"),
        _parameter("00352", "Le numéro d'allocataire n'est pas correctement formaté"),
        _parameter("00354", "Le mois demandé est incorrect ou est dans le futur."),
        _parameter(
            "00355",
            "La période demandée est antérieure de plus de 23 mois. Le quotient familial n'est disponible que pour le "
            "mois en cours et les 23 mois précédents.",
        ),
        _parameter("00356", "L'année demandée doit être l'année en cours (N), N-1 ou N-2."),
        _parameter("00360", "Le numéro d'INE n'est pas correctement formatté"),
        _parameter("00363", "La date de naissance n'est pas correctement formatté"),
        _parameter("00365", "Le lieu de naissance n'est pas correctement formaté"),
        _parameter("00367", "Le ou les prénoms sont manquants."),
        _parameter(
            "00368",
            "L'année de campagne (campaignYear) n'est pas correctement formatée: "
            "doit être une année sur 4 chiffres supérieure ou égale à 2021",
        ),
        _parameter("00380", "L'identifiant est manquant"),
        _parameter("00400", "Le code pays INSEE n'est pas correctement formaté"),
        _parameter(
            "00410",
            "Le code établissement n'est pas correctement formaté: celui doit être composé de 7 chiffres et 1 lettre",
        ),
        _parameter(
            "00411",
            "L'année scolaire n'est pas correctement formatée: doit être sur le format YYYY ou YYYY-YYYY)",
        ),
        _parameter("00412", "Le degré d'établissement n'est pas correctement formaté: doit être 1D ou 2D"),
        _parameter(
            "00413",
            "Le périmètre géographique est invalide: exactement un type de périmètre doit être fourni",
        ),
        _parameter("00414", "Les valeurs du périmètre sont invalides: doit être un tableau non vide"),
        _parameter(
            "00415",
            "Au moins un critère de recherche géographique est requis: renseignez soit le paramètre "
            "codeEtablissement, soit un périmètre géographique (codesBcnDepartements ou codesBcnRegions avec "
            "degreEtablissement)",
        ),
        _parameter("00416", "Le code département BCN MEN est invalide: valeur non reconnue"),
        _parameter("00417", "Le code région BCN MEN est invalide: valeur non reconnue"),
        _parameter(
            "00419",
            "Les paramètres codeEtablissement et périmètre (codesBcnRegions/codesBcnDepartements) "
            "sont mutuellement exclusifs",
        ),
        _parameter("00420", "Le nom de naissance est manquant"),
        _parameter("00421", "Le(s) prenom(s) est manquant"),
        _parameter("00422", "L'annee de naissance est manquante"),
        _parameter("00423", "Le mois de naissance est manquant"),
        _parameter("00424", "Le jour de naissance est manquant"),
        _parameter("00425", "La date de naissance n'est pas valide"),
        _parameter("00426", "Le nom d'usage n'est pas correctement formaté"),
        _parameter("00427", "Le sexe de l'état civil est manquant"),
        _parameter("00428", "Le code cog du département de naissance est manquant ou invalide"),
        _parameter("00430", "L'immatriculation du véhicule est manquante"),
        Failure(
            kind=Kind.WRONG_PARAMETER,
            code="39400",  # with a provider's prefix, although no provider is asked (docs/reference/contract.md §3.2)
            title="Age non pertinent pour le Service National",
            detail="L'age renseigné n'est pas compris entre 16 et 25 ans incluts, et n'est donc pas concerné par le "
            "Service National.",
            fault="caller",
            provider="DSNJ",
        ),
    )
}

PLATFORM: dict[str, Failure] = {
    "bad_request": Failure(
        kind=Kind.BAD_REQUEST,
        code="00401",
        title="Mauvaise requête",
        detail="Votre requête est invalide",
        fault="caller",
        v2_flat=True,
    ),
    "request_too_large": Failure(
        kind=Kind.TOO_LARGE,
        code="00494",  # not 00413, which is a school perimeter's
        title="Requête trop volumineuse",
        detail="Votre requête dépasse la taille acceptée",
        fault="caller",
    ),
    "encoded_body": Failure(
        kind=Kind.UNSUPPORTED,
        code="00495",
        title="Encodage non accepté",
        detail="Le corps d'une requête n'est lu que sans compression, donc sans en-tête Content-Encoding",
        fault="caller",
    ),
    "token_invalid": Failure(
        kind=Kind.UNAUTHORIZED,
        code="00101",
        title="Interdit",
        detail="Votre token n'est pas valide",
        fault="caller",
        source=_TOKEN,
    ),
    "token_missing": Failure(
        kind=Kind.UNAUTHORIZED,
        code="00101",
        title="Interdit",
        detail="Votre token n'est pas renseigné",
        fault="caller",
        source=_TOKEN,
    ),
    "token_of_production": Failure(
        kind=Kind.UNAUTHORIZED,
        code="00108",
        title="Jeton de production sur staging",
        detail="Ce jeton est un jeton de production, il n'est pas valide sur l'environnement de staging. Utilisez le "
        "jeton public de staging : https://github.com/datagouv/apistration/blob/develop/mocks/tokens/default",
        fault="caller",
        source=_TOKEN,
    ),
    "token_of_staging": Failure(
        kind=Kind.UNAUTHORIZED,
        code="00109",
        title="Jeton de staging en production",
        detail="Ce jeton est un jeton de staging, il ne fonctionne que sur https://staging.particulier.api.gouv.fr. En "
        "production, utilisez le jeton de votre habilitation, disponible sur votre espace personnel : "
        "https://particulier.api.gouv.fr/compte",
        fault="caller",
        source=_TOKEN,
    ),
    "token_expired": Failure(
        kind=Kind.UNAUTHORIZED,
        code="00103",
        title="Jeton expiré",
        detail="Votre token est expiré. Vous devez refaire une demande à API Particulier, un guide est "
        "disponible sur "
        "https://particulier.api.gouv.fr/faq#comment-renouveler-mon-jeton-arrivant-a-expiration",
        fault="caller",
        source=_TOKEN,
        v2_flat=True,
    ),
    "token_blacklisted": Failure(
        kind=Kind.UNAUTHORIZED,
        code="00105",
        title="Jeton sur liste noire",
        detail="Votre jeton est sur liste noire, celui-ci a certainement été divulgué sur un canal "
        "non-sécurisé. Vous pouvez trouver un jeton valide sur votre espace personnel: "
        "https://particulier.api.gouv.fr/compte",
        fault="caller",
        source=_TOKEN,
        v2_flat=True,
    ),
    "insufficient_scopes": Failure(
        kind=Kind.FORBIDDEN,
        code="00100",
        title="Privilèges insuffisants",
        detail="Votre token est valide mais vos privilèges sont insuffisants. "
        "Listez vos privilèges sur /api/introspect",
        fault="caller",
        source=_TOKEN,
    ),
    "ip_forbidden": Failure(
        kind=Kind.IP_FORBIDDEN,
        code="00107",
        title="Adresse IP non autorisée",
        detail="Votre adresse IP n'est pas autorisée à utiliser ce jeton.",
        fault="caller",
        source={"header": "X-Forwarded-For"},
        v2_flat=True,
    ),
    "delegation_ambiguous": Failure(
        kind=Kind.WRONG_PARAMETER,
        code="00212",
        title=_UNPROCESSABLE,
        detail="Plusieurs délégations actives existent pour ce SIRET. Le paramètre delegation_id est requis pour "
        "identifier la délégation.",
        fault="caller",
        source={"parameter": "delegation_id"},
    ),
    "recipient_not_delegated": Failure(
        kind=Kind.FORBIDDEN,
        code="00213",
        title="Accès refusé",
        detail="Le paramètre recipient ne correspond à aucune habilitation déléguée à cet éditeur. Une délégation ne "
        "permet d'appeler que pour le compte de l'organisation ayant délégué son habilitation.",
        fault="caller",
    ),
    "already_in_flight": Failure(
        kind=Kind.CONFLICT,
        code="00015",
        title="Conflit",
        detail="Une requête associé à votre jeton est déjà en cours de traitement pour ces paramètres. "
        "Veuillez attendre la fin du traitement avant d'effectuer une nouvelle requête.",
        fault="caller",
        v2_flat=True,
    ),
    "too_many_requests": Failure(
        kind=Kind.TOO_MANY,
        code="00429",
        title="Trop de requêtes",
        detail="Vous avez effectué trop de requêtes",
        fault="caller",
        v2_flat=True,
    ),
    "unknown_operation": Failure(
        kind=Kind.NO_ROUTE,
        code="00404",
        title="Opération inconnue",
        detail="Cette opération n'existe pas sur API particulier{named}",
        fault="caller",
        source={"parameter": "operation_id"},
    ),
    "unknown_route": Failure(
        kind=Kind.NO_ROUTE,
        code="00493",  # not 00404, which is an operation's that the list of errors does not have
        title="URL inconnue",
        detail="Cette URL n'existe pas sur API particulier, veuillez vérifier votre URL.",
        fault="caller",
    ),
    "unknown_version": Failure(
        kind=Kind.NO_ROUTE,
        code="00402",
        title="Version d'API non prise en charge",
        detail="La version v{version} n'est pas supportée pour cet endpoint",
        fault="caller",
    ),
    # 00481 to 00484 are faults of a dossier's body (docs/calling.md). The errors name the field in `source.pointer`.
    "dossier_field": _parameter("00481", "Ce champ du dossier est absent, inconnu ou mal formé"),
    "dossier_count": _parameter("00482", "Un dossier a de 1 à 20 ressources, et 12 personnes au plus par for_each"),
    "dossier_operation": _parameter(
        "00483", "Cette ressource n'existe pas dans cette version, ou selon cette modalité"
    ),
    "dossier_for_each": _parameter(
        "00484",
        "Le champ for_each doit désigner une liste de personnes d'une autre ressource du dossier, elle-même sans "
        "for_each, et l'opération appelée les recevoir par identite",
    ),
    "proof_unknown": Failure(
        kind=Kind.NOT_FOUND,
        code="00485",
        title="Preuve inconnue",
        detail="Lien de vérification invalide : aucune preuve ne correspond.",
        fault="caller",
        source={"parameter": "preuve"},
    ),
    "proof_expired": Failure(
        kind=Kind.GONE,
        code="00486",
        title="Preuve expirée",
        detail="Cette preuve n'est plus valable : elle a plus de cinq ans.",
        fault="caller",
        source={"parameter": "preuve"},
    ),
    "proof_revoked": Failure(
        kind=Kind.GONE,
        code="00487",
        title="Preuve révoquée",
        detail="Cette preuve a été révoquée le {revoked_on} : elle n'est plus valable.",
        fault="caller",
        source={"parameter": "preuve"},
    ),
    "proof_status_unknown": Failure(
        kind=Kind.NETWORK,
        code="00488",
        title="Validité de la preuve inconnue",
        detail="Il est impossible de vérifier pour le moment si cette preuve a été révoquée, veuillez réessayer.",
        fault="platform",
        retry=True,
        log="error",
        retry_in_s=10,
    ),
    "proof_document_expired": Failure(
        kind=Kind.GONE,
        code="00489",
        title="Document expiré",
        detail="Ce document ne pouvait être téléchargé que pendant cinq minutes. La preuve reste valable : seule une "
        "nouvelle demande peut en donner un autre document.",
        fault="caller",
        source={"parameter": "document"},
    ),
    # 00490 and 00496 are errors of the Model Context Protocol alone (docs/calling.md).
    "mcp_not_allowed": Failure(
        kind=Kind.UNAUTHORIZED,
        code="00496",
        title="Interdit",
        detail="Ce jeton n'est pas autorisé pour le Model Context Protocol",
        fault="caller",
        source=_TOKEN,
    ),
    "mcp_purpose": Failure(
        kind=Kind.WRONG_PARAMETER,
        code="00490",
        title=_UNPROCESSABLE,
        detail="La finalité (finalite) est absente, ou n'est pas un texte de 1 à 200 caractères qui contient une "
        "lettre et aucun caractère de contrôle",
        fault="caller",
        source={"parameter": "finalite"},
    ),
    "gone_tax_notice": Failure(
        kind=Kind.GONE,
        code="00491",
        title="Ressource supprimée",
        detail="Cette URL n'existe plus sur API Particulier depuis le 8 janvier 2024. Veuillez mettre à jour votre "
        "application. Ces données sont désormais fournies par l'API Impôt particulier : "
        "https://api.gouv.fr/les-api/impot-particulier",
        fault="caller",
    ),
    "gone_first_quotient": Failure(
        kind=Kind.GONE,
        code="00492",
        title="Ressource supprimée",
        detail="L'API Quotient Familial v1 n'est plus disponible depuis le 31/10/2025. Veuillez utiliser l'API v2 : "
        "https://particulier.api.gouv.fr/catalogue/cnav/quotient_familial",
        fault="caller",
    ),
    "bus_unavailable": Failure(
        kind=Kind.NETWORK,
        code="00501",
        title="Erreur réseau",
        detail="Problème de connexion au serveur distant. L'erreur peut venir soit du fournisseur, soit de "
        "API Entreprise. Il s'agit souvent d'une erreur temporaire.",
        fault="platform",
        retry=True,
        log="error",
        retry_in_s=10,
    ),
    "registry_unavailable": Failure(
        kind=Kind.NETWORK,
        code="00520",
        title="Registre indisponible",
        detail="La validité de votre jeton ne peut pas être vérifiée pour le moment, veuillez réessayer.",
        fault="platform",
        retry=True,
        log="error",
        retry_in_s=10,
    ),
    "journal_full": Failure(
        kind=Kind.OVERLOADED,
        code="00521",
        title="Journal des accès indisponible",
        detail="Votre appel ne peut pas être journalisé pour le moment, veuillez réessayer.",
        fault="platform",
        retry=True,
        log="error",
        retry_in_s=30,
    ),
    "overloaded": Failure(
        kind=Kind.OVERLOADED,
        code="00529",  # not 00503, which the shared code list gives to features that do not exist yet
        title="Service surchargé",
        detail="La plateforme reçoit plus de demandes qu'elle ne peut en traiter, veuillez réessayer.",
        fault="platform",
        retry=True,
        log="warning",
        retry_in_s=1,
    ),
    "internal": Failure(
        kind=Kind.INTERNAL,
        code="00500",
        title="Erreur interne",
        detail="Une erreur interne s'est produite, l'équipe a été prévenue.",
        fault="platform",
        log="error",
        v2_reason="Internal server error",
    ),
}

SESSION: dict[str, Failure] = {
    "session_missing": Failure(
        kind=Kind.UNAUTHORIZED,
        code="504",
        title="Accès non autorisé",
        detail="Le jeton d'accès FranceConnect est manquant. Cet endpoint requiert un jeton d'accès FranceConnect "
        "transmis via l'en-tête Authorization: Bearer.",
        fault="caller",
    ),
    "session_malformed": Failure(
        kind=Kind.UNAUTHORIZED,
        code="501",
        title="Accès non autorisé",
        detail="Le jeton d'accès est mal formaté.",
        fault="caller",
    ),
    "session_unknown": Failure(
        kind=Kind.UNAUTHORIZED,
        code="502",
        title="Accès non autorisé",
        detail="Le jeton d'accès n'a pas été trouvé ou est expiré.",
        fault="caller",
    ),
    "identity_unusable": Failure(
        kind=Kind.WRONG_PARAMETER,
        code="564",
        title="Identité inexploitable renvoyée par le fournisseur de données",
        detail="L'identité renvoyée par le fournisseur de données est incomplète ou invalide.",
        fault="provider",
    ),
}
"""Failures of calls whose FranceConnect token or identity cannot be used, by reason, such as `session_missing`
(docs/reference/contract.md §3.2)."""


def _refusal(code: str, title: str, detail: str) -> Failure:
    return Failure(kind=Kind.WRONG_PARAMETER, code=code, title=title, detail=detail, fault="caller")


REFUSALS: dict[str, Failure] = {
    "identity_unknown": _refusal(
        "560",
        "Identité non reconnue par le fournisseur de données",
        "Les paramètres d'identité fournis ne correspondent à aucune personne connue du fournisseur de données.",
    ),
    "civil_status_refused": _refusal(
        "561",
        "Paramètres de civilité refusés par le fournisseur de données",
        "Un ou plusieurs paramètres de civilité ont été refusés par le fournisseur de données.",
    ),
    "identifier_refused": _refusal(
        "562",
        "Identifiant refusé par le fournisseur de données",
        "L'identifiant fourni a été refusé par le fournisseur de données.",
    ),
    "identity_ambiguous": _refusal(
        "563",
        "Identité ambiguë pour le fournisseur de données",
        "Les paramètres d'identité fournis correspondent à plusieurs personnes chez le fournisseur de données.",
    ),
    "period_refused": _refusal(
        "565",
        "Période refusée par le fournisseur de données",
        "La période demandée n'est pas couverte par le fournisseur de données.",
    ),
}
"""Failures of lookups that a provider refuses to answer, by reason. For example, `identity_unknown` means that the
provider does not recognise the person."""
# Their codes begin with the provider's own prefix; `00` would mean that no provider was asked.

_UNKNOWN = (
    "La réponse retournée par le fournisseur de données est invalide et inconnue de notre service. "
    "L'équipe technique a été notifiée de cette erreur pour investigation."
)


def _unknown(log: LogLevel = "error", fault: Fault = "provider") -> Failure:
    return Failure(
        kind=Kind.PROVIDER_UNKNOWN,
        code="999",
        title="Erreur inconnue du fournisseur de données",
        detail=_UNKNOWN,
        fault=fault,
        log=log,
    )


def _unavailable(fault: Fault, retry_in_s: int = 0) -> Failure:
    return Failure(
        kind=Kind.PROVIDER_ERROR,
        code="001",
        title="Service non disponible",
        detail="Service du fournisseur de données temporairement indisponible ou en maintenance.",
        fault=fault,
        retry=True,
        log="warning",
        retry_in_s=retry_in_s,
    )


def _timeout(fault: Fault) -> Failure:
    return Failure(
        kind=Kind.TIMEOUT,
        code="002",
        title="Intermédiaire hors-délai",
        detail="Temps d’attente d’une réponse du fournisseur de données écoulé.",
        fault=fault,
        retry=True,
        log="warning",
    )


def _rate_limited(fault: Fault, *, retry: bool = False, log: LogLevel = "info") -> Failure:
    return Failure(
        kind=Kind.PROVIDER_ERROR,
        code="008",
        title="Erreur auprès du fournisseur de données : trop de requêtes",
        detail="Erreur de fournisseur de donnée : Trop de requêtes effectuées, veuillez réessayer plus tard.",
        fault=fault,
        retry=retry,
        log=log,
    )


PROVIDER: dict[str, Failure] = {
    "upstream_internal": Failure(
        kind=Kind.PROVIDER_ERROR,
        code="000",
        title="Erreur interne du fournisseur de données",
        detail="La réponse retournée par le fournisseur de données est invalide et a été identifié comme "
        "étant une erreur interne. Si le problème persiste, consultez la page de status ou contactez nous "
        "sur le support.",
        fault="provider",
        log="warning",
    ),
    "upstream_redirected": Failure(
        kind=Kind.PROVIDER_ERROR,
        code="000",
        title="Erreur interne du fournisseur de données",
        detail="Erreur serveur inattendue du fournisseur de données",
        fault="provider",
        log="error",
    ),
    "upstream_unavailable": _unavailable("provider"),
    "breaker_open": _unavailable("provider"),
    "not_deployed": _unavailable("platform"),
    "provider_busy": _unavailable("platform", retry_in_s=1),
    "upstream_timeout": _timeout("provider"),
    "deadline_exceeded": _timeout("platform"),
    "upstream_unreachable": Failure(
        kind=Kind.NETWORK,
        code="00501",
        title=PLATFORM["bus_unavailable"].title,
        detail=PLATFORM["bus_unavailable"].detail,
        fault="provider",
        retry=True,
        log="error",
        retry_in_s=10,
    ),
    "upstream_unresolved": Failure(
        kind=Kind.NETWORK,
        code="004",
        title="Erreur de résolution DNS",
        detail="Problème de résolution DNS de l'adresse du serveur",
        fault="provider",
        retry=True,
        log="error",
    ),
    "upstream_refused_us": Failure(
        kind=Kind.PROVIDER_ERROR,
        code="006",
        title="Erreur d'authentification auprès du fournisseur de données",
        detail="L'authentification auprès du fournisseur de données '{provider}' a échoué",
        fault="platform",
        log="error",
    ),
    "upstream_rate_limited": _rate_limited("provider", log="warning"),
    "quota_spent": _rate_limited("platform", retry=True),
    "upstream_certificate": Failure(
        kind=Kind.PROVIDER_UNKNOWN,
        code="009",
        title="Erreur de connexion sécurisée (TLS) avec le fournisseur de données",
        detail="La connexion sécurisée avec le fournisseur de données n'a pas pu être établie : certificat invalide ou "
        "expiré, ou échec de la négociation TLS. L'équipe technique a été notifiée de cette erreur pour investigation.",
        fault="provider",
        log="error",
    ),
    "several_matches": Failure(
        kind=Kind.CONFLICT,
        code="015",
        title="Conflit",
        detail="Plusieurs ressources correspondent aux critères",
        fault="provider",
    ),
    "maintenance": Failure(
        kind=Kind.MAINTENANCE,
        code="020",
        title="Maintenance du fournisseur de données",
        detail="Le fournisseur de données est en maintenance de {start} à {end}",
        fault="provider",
    ),
    "maintenance_unknown_window": Failure(
        kind=Kind.MAINTENANCE,
        code="020",
        title="Maintenance du fournisseur de données",
        detail="Le fournisseur de données semble être en maintenance",
        fault="provider",
    ),
    "upstream_unknown": _unknown(),
    "upstream_malformed": _unknown(),
    "malformed_request": _unknown(fault="platform"),
    "malformed_reply": _unknown(fault="platform"),
    "worker_bug": _unknown(fault="platform"),
}

FAILURES: dict[str, Failure] = PARAMETERS | PLATFORM | SESSION | REFUSALS | PROVIDER


def failure_of(reason: str, own: Mapping[str, Failure]) -> Failure | None:
    """Returns the row of the failure table for a reason, or None if there is none. Rows common to all providers come
    before `own`, the rows of one provider."""
    # The common table comes first, so that a provider cannot change the meaning of common reasons.
    return FAILURES.get(reason) or own.get(reason)
