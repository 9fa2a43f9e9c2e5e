"""Forms as clients really send them, and as they never should."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.http.errors import ApiError
from api.http.multipart import MultipartForm, display_name

BOUNDARY = "--------------------------0123456789abcdef"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(disposition: str | bytes, content: bytes, *headers: str) -> bytes:
    disposition = disposition.encode() if isinstance(disposition, str) else disposition
    more = "".join(f"\r\n{header}" for header in headers).encode()
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode() + disposition + more
    return head + b"\r\n\r\n" + content + b"\r\n"


def field(name: str, value: str) -> bytes:
    return part(f'name="{name}"', value.encode())


def file(content: bytes = b"RIFF....", filename: str = "clip.wav", name: str = "file") -> bytes:
    return part(f'name="{name}"; filename="{filename}"', content, "Content-Type: audio/wav")


END = f"--{BOUNDARY}--\r\n".encode()


def parse(body: bytes, step: int = 1 << 20, content_type: str = CONTENT_TYPE) -> tuple[MultipartForm, bytes]:
    form = MultipartForm(content_type)
    recording = b""
    for start in range(0, len(body), step):
        form.feed(body[start : start + step])
        recording += form.take()
    form.finish()
    if not form.has_file:
        raise form.missing_file()
    return form, recording


def refused(body: bytes, content_type: str = CONTENT_TYPE) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse(body, content_type=content_type)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_fields_may_stand_before_and_after_the_file(step: int) -> None:
    form, recording = parse(field("model", "whisper-1") + file(b"abc\r\n--") + field("language", "de") + END, step)
    assert form.fields == [("model", "whisper-1"), ("language", "de")]
    assert (recording, form.filename) == (b"abc\r\n--", "clip.wav")


@settings(max_examples=50)
@given(content=st.binary(max_size=300), step=st.integers(1, 64))
def test_any_bytes_come_through_in_any_pieces(content: bytes, step: int) -> None:
    tricky = b"\r\n--" + BOUNDARY.encode()[:-1] + b"_" + content + b"\r\n-\r\r\n"
    assert parse(file(tricky) + END, step)[1] == tricky


@pytest.mark.parametrize(
    ("disposition", "shown"),
    [
        ('name="file"; filename="Größe 1.wav"'.encode(), "Größe 1.wav"),  # n8n: raw UTF-8
        ('name="file"; filename="Größe.wav"'.encode("latin-1"), "Größe.wav"),
        (b"name=\"file\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201.wav", "Größe 1.wav"),
        (b"name=\"file\"; filename*=iso-8859-1'de'Gr%F6%DFe.wav", "Größe.wav"),
        (b"name=\"file\"; filename*=nonsense''a%00.wav", "a.wav"),
        (b'name="file"; filename="a\\"b.wav"', 'a"b.wav'),
        (b'name="file"; filename=""', "upload"),
        (b"name=file; filename=upload", "upload"),
    ],
)
def test_file_names_in_every_spelling(disposition: bytes, shown: str) -> None:
    form, recording = parse(part(disposition, b"x") + END)
    assert (form.filename, recording) == (shown, b"x")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.mp3", "a.mp3"),
        ("a\0b\r\nSet-Cookie: x.mp3", "abSet-Cookie: x.mp3"),
        ("..", "upload"),
        ("/", "upload"),
        (" \t", "upload"),
        ("CON", "CON"),
        ("x" * 300, "x" * 255),
        ("ü" * 200, "ü" * 127),
        ("Gro\u0308ße.wav", "Größe.wav"),
        ("gpj.\u202ewav", "gpj.wav"),
        ("👩‍👩‍👧.wav", "👩‍👩‍👧.wav"),
        ("<script>.wav", "<script>.wav"),
    ],
)
def test_a_name_is_for_display_only(name: str, shown: str) -> None:
    assert display_name(name) == shown


def test_a_part_with_a_type_is_a_file_without_a_name_too() -> None:
    assert parse(part('name="file"', b"x", "Content-Type: audio/wav") + END)[1] == b"x"


def test_two_files_are_one_too_many() -> None:
    error = refused(file() + file() + END)
    assert (error.param, "two" in error.message) == ("file", True)


def test_no_file_is_told_how_to_send_one() -> None:
    error = refused(field("model", "whisper-1") + END)
    assert (error.code, error.param) == ("missing_required_parameter", "file")
    assert "-F file=@" in error.message


def test_a_file_in_another_field_is_named() -> None:
    error = refused(file(name="data") + END)
    assert (error.param, "'data'" in error.message) == ("file", True)


def test_a_forgotten_at_sign_is_recognised() -> None:
    error = refused(field("file", "recording.mp3") + END)
    assert (error.param, "@" in error.message) == ("file", True)


def test_another_file_beside_the_recording_is_ignored() -> None:
    form, recording = parse(file(b"other", name="cover") + file(b"mine") + END)
    assert (recording, form.fields) == (b"mine", [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"just text",
        file(),
        (file() + END)[:-6],
        b"--wrong\r\n\r\n" + file() + END,
        part("no_name=1", b"x") + END,
        f"--{BOUNDARY}\r\nbroken header\r\n\r\n".encode() + END,
        part('name="a"', b"x", *(f"H{number}: x" for number in range(20))) + END,
        part('name="a"', b"x", f"H: {'x' * 10_000}") + END,
    ],
)
def test_a_broken_body_is_refused(body: bytes) -> None:
    assert refused(body).code == "invalid_multipart"


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("", "invalid_content_type"),
        ("application/json", "invalid_content_type"),
        ("application/x-www-form-urlencoded", "invalid_content_type"),
        ("multipart/mixed; boundary=x", "invalid_content_type"),
        ("multipart/form-data", "invalid_multipart"),
        ("multipart/form-data; boundary=", "invalid_multipart"),
        (f"multipart/form-data; boundary={'x' * 300}", "invalid_multipart"),
    ],
)
def test_another_content_type_is_refused(content_type: str, code: str) -> None:
    error = refused(b"{}", content_type)
    assert (error.code, error.param) == (code, "file")


def test_fields_are_few_and_small() -> None:
    assert refused(b"".join(field(f"f{n}", "x") for n in range(101)) + END).code == "too_many_fields"
    error = refused(field("prompt", "x" * 70_000) + END)
    assert (error.code, error.param) == ("field_too_large", "prompt")


def test_a_large_field_may_be_larger_and_all_of_its_name_together_have_a_limit() -> None:
    form = MultipartForm(CONTENT_TYPE, large={"known": 200_000})
    form.feed(field("known[]", "x" * 90_000) + field("known[1]", "x" * 90_000))
    assert ([name for name, _ in form.fields], form.large_bytes) == (["known[]"], 180_000)  # the second has not ended
    with pytest.raises(ApiError) as caught:
        form.feed(field("known", "x" * 20_001))
    assert (caught.value.code, caught.value.param) == ("field_too_large", "known")
