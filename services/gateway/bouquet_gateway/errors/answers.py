"""Answers to calls that end with an error. Each error is stored in `Call`, and counted in a metric."""

from __future__ import annotations

import logging

from bouquet_gateway import metrics
from bouquet_gateway.call import Answer, Call
from bouquet_gateway.errors.problems import Problem, error_envelope, failure_of, render, retry_after
from bouquet_mesh.observe import logs
from bouquet_proto.failures import FAILURES

log = logging.getLogger(__name__)


def answer_of(problem: Problem, call: Call, path: str) -> Answer:
    """Returns the answer to a call of `path` that ends with the error `problem`. Stores the outcome, the error code and
    the party at fault in `call`."""
    _note_problem(call, problem)
    for reason in problem.reasons:
        metrics.problems(reason if reason in FAILURES else "own", failure_of(reason, call.failures).fault).inc()
    status, body = render(problem, call.failures, error_envelope(problem.reasons, path))
    return Answer(body, status, retry_after(problem, call.failures))


def problem_of(error: Exception) -> Problem:
    """Returns a `Problem` unchanged. Any other exception is a bug: returns the problem `internal`, and logs the
    exception without its text, which may quote personal data."""
    if isinstance(error, Problem):
        return error
    log.error("gateway bug", extra={"error": type(error).__name__, "at": logs.raised_at(error)})
    return Problem("internal")


def _note_problem(call: Call, problem: Problem) -> None:
    row = failure_of(problem.reasons[0], call.failures)
    call.code = row.code_of(problem.authority.prefix)
    call.outcome = problem.outcome or ("refused" if row.fault == "caller" else "failed")
    call.fault = "" if problem.outcome == "not_found" else row.fault
