"""Lookup of data about a person: checks the request, asks the provider, and builds the answer. The checks have the
order of the contract (docs/reference/contract.md §2.7)."""
# The order is: blacklist, address and rate limit; path; authentication; scopes; same call in flight; version;
# recipient; cache; maintenance of the provider; parameters; provider; removal of fields outside the scopes; form of the
# body.

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import msgspec
from msgspec import Raw

from bouquet_gateway.access.authenticate import Admission, Authenticator, Requester
from bouquet_gateway.call import Answer, Call, HttpRequest
from bouquet_gateway.errors.nomenclature import reasons_of
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.lookup import sandbox
from bouquet_gateway.lookup.answer_cache import AnswerCache
from bouquet_gateway.lookup.ask import Providers
from bouquet_gateway.lookup.in_flight import InFlight
from bouquet_gateway.lookup.maintenance import MaintenanceWindows, refuse_in_window
from bouquet_gateway.lookup.match import match_path
from bouquet_gateway.lookup.parse import ParsedQuery, parse, recipient_of
from bouquet_gateway.lookup.people import people_named
from bouquet_gateway.lookup.scope_filter import open_fields
from bouquet_gateway.offers.catalogue import Match, ServedOperation
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.paths import Envelope
from bouquet_gateway.proofs.proofs import ProofMembers, Proofs, wanted_kind
from bouquet_mesh.keyed_hash import keyed_hash
from bouquet_mesh.secret import Secret
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Caller, Found, Lookup, Recorded
from bouquet_proto.query import Query, parse_query

CALLER_HASH_LENGTH = 16
"""Number of hexadecimal digits of the keyed hash by which workers tell callers apart (`Caller.mark`)."""

_members = msgspec.json.Decoder(dict[str, Raw])

MAX_CACHED_HASHES = 10_000
"""Largest number of callers whose hash one process keeps in memory."""


class Lookups:
    """Service that answers requests for data about a person, from the cache or the provider. Fields outside the
    caller's scopes are removed."""

    def __init__(
        self,
        *,
        offers: Discovery,
        authenticate: Authenticator,
        in_flight: InFlight,
        cache: AnswerCache,
        providers: Providers,
        windows: MaintenanceWindows,
        clock: Callable[[], datetime],
        deadline_s: float,
        is_sandbox: bool,
        caller_hash_key: Secret,
        proofs: Proofs | None = None,
    ) -> None:
        """Takes `deadline_s`, the seconds that one lookup may take, and `caller_hash_key`, the secret of `caller_hash`.
        In a sandbox, workers may answer with test cases. Without `proofs`, the gateway makes no proofs (texts that show
        later what an answer said)."""
        self._offers = offers
        self._authenticate = authenticate
        self._in_flight = in_flight
        self._cache = cache
        self._providers = providers
        self._windows = windows
        self._clock = clock
        self._deadline_s = deadline_s
        self._is_sandbox = is_sandbox
        self._caller_hash_key = caller_hash_key
        self._proofs = proofs

    async def answer(self, request: HttpRequest, call: Call) -> Answer:
        """Returns the answer to a request for data, and stores in `call` the facts that the access journal needs.
        Raises `Problem` for the first check that fails."""
        deadline = Deadline.after(self._deadline_s)
        query = parse_query(request.raw_query)
        admission = await self._authenticate.admit(request, call, deadline)
        match = match_path(self._offers, request, call.path, admission.credential, query)
        describe_call(call, match)
        return await self.answer_admitted(admission, match, request, query, call, deadline)

    async def answer_admitted(
        self,
        admission: Admission,
        match: Match,
        request: HttpRequest,
        query: Query,
        call: Call,
        deadline: Deadline,
    ) -> Answer:
        """Returns the answer to a call with a checked credential (`admission`) and a known operation (`match`). Raises
        `Problem` for the first further check that fails."""
        requester = await self._authenticate.identify(admission, match, request, call, deadline)
        call.person, scopes = requester.citizen, requester.token.scopes
        if scopes.isdisjoint(match.family.scopes) or (is_by_ine(match) and not requester.token.allows_ine):
            raise Problem("insufficient_scopes")
        async with self._in_flight.exclusive(call.path, request.raw_query, requester.digest):
            call.reached_data = True
            served = match.served
            if served is None:
                raise Problem("unknown_version", values={"version": match.version})
            if scopes.isdisjoint(served.operation.scopes):
                raise Problem("insufficient_scopes")
            make_proof = self._prover(served, request.proof, call)
            no_cache = request.no_cache or make_proof is not None
            reply = await self._look_up(served, query, requester, call, deadline, no_cache=no_cache)
        if isinstance(reply, Recorded):
            return Answer(
                sandbox.body_of(reply, served, scopes, make_proof), reply.status, sandbox.retry_after_of(reply)
            )
        call.people_found = partial(people_named, reply.data, served.operation)
        data = open_fields(reply.data, served.operation, scopes)
        proof = make_proof(data) if make_proof else ProofMembers()
        return Answer(_enveloped(call.envelope, data, served.operation.meta_fields, proof))

    def _prover(self, served: ServedOperation, header: str, call: Call) -> sandbox.MakeProof | None:
        """Returns a function that makes a proof from data. A proof is a text that shows later what the answer said.
        Returns `None` if `header`, the value of `X-Generate-Proof`, requests no proof, or if the gateway makes no
        proofs."""
        if self._proofs is None or not (kind := wanted_kind(served, header)):
            return None
        return partial(self._proofs.make, served, kind, call=call)

    async def _look_up(
        self,
        served: ServedOperation,
        query: Query,
        requester: Requester,
        call: Call,
        deadline: Deadline,
        *,
        no_cache: bool,
    ) -> Found | Recorded:
        """Returns the data from the cache or the provider. In a sandbox, the result may be a test case instead. With
        `no_cache`, the provider is always asked. Raises `Problem` if the lookup is refused or fails."""
        # An announced maintenance is reported even if parameters are wrong too.
        call.recipient = recipient_of(query, requester.token.siret, call.envelope)
        now = self._clock()
        parsed = parse(served, query, now.date(), requester.citizen, call.shared)
        key = ""
        if isinstance(parsed, ParsedQuery):
            call.person = parsed.identity
            if served.operation.cache_s and not no_cache:
                key = self._cache.key(served.operation, parsed, now.date())
        cached = await self._cache.get(key)
        if cached is not None:
            call.cache_expires_in_s, call.authority = cached.expires_in_s, served.authority.label
            return Found(Raw(cached.value))
        refuse_in_window(self._windows, served.authority, now)
        if isinstance(parsed, Problem):
            raise parsed
        token = requester.token
        mark = caller_hash(self._caller_hash_key, token.habilitation or requester.digest)
        lookup = Lookup(
            id=call.request_id,
            deadline=deadline.at,
            operation=served.operation.id,
            identity=parsed.identity,
            parameters=parsed.parameters,
            caller=Caller(recipient=call.recipient, token_id=token.id, mark=mark),
        )
        asked_at = time.perf_counter()
        chosen = await self._providers.ask(served, lookup, key, now.date())
        call.waited_s += time.perf_counter() - asked_at
        call.provider, call.authority = chosen.provider, chosen.authority.label
        call.regime = chosen.provider if served.operation.plan else ""
        match chosen.reply:
            case Found() as found:
                return found
            case Recorded() as case if self._is_sandbox:
                return case
            case reply:
                raise Problem.of(reply, chosen.authority, reasons_of(served), is_sandbox=self._is_sandbox)


def is_by_ine(match: Match) -> bool:
    """Returns whether the called operation identifies a student by INE, the national student number."""
    return match.served is not None and match.served.operation.modality == "ine"


@lru_cache(maxsize=MAX_CACHED_HASHES)
def caller_hash(key: Secret, caller: str) -> str:
    """Returns a keyed hash of a caller, by which workers tell callers apart without learning who they are."""
    # Gateways that share the key compute the same hash. The text before the caller keeps it apart from other hashes.
    return keyed_hash(key, f"mark {caller}".encode())[:CALLER_HASH_LENGTH]


def describe_call(call: Call, match: Match) -> None:
    """Stores in `call` what is known about the called operation, such as its id, version and path. Does nothing if no
    operation at the path has the requested version."""
    if (served := match.served) is None:
        return
    operation = served.operation
    call.operation, call.version, call.route = operation.id, served.version, operation.path
    call.retirement, call.failures = operation.retirement, served.problems


def _enveloped(envelope: Envelope, data: Raw, meta_fields: tuple[str, ...], proof: ProofMembers) -> bytes:
    """Returns the body of an answer with data: in version 2, the data alone; from version 3 on, an object with `data`,
    `links` and `meta`.

    From version 3 on, the fields `meta_fields` move from the data to `meta`, and `proof` adds members to `links` and
    `meta`.
    """
    if envelope == "v2":
        return bytes(data)
    links, meta = msgspec.json.encode(proof.links), dict[str, Any](proof.meta)
    if meta_fields:
        members = _members.decode(data)
        meta = {name: members.pop(name) for name in meta_fields if name in members} | meta
        data = Raw(msgspec.json.encode(members))
    return b'{"data":' + bytes(data) + b',"links":' + links + b',"meta":' + msgspec.json.encode(meta) + b"}"
