"""Routes of the prefilled forms in which administrations request habilitations (rights to call operations) in DataPass,
and of drafts of such requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from bouquet_proto.rules import is_siret
from bouquet_registry.administration import Administration
from bouquet_registry.api.route import ApiRequest, Route
from bouquet_registry.datapass import prefill
from bouquet_registry.datapass.forms import (
    DEFINITION_OF,
    DEFINITIONS,
    Catalogue,
    Form,
    RequestClass,
    RequestData,
    ScopesConfig,
)
from bouquet_registry.habilitations import EMAIL
from bouquet_registry.refusals import InvalidFields, UnknownRecord

Word = Annotated[str, Meta(max_length=200)]


class FormProvider(Struct, frozen=True, kw_only=True):
    """Software editor that offers a prefilled form for requests for habilitations."""

    id: str
    type: str
    name: str
    siret: str
    fc_certified: bool
    apipfc_enabled: bool
    already_integrated: bool


class FormRow(Struct, frozen=True, kw_only=True):
    """Prefilled form for requests for a habilitation (right to call operations), as the API returns it."""

    uid: str
    name: str
    description: str
    use_case: str
    definition_id: str
    authorization_request_class: RequestClass
    data: RequestData
    """Data with which a request for a habilitation begins: `prefill`, completed by the form's own data."""
    prefill: RequestData
    """Data from the query string of the HTTP request, also contained in `data`; empty if the query string has none."""
    multiple_steps: bool
    introduction: str
    service_provider: FormProvider | None
    default: bool
    public: bool
    startable_by_applicant: bool
    steps: tuple[str, ...]
    single_page_view: str
    static_blocks: tuple[str, ...]
    scopes_config: ScopesConfig


class FormList(Struct, frozen=True):
    """Public prefilled forms for requests for one kind of habilitation. DataPass calls this kind a definition."""

    data: tuple[FormRow, ...]


class FormSearch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a search for prefilled forms. The search finds the forms of one use case, or all forms if
    `use_case` is empty."""

    use_case: Annotated[str, Meta(max_length=200, description="Use case of the forms.")] = ""


class Applicant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Person who requests a habilitation."""

    email: Word
    given_name: Word = ""
    family_name: Word = ""
    phone_number: Word = ""
    job_title: Word = ""


class Organization(Struct, frozen=True, forbid_unknown_fields=True):
    """Administration for which a habilitation is requested."""

    siret: str


class Demande(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Request for a habilitation, with the data that the applicant has given. `form_uid` or `type` is required. Without
    `form_uid`, the default form of the type is used."""

    applicant: Applicant
    organization: Organization
    form_uid: Word | UnsetType = UNSET
    type: RequestClass | UnsetType = UNSET
    data: RequestData = RequestData()


class NewDemande(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an HTTP request that begins an administration's request (`demande`) for a habilitation."""

    demande: Demande


class Draft(Struct, frozen=True, kw_only=True):
    """Draft of a request for a habilitation, which the registry returns without storing it."""

    state: Literal["draft"] = "draft"
    form_uid: str
    type: RequestClass
    definition_id: str
    applicant: Applicant
    organization: Organization
    service_provider: FormProvider | None
    data: RequestData
    missing: tuple[str, ...]
    """Names of the attributes that must still be filled in before the request for a habilitation can be submitted."""


class FormHandlers:
    """Handlers of the routes that return prefilled forms, and drafts of requests for habilitations. `catalogue`
    contains the forms."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def list(self, _: Administration, request: ApiRequest) -> FormList:
        """Returns the public forms of a definition (a kind of habilitation). If the request names a use case, returns
        only the forms of this use case. Raises `UnknownRecord` if no definition has this id."""
        class_, use_case = _class_of(request.id), request.inputs.use_case
        return FormList(
            tuple(
                self._row(uid, form, RequestData())
                for uid, form in self._catalogue.forms.items()
                if form.authorization_request == class_ and form.public and use_case in ("", form.use_case)
            )
        )

    async def read(self, _: Administration, request: ApiRequest) -> FormRow:
        """Returns a form, public or not, prefilled with the data of the query string. Raises `UnknownRecord` if the
        definition (kind of habilitation) has no form with this uid."""
        form = self._catalogue.form(request.id)
        if form.authorization_request != _class_of(request.parent):
            raise UnknownRecord("no form of this definition has this uid")
        return self._row(request.id, form, prefill.from_link(form, request.query))

    async def draft(self, _: Administration, request: ApiRequest) -> Draft:
        """Returns the draft of a request for a habilitation, without storing it. Raises `UnknownRecord` for an unknown
        form, and `InvalidFields` for wrong data."""
        asked: Demande = request.inputs.demande
        if asked.form_uid is UNSET and asked.type is UNSET:
            raise InvalidFields(["demande.form_uid: is required without type"])
        uid = self._catalogue.default_uid(str(asked.type)) if asked.form_uid is UNSET else str(asked.form_uid)
        form = self._catalogue.form(uid)
        faults = [*_faults(asked), *prefill.faults_in(form, asked.data)]
        if asked.type not in (UNSET, form.authorization_request):
            faults.append("demande.type: is not that of the form")
        if faults:
            raise InvalidFields(faults)
        data = prefill.merged(form, prefill.from_link(form, request.query), asked.data)
        return Draft(
            form_uid=uid,
            type=form.authorization_request,
            definition_id=DEFINITION_OF[form.authorization_request],
            applicant=asked.applicant,
            organization=asked.organization,
            service_provider=self._provider(form),
            data=data,
            missing=prefill.missing(form, data, self._catalogue.service_providers.get(form.service_provider_id)),
        )

    def _row(self, uid: str, form: Form, link: RequestData) -> FormRow:
        common: dict[str, Any] = {
            name: getattr(form, name) for name in Form.__struct_fields__ if name in FormRow.__struct_fields__
        }
        return FormRow(
            **common
            | {
                "uid": uid,
                "definition_id": DEFINITION_OF[form.authorization_request],
                "authorization_request_class": form.authorization_request,
                "data": prefill.merged(form, link),
                "prefill": link,
                "multiple_steps": bool(form.steps),
                "introduction": self._catalogue.introduction_of(form),
                "service_provider": self._provider(form),
            }
        )

    def _provider(self, form: Form) -> FormProvider | None:
        found = self._catalogue.service_providers.get(form.service_provider_id)
        return FormProvider(id=form.service_provider_id, **structs.asdict(found)) if found else None


def _class_of(definition: str) -> RequestClass:
    if definition not in DEFINITIONS:
        raise UnknownRecord("no definition has this id")
    return DEFINITIONS[definition]


def _faults(asked: Demande) -> list[str]:
    faults = []
    if not EMAIL.fullmatch(asked.applicant.email):
        faults.append("demande.applicant.email: is no e-mail address")
    if not is_siret(asked.organization.siret):
        faults.append("demande.organization.siret: is no SIRET")
    return faults


def routes_of(catalogue: Catalogue) -> tuple[Route, ...]:
    """Returns the routes of the prefilled forms in a catalogue (content of a file of forms)."""
    handlers = FormHandlers(catalogue)
    return (
        Route(
            method="GET",
            path="/definitions/{id}/formulaires",
            name="list_forms",
            summary="List the public forms of a definition, such as `api-particulier`.",
            handler=handlers.list,
            takes=FormSearch,
            answers=FormList,
            refusals=(404,),
        ),
        Route(
            method="GET",
            path="/definitions/{definition}/formulaires/{id}",
            name="read_form",
            summary="Read a form by its uid, filled in with the attributes in the query string.",
            handler=handlers.read,
            answers=FormRow,
            has_open_query=True,
            refusals=(404,),
        ),
        Route(
            method="POST",
            path="/demandes",
            name="draft_demande",
            summary="Get the draft of a request from a form, the attributes in the query string, and the body.",
            handler=handlers.draft,
            takes=NewDemande,
            answers=Draft,
            has_open_query=True,
            refusals=(404,),
        ),
    )
