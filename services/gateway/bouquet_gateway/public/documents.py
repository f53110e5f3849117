"""Public documents, served without a token: the OpenAPI description, the list of errors, and the documents that workers
ask gateways to publish."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from msgspec import structs

from bouquet_gateway.errors.nomenclature import Nomenclature, nomenclature
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_gateway.public import openapi
from bouquet_gateway.public.encoded_document import EncodedDocument, compress_document, encode_document


class Documents:
    """Source of the public documents, such as the OpenAPI document. A document is built at its first request, and again
    once a provider has changed its offer."""

    def __init__(
        self,
        offers: Discovery,
        public_url: str = "",
        contact: str = "",
        *,
        is_sandbox: bool = False,
        has_proofs: bool = False,
    ) -> None:
        """The documents describe the operations that workers have offered (`offers`). `public_url` is the URL at which
        callers reach the gateways, `contact` a URL or e-mail address for help; both may be empty. `is_sandbox` says
        whether the gateway answers with test cases, `has_proofs` whether callers can request proofs of answers."""
        self._is_sandbox = is_sandbox
        self._has_proofs = has_proofs
        self._offers = offers
        self._public_url = public_url
        self._contact = contact
        self._made_of: Catalogue | None = None
        self._made: dict[Hashable, EncodedDocument] = {}
        self._errors: Nomenclature | None = None

    def openapi(self, envelope: Envelope | None = None) -> EncodedDocument:
        """Returns the OpenAPI document of the gateway's own endpoints and of the operations whose answers have the form
        `envelope`, `v2` or `v3`. `None` stands for the operations of both forms."""

        def make(catalogue: Catalogue) -> EncodedDocument:
            paths = catalogue.by_path.items()
            chosen = {path: served for path, served in paths if envelope in (None, envelope_of(path))}
            return encode_document(
                openapi.document(
                    chosen,
                    server_url=self._public_url or "/",
                    contact=self._contact,
                    monitored=catalogue.monitored,
                    is_sandbox=self._is_sandbox,
                    has_proofs=self._has_proofs,
                )
            )

        return self._encoded_once(("openapi", envelope), make)

    def errors(self, operation_id: str = "") -> EncodedDocument | None:
        """Returns the list of errors of the operation with the id `operation_id`, or of all operations if the id is "".
        Returns `None` for an unknown id."""
        full_list = self._nomenclature()
        if not operation_id:
            return self._encoded_once("errors", lambda _: encode_document(full_list))
        endpoint = full_list.endpoints.get(operation_id)
        if endpoint is None:
            return None
        reduced = structs.replace(full_list, endpoints={operation_id: endpoint})
        return self._encoded_once(("errors", operation_id), lambda _: encode_document(reduced))

    def offered(self, path: str) -> EncodedDocument | None:
        document = self._offers.catalogue.documents.get(path)
        return (
            None if document is None else self._encoded_once(("offered", path), lambda _: compress_document(document))
        )

    def _encoded_once(self, name: Hashable, make: Callable[[Catalogue], EncodedDocument]) -> EncodedDocument:
        catalogue = self._current_catalogue()
        if name not in self._made:
            self._made[name] = make(catalogue)
        return self._made[name]

    def _nomenclature(self) -> Nomenclature:
        catalogue = self._current_catalogue()
        if self._errors is None:
            self._errors = nomenclature(catalogue)
        return self._errors

    def _current_catalogue(self) -> Catalogue:
        """Returns the current catalogue of operations. Drops the documents that were made from a former catalogue."""
        catalogue = self._offers.catalogue
        if catalogue is not self._made_of:
            self._made_of, self._made, self._errors = catalogue, {}, None
        return catalogue
