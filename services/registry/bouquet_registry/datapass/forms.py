"""Prefilled forms of DataPass, read from a YAML file. Administrations use the forms to request habilitations (rights to
call operations)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import yaml
from msgspec import UNSET, Struct, UnsetType, structs

from bouquet_mesh.settings import SettingsError
from bouquet_registry.habilitations import SCOPE
from bouquet_registry.refusals import UnknownRecord
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import PREFIX

SETTING = f"{PREFIX}FORMS"
EXAMPLES = "examples"
"""Value of the setting `forms` that selects the example forms of this package (`forms.yaml`)."""

Block: TypeAlias = Literal["basic_infos", "legal", "modalities", "scopes", "personal_data", "contacts"]
"""Name of a block (a part of a form), such as `legal`."""
Modality: TypeAlias = Literal["params", "formulaire_qf", "france_connect"]
RequestClass: TypeAlias = Literal["APIParticulier", "APIParticulierDemarcheNumerique", "FormulaireQF"]

DEFINITIONS: dict[str, RequestClass] = {
    "api-particulier": "APIParticulier",
    "api-particulier-demarche-numerique": "APIParticulierDemarcheNumerique",
    "formulaire-qf": "FormulaireQF",
}
"""Maps the id of each kind of habilitation (a definition in DataPass) to DataPass's class of requests for this kind."""
DEFINITION_OF = {class_: id_ for id_, class_ in DEFINITIONS.items()}
CONTACT_PREFIXES = ("contact_metier_", "contact_technique_", "delegue_protection_donnees_")
"""Prefixes of the names of the `RequestData` fields that describe contacts, such as `contact_metier_email`."""
UID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
PLACEHOLDER = re.compile(r"%\{(\w*)\}")
"""Pattern of a placeholder, such as `%{form_name}`, in the introduction of a form."""
PLACEHOLDERS = ("form_name", "service_provider_name")


class RequestData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data in a request for a habilitation (right to call operations). Fields have the names of DataPass's attributes.
    An attribute without a value is `UNSET`."""

    intitule: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    date_prevue_mise_en_production: str | UnsetType = UNSET
    volumetrie_approximative: str | UnsetType = UNSET
    cadre_juridique_nature: str | UnsetType = UNSET
    cadre_juridique_url: str | UnsetType = UNSET
    modalities: tuple[Modality, ...] | UnsetType = UNSET
    france_connect_authorization_id: str | UnsetType = UNSET
    fc_cadre_juridique_nature: str | UnsetType = UNSET
    fc_cadre_juridique_url: str | UnsetType = UNSET
    fc_eidas: str | UnsetType = UNSET
    fc_alternative_connexion: bool | UnsetType = UNSET
    scopes: tuple[str, ...] | UnsetType = UNSET
    destinataire_donnees_caractere_personnel: str | UnsetType = UNSET
    duree_conservation_donnees_caractere_personnel: int | UnsetType = UNSET
    """Number of months for which the administration keeps the personal data."""
    duree_conservation_donnees_caractere_personnel_justification: str | UnsetType = UNSET
    contact_metier_email: str | UnsetType = UNSET
    contact_metier_given_name: str | UnsetType = UNSET
    contact_metier_family_name: str | UnsetType = UNSET
    contact_metier_phone_number: str | UnsetType = UNSET
    contact_metier_job_title: str | UnsetType = UNSET
    contact_technique_email: str | UnsetType = UNSET
    contact_technique_given_name: str | UnsetType = UNSET
    contact_technique_family_name: str | UnsetType = UNSET
    contact_technique_phone_number: str | UnsetType = UNSET
    contact_technique_job_title: str | UnsetType = UNSET
    contact_technique_type: str | UnsetType = UNSET
    delegue_protection_donnees_email: str | UnsetType = UNSET
    delegue_protection_donnees_given_name: str | UnsetType = UNSET
    delegue_protection_donnees_family_name: str | UnsetType = UNSET
    delegue_protection_donnees_phone_number: str | UnsetType = UNSET
    delegue_protection_donnees_job_title: str | UnsetType = UNSET

    def filled(self) -> dict[str, Any]:
        return {name: value for name, value in structs.asdict(self).items() if value is not UNSET}


def block_of(attribute: str) -> Block:
    """Returns the name of the part of a form that contains an attribute of `RequestData`."""
    if attribute.startswith(CONTACT_PREFIXES):
        return "contacts"
    if attribute.startswith(("fc_", "france_connect_")):
        return "modalities"
    if attribute.startswith(("destinataire_", "duree_")):
        return "personal_data"
    if attribute.startswith("cadre_"):
        return "legal"
    return {"modalities": "modalities", "scopes": "scopes"}.get(attribute, "basic_infos")  # type: ignore[return-value]


class ServiceProviderEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Software editor that offers prefilled forms, as described in the file of forms."""

    type: Literal["editor", "saas"]
    name: str
    siret: str = ""
    fc_certified: bool = False
    """Whether FranceConnect has certified the software."""
    apipfc_enabled: bool = False
    """Whether an applicant may ask for the habilitation and for the use of FranceConnect in one request. Requires
    `fc_certified`."""
    already_integrated: bool = False


class ScopesConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Scopes that a DataPass form shows, hides, or shows but does not let the applicant change."""

    displayed: tuple[str, ...] = ()
    """Scopes that the form shows; empty for all scopes."""
    disabled: tuple[str, ...] = ()
    """Scopes that are shown, and that the applicant can neither tick nor untick."""
    hide: tuple[str, ...] = ()
    """Scopes that the form does not show, even if `displayed` lists them. The form can still prefill hidden scopes."""

    def is_editable(self, scope: str) -> bool:
        """Returns whether the applicant may change the choice of a scope in the form."""
        is_shown = not self.displayed or scope in self.displayed
        return is_shown and scope not in self.disabled and scope not in self.hide


class Form(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prefilled form with which an administration begins a request for a habilitation (right to call operations)."""

    name: str
    description: str = ""
    introduction: str = ""
    """Text shown before the form. In it, `%{form_name}` and `%{service_provider_name}` stand for the names of the form
    and of its editor."""
    authorization_request: RequestClass = "APIParticulier"
    service_provider_id: str = ""
    """Id of the editor that offers the form; empty if no editor does."""
    use_case: str = ""
    default: bool = False
    """Whether this form is used for requests that name only their class (`authorization_request`) and no form."""
    public: bool = True
    """Whether lists of forms contain the form. A form that is not listed can still be read by its uid."""
    startable_by_applicant: bool = True
    steps: tuple[Block, ...] = ()
    """Pages to fill in, in this order; empty for a single page."""
    single_page_view: str = ""
    """Name of the DataPass view that shows the form on a single page, or "". A form with `steps` must have none."""
    static_blocks: tuple[Block, ...] = ()
    """Parts of the form that the applicant cannot change."""
    scopes_config: ScopesConfig = ScopesConfig()
    initialize_with: RequestData = RequestData()
    """Data with which the form is prefilled."""


class Catalogue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Content of the file of DataPass's prefilled forms: the forms, and the software editors that offer them."""

    service_providers: dict[str, ServiceProviderEntry] = {}
    forms: dict[str, Form] = {}

    def form(self, uid: str) -> Form:
        """Returns a form by its uid. Raises `UnknownRecord` if the catalogue has no form with this uid."""
        if uid not in self.forms:
            raise UnknownRecord("no form has this uid")
        return self.forms[uid]

    def default_uid(self, class_: str) -> str:
        """Returns the uid of the default form of a class of requests, such as `APIParticulier`. The default is the form
        marked `default`, or else the only form of the class. Raises `UnknownRecord` if there is neither."""
        of_class = [(uid, form) for uid, form in self.forms.items() if form.authorization_request == class_]
        found = [uid for uid, form in of_class if form.default] or [uid for uid, _ in of_class][: len(of_class) == 1]
        if not found:
            raise UnknownRecord("this class of requests has no default form")
        return found[0]

    def introduction_of(self, form: Form) -> str:
        """Returns the introduction of a form with its placeholders filled in."""
        provider = self.service_providers.get(form.service_provider_id)
        values = {"form_name": form.name, "service_provider_name": provider.name if provider else ""}
        return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), form.introduction)


NO_FORMS = Catalogue()


def forms_of(settings: RegistrySettings) -> Catalogue:
    """Returns the forms in the file that the setting `forms` names, or no forms if the setting is empty. Raises
    `SettingsError` if the file cannot be read or is wrong."""
    if not settings.forms:
        return NO_FORMS
    try:
        if settings.forms == EXAMPLES:
            return parse(files(__package__).joinpath("forms.yaml").read_bytes())
        return parse(Path(settings.forms).read_bytes())
    except OSError as error:
        raise SettingsError([f"{SETTING}: cannot be read ({error.strerror})"]) from None


def parse(text: bytes) -> Catalogue:
    """Parses the YAML text of a file of forms. Raises `SettingsError`, which lists the faults, if the text is wrong."""
    try:
        catalogue = msgspec.convert(yaml.safe_load(text) or {}, Catalogue)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        where = str(error) if isinstance(error, msgspec.ValidationError) else "no YAML"
        raise SettingsError([f"{SETTING}: {where}"]) from None
    if faults := [f"{SETTING}: {fault}" for fault in _faults(catalogue)]:
        raise SettingsError(faults)
    return catalogue


def _faults(catalogue: Catalogue) -> Iterator[str]:
    for id_, provider in catalogue.service_providers.items():
        if provider.apipfc_enabled and not provider.fc_certified:
            yield f"service_providers.{id_}.apipfc_enabled: needs fc_certified"
    for class_ in DEFINITION_OF:
        of_class = [form for form in catalogue.forms.values() if form.authorization_request == class_]
        if sum(form.default for form in of_class) > 1:
            yield f"forms: {class_} has several default forms"
    for uid, form in catalogue.forms.items():
        yield from (f"forms.{uid}.{fault}" for fault in _form_faults(uid, form, catalogue.service_providers))


def _form_faults(uid: str, form: Form, providers: Iterable[str]) -> Iterator[str]:
    config, start = form.scopes_config, form.initialize_with.filled().get("scopes", ())
    if not UID.fullmatch(uid):
        yield "uid: is no uid"
    if form.service_provider_id and form.service_provider_id not in providers:
        yield "service_provider_id: is not in service_providers"
    if unknown := set(PLACEHOLDER.findall(form.introduction)) - set(PLACEHOLDERS):
        yield f"introduction: has unknown placeholders {', '.join(sorted(unknown))}"
    if form.steps and form.single_page_view:
        yield "single_page_view: is of a form without steps"
    if both := set(form.steps) & set(form.static_blocks):
        yield f"static_blocks: are steps too: {', '.join(sorted(both))}"
    if config.displayed and set(config.disabled) - set(config.displayed):
        yield "scopes_config.disabled: are not all displayed"
    for name, scopes in (("initialize_with.scopes", start), *structs.asdict(config).items()):
        if not all(map(SCOPE.fullmatch, scopes)):
            yield f"{name}: are no scopes"
