"""Requests that were sent before: with an Idempotency-Key, or a waiting client's that comes again without one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from api.http.errors import ApiError
from api.intake.parameters import Parameters
from engines.base import Listening
from worker.jobs.job_service import JobService
from worker.runtime.timing import Timing
from worker.store.idempotency import Claim, ClaimBusy, Claimed
from worker.store.incoming import Upload
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.store.records import JobRequest

HEADER = "Idempotency-Key"
MAX_KEY = 255  # characters

# Options that stood among a request's in version 0.1 and never differed there: its fingerprints stay good with them.
_EARLIER_OPTIONS = {"beam_size": 5, "full_padding": False}

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')  # a string of RFC 8941


@dataclass(frozen=True, slots=True)
class Key:
    """The request's Idempotency-Key, if it has one.

    claim: held by the first request that comes with the key. earlier: what the key stands for already.
    """

    claim: Claim | None = None
    earlier: Claimed | None = None


def fingerprint(digest: str, parameters: Parameters, kind: str, *, is_earlier: bool = False) -> str:
    """What makes two requests the same: the recording's bytes and all parameters, however they were spelled, and
    whichever machine they were sent to. is_earlier: as earlier versions made it, who counted that, too."""
    asked = dataclasses.asdict(parameters)
    if asked["webhook"] and not is_earlier:
        del asked["webhook"]["base_url"]
    del asked["is_default_model"]  # earlier versions' fingerprints stay good: it is one by its name
    asked["options"] |= _EARLIER_OPTIONS
    if parameters.options.listening == Listening():  # what earlier versions did not ask
        del asked["options"]["listening"]
    for name in ("logprobs", "only_language"):
        if not asked["options"][name]:
            del asked["options"][name]
    if not parameters.layout:
        del asked["layout"]
    if parameters.diarization is None:
        del asked["diarization"]
    return hashlib.sha256(f"{kind}\n{digest}\n{json.dumps(asked, sort_keys=True)}".encode()).hexdigest()


@asynccontextmanager
async def holding_key(headers: Headers, store: JobStore, owner: str) -> AsyncIterator[Key]:
    """Holds the request's key while it comes in. Refuses it if another request with the same key still does."""
    text = read_key(headers)
    key = await run_in_threadpool(_key, store, owner, text) if text is not None else Key()
    try:
        yield key
    finally:
        if key.claim:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(key.claim.release)


def read_key(headers: Headers) -> str | None:
    """The header's value, in quotes or bare; raises ApiError for one that is no key."""
    text = headers.get(HEADER)
    if text is None:
        return None
    quoted = _QUOTED.fullmatch(text.strip())
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text.strip()
    if not 0 < len(key) <= MAX_KEY:
        message = f"The {HEADER} is empty or longer than {MAX_KEY} characters. A UUID makes a good one."
        raise ApiError("invalid_value", message, param=HEADER)
    return key


def repeated(store: JobStore, earlier: Claimed, *own_fingerprints: str) -> JobRequest:
    """The job that the key stands for; raises ApiError if that was another request."""
    if earlier.fingerprint not in own_fingerprints:
        message = f"This {HEADER} was sent with another recording or other parameters. Send a new key with each request"
        raise ApiError("idempotency_key_reused", f"{message}, and the same one only to repeat it.", param=HEADER)
    if _standing(store, earlier) is None:  # it was deleted, or given up, while the recording came in
        raise _in_use()
    try:
        return store.request(earlier.job_id)
    except JobNotFound:
        raise _in_use() from None


def submit_with_key(job_service: JobService, upload: Upload, job: JobRequest, claim: Claim, mark: str) -> None:
    """mark: the request's fingerprint. Raises ApiError if another request has come with the key since."""
    try:
        job_service.submit_claimed(upload, job, claim, mark)
    except ClaimBusy:
        raise _in_use() from None


def submit_once(
    store: JobStore, job_service: JobService, upload: Upload, job: JobRequest, own_fingerprint: str, timing: Timing
) -> JobRequest:
    """A waiting client's job, or the one it had before: clients that lost their connection send everything again, and
    without a key."""
    try:
        claim = store.claims.hold("repeat", job.owner, own_fingerprint, patience=timing.repeat)
    except ClaimBusy:
        job_service.submit(upload, job)
        return job
    try:
        earlier = _unanswered(store, claim.read(), job_service.clock.now() - timing.repeatable)
        if earlier is None:
            job_service.submit_claimed(upload, job, claim, own_fingerprint)
        return earlier or job
    except ClaimBusy:  # by now: this process was silent for long
        job_service.submit(upload, job)
        return job
    finally:
        claim.release()


def _key(store: JobStore, owner: str, text: str) -> Key:
    if earlier := _standing(store, store.claims.read("key", owner, text)):
        return Key(earlier=earlier)
    try:
        claim = store.claims.hold("key", owner, text)
    except ClaimBusy:
        raise _in_use() from None
    try:
        earlier = _standing(store, claim.read())  # it may have become a job between the two looks
    except BaseException:
        claim.release()
        raise
    if earlier:
        claim.release()
        return Key(earlier=earlier)
    return Key(claim=claim)


def _standing(store: JobStore, claimed: Claimed | None) -> Claimed | None:
    """The claim, if its job is there. A waiting client's job that was canceled because the client left is none
    that its next try should get."""
    if claimed is None:
        return None
    try:
        request, outcome = store.request(claimed.job_id), store.outcome(claimed.job_id)
    except JobNotFound:
        return None
    was_left = request.kind == "sync" and outcome is not None and outcome.state == "canceled"
    return None if was_left else claimed


def _unanswered(store: JobStore, claimed: Claimed | None, since: float) -> JobRequest | None:
    """The job, if it runs still or ended a short while ago and nobody had its answer. since: unix seconds."""
    try:
        if _standing(store, claimed) is None or claimed is None:
            return None
        outcome = store.outcome(claimed.job_id)
        if outcome is not None:
            is_old = outcome.ended_at < since
            if is_old or store.answered_at(claimed.job_id) is not None:
                return None
        return store.request(claimed.job_id)
    except (JobNotFound, RecordBroken):  # nobody asked for it by a key, so it may be run anew
        return None


def _in_use() -> ApiError:
    message = f"Another request with this {HEADER} is still being received. Ask again when it has arrived."
    return ApiError("idempotency_key_in_use", message, param=HEADER, headers={"retry-after": "2"})
