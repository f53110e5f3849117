"""Two services of the framework nameko, one for HTTP and one for RPC, each run by `nameko run` with the fastest
comparable settings (nameko_config.yaml). The RPC service asks the provider with urllib3, which costs less CPU than
requests."""

from __future__ import annotations

import os

import urllib3
from nameko.rpc import RpcProxy, rpc
from nameko.web.handlers import http
from werkzeug.wrappers import Request, Response

from bench.peers.dialect import CONCURRENCY, HEADERS, File, Question, encode, query_of, question_of, read_file

UPSTREAM = os.environ["BENCH_UPSTREAM"]
pool = urllib3.PoolManager(maxsize=CONCURRENCY)


class Worker:
    name = "bench_worker"

    @rpc
    def lookup(self, fields: dict[str, list[str]]) -> File:
        question = Question(fields)
        return read_file(pool.request("GET", f"{UPSTREAM}?{query_of(question)}", headers=HEADERS).data)


class Front:
    name = "bench_front"
    worker = RpcProxy("bench_worker")

    @http("GET", "/lookup")
    def lookup(self, request: Request) -> Response:
        question = question_of(request.query_string.decode())
        return Response(encode(self.worker.lookup(question.fields)), mimetype="application/json")
