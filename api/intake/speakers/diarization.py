"""Whether a request wants its speakers told apart, and whether all it says of them goes together."""

from __future__ import annotations

from collections.abc import Callable

from api.http.errors import ApiError
from api.intake.form import Form
from engines.base import Task
from engines.errors import EngineUnavailable
from worker.models.remedies import with_remedy
from worker.store.records import Diarization

_COUNTS = ("num_speakers", "min_speakers", "max_speakers")
_KNOWN = ("known_speaker_names", "known_speaker_references")


def read_diarization(form: Form, task: Task) -> Diarization | None:
    """None if speakers are not asked for; raises ApiError for what cannot be."""
    if form.response_format == "diarized_json":
        check_task(task)
    if not form.diarize and form.response_format != "diarized_json":
        if useless := next((name for name in (*_COUNTS, *_KNOWN) if getattr(form, name)), None):
            message = f"'{useless}' needs response_format 'diarized_json', or 'diarize' with any other format"
            raise _invalid(useless, message)
        return None
    _check_counts(form)
    _check_pairs(form)
    return Diarization(form.num_speakers, form.min_speakers, form.max_speakers, form.known_speaker_names)


def check_possible(diarization: Diarization | None, check: Callable[[], None]) -> None:
    """Raises ApiError if speakers are asked for and this server has nothing to tell them apart with. check: raises
    EngineUnavailable then."""
    if diarization is None:
        return
    try:
        check()
    except EngineUnavailable as error:
        raise ApiError("unsupported_parameter", with_remedy(error), param="diarize") from None


def check_task(task: Task) -> None:
    """Raises ApiError if there is no `diarized_json` of it."""
    if task == "translate":
        message = "'diarized_json' is of transcriptions; of a translation send 'diarize' with another format"
        raise _invalid("response_format", message)


def _check_counts(form: Form) -> None:
    least, most, exactly = form.min_speakers or 1, form.max_speakers, form.num_speakers
    if most is not None and least > most:
        raise _invalid("min_speakers", f"'min_speakers' is {least} and 'max_speakers' {most}: there is no such number")
    if exactly is not None and (exactly < least or (most is not None and exactly > most)):
        raise _invalid("num_speakers", "'num_speakers' is not between 'min_speakers' and 'max_speakers'; send it alone")


def _check_pairs(form: Form) -> None:
    names, references = len(form.known_speaker_names), len(form.known_speaker_references)
    if names != references:
        few = "known_speaker_names" if names < references else "known_speaker_references"
        message = f"There are {names} 'known_speaker_names' and {references} 'known_speaker_references'"
        raise _invalid(few, f"{message}: each name needs one reference, in the same order")


def _invalid(param: str, message: str) -> ApiError:
    return ApiError("invalid_value", f"{message}.", param=param)
