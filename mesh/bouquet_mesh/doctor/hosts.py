"""Report of the broker nodes that host each queue, and of the calls that the loss of a node would affect. Made from an
answer of RabbitMQ's management API."""
# AMQP does not tell where a queue is.

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from bouquet_mesh.doctor.findings import Finding, unknown, well, wrong
from bouquet_proto.names import JOURNAL_QUEUE, QUEUE_PREFIX, REPLY_EXCHANGE, RESERVE_SUFFIX

NODE_REMEDY = "start it; docs/runbooks/BrokerNodeLost.md"
JOURNAL_REMEDY = "docs/runbooks/JournalQueueStuck.md"
FORMAT_REMEDY = "curl -u USER 'https://BROKER:15671/api/queues/VHOST?disable_stats=true'"


class _Queue(Struct, frozen=True):
    """Queue as RabbitMQ's management API lists it. `members` are the nodes with a copy of a quorum queue; `online` are
    the nodes where the copy runs."""

    name: str
    node: str = ""
    state: str = "running"
    members: tuple[str, ...] = ()
    online: tuple[str, ...] = ()

    @property
    def is_down(self) -> bool:
        return self.state != "running" and not self.members

    @property
    def provider(self) -> str:
        """Name of the provider whose requests the queue holds, such as `cnaf` or `registry`; empty for other queues."""
        found = self.name.startswith(QUEUE_PREFIX)
        return self.name.removeprefix(QUEUE_PREFIX).removesuffix(RESERVE_SUFFIX) if found else ""

    @property
    def is_reserve(self) -> bool:
        return self.name.endswith(RESERVE_SUFFIX)


_queues = msgspec.json.Decoder(tuple[_Queue, ...])


def check_hosts(document: bytes) -> list[Finding]:
    """Returns a result for each broker node that hosts queues, and one for the journal's queue. `document` is the body
    of the management API's answer to `GET /api/queues/VHOST`. For an invalid `document`, the only result has the state
    "unknown"."""
    try:
        queues = _queues.decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return [unknown("hosts of queues", "this is not a list of queues from the management API", FORMAT_REMEDY)]
    nodes = sorted({node for queue in queues for node in (queue.node, *queue.members) if node})
    journals = [queue for queue in queues if queue.name == JOURNAL_QUEUE]
    return [*(_node_finding(node, queues) for node in nodes), *map(_journal_finding, journals)]


def _node_finding(node: str, queues: Sequence[_Queue]) -> Finding:
    subject = f"broker node {node}"
    if lost := list(_losses(node, queues)):
        return wrong(subject, "; ".join(lost), NODE_REMEDY)
    hosted = list(_hosted(node, queues))
    return well(subject, f"hosts {', '.join(hosted)}" if hosted else "hosts no queue of ours")


def _losses(node: str, queues: Sequence[_Queue]) -> Iterator[str]:
    """Yields a text for each queue that should run on `node` but does not: a provider's queue, or a copy of the
    journal's queue. The text about a provider's queue also says what happens to the calls."""
    for queue in queues:
        if queue.node == node and queue.is_down and queue.provider:
            yield f"the {_kind(queue)} of {queue.provider} is down: {_effect_on_calls(queue, queues)}"
        if queue.name == JOURNAL_QUEUE and node in queue.members and node not in queue.online:
            yield "its copy of the journal's queue does not run"


def _effect_on_calls(lost: _Queue, queues: Sequence[_Queue]) -> str:
    """Returns what happens to a provider's calls while `lost`, one of the provider's two queues, is down. `queues` also
    holds the other queue."""
    for other in queues:
        if other.provider == lost.provider and other.is_reserve != lost.is_reserve and not other.is_down:
            return f"calls go by its {_kind(other)} on {other.node}"
    return "calls fail until a worker declares its reserve queue"


def _hosted(node: str, queues: Sequence[_Queue]) -> Iterator[str]:
    here = [queue for queue in queues if queue.node == node]
    yield from (f"the {_kind(queue)} of {queue.provider}" for queue in here if queue.provider)
    if replies := sum(queue.name.startswith(f"{REPLY_EXCHANGE}.") for queue in here):
        yield f"{replies} reply queues"
    for queue in queues:
        if queue.name == JOURNAL_QUEUE and node in queue.online:
            yield "the leader of the journal's queue" if queue in here else "a copy of the journal's queue"


def _kind(queue: _Queue) -> str:
    return "reserve queue" if queue.is_reserve else "queue"


def _journal_finding(queue: _Queue) -> Finding:
    subject, size, running = "copies of the journal's queue", len(queue.members), len(queue.online)
    says = f"{running} of {size} run"
    if running * 2 <= size:
        meaning = "without a majority it takes and gives no record; the gateways keep theirs on their disks"
        return wrong(subject, f"{says}: {meaning}", JOURNAL_REMEDY)
    if running < size:
        spare = running - (size // 2 + 1)
        return wrong(subject, f"{says}: none is lost; it stops if {spare + 1} more end", JOURNAL_REMEDY)
    return well(subject, f"{says}; {queue.node} leads")
