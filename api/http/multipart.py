"""A multipart form as it streams in: small fields are kept, the bytes of `file` are handed on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.http.errors import ApiError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_FIELD = "file"
MAX_PARTS = 100
MAX_FIELD_BYTES = 64 * 1024  # bytes
MAX_NAME_BYTES = 255  # bytes of a file name in UTF-8

# Some clients send a name beyond ASCII only as filename*=UTF-8''…, or in an older charset; the parser leaves it out.
_EXTENDED_NAME = re.compile(rb";\s*filename\*\s*=\s*[\w.-]{1,40}'[^']*'([^;\s]+)", re.IGNORECASE)
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x78\x01": "deflate", b"\x78\x9c": "deflate",
           b"\x78\xda": "deflate", b"PK\x03\x04": "a zip archive"}  # fmt: skip
# Marks that turn the direction of text around can make a name look like another one.
_TURNING = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class _Kind(Enum):
    FIELD = 1
    FILE = 2
    OTHER_FILE = 3  # a file in another field, which nobody asked for


class MultipartForm:
    """Feed it the body; take the recording's bytes from it as they come.

    file_field: holds the recording. large: fields that may be larger than others, and how many bytes all that are sent
    under the name may have, whatever stands in brackets behind it. large_bytes: how many have come of them.
    """

    def __init__(
        self, content_type: str, file_field: str = FILE_FIELD, large: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._file_field = file_field
        self.fields: list[tuple[str, str]] = []
        self.filename = ""
        self.large_bytes = 0
        self._left = dict(large)
        self._parser = MultipartParser(_boundary(content_type, file_field), self._callbacks())
        self._recording = bytearray()
        self.has_file = False
        self._other_files: list[str] = []
        self._parts = 0
        self._is_complete = False
        self._begin_part()

    @property
    def waiting(self) -> int:
        """Bytes of the recording that have not been taken."""
        return len(self._recording)

    def take(self) -> bytes:
        """The recording's bytes since the last call."""
        taken = bytes(self._recording)
        self._recording.clear()
        return taken

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            if not self._parts and (packing := _packing(chunk)):
                message = f"The request's body is no form but data in {packing}. Send it as it is, uncompressed."
                raise ApiError("unsupported_content_encoding", message) from error
            raise ApiError("invalid_multipart", f"The multipart body is broken: {error}.") from error

    def finish(self) -> None:
        """Raises ApiError unless the body was whole."""
        if not self._is_complete:
            raise ApiError("invalid_multipart", "The multipart body is cut off: its last boundary is missing.")

    def missing_file(self) -> ApiError:
        """What is said of a form that holds no recording."""
        return ApiError("missing_required_parameter", self._where_is_the_file(), param=self._file_field)

    def _where_is_the_file(self) -> str:
        name = self._file_field
        if self._other_files:
            other = self._other_files[0][:100]
            return f"There is no field '{name}'; the field '{other}' holds a file. Rename it to '{name}'."
        return f"There is no field '{name}'. Send the recording in it, with curl: -F {name}=@recording.mp3."

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._add_content,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._header_name = b""
        self._header_value = b""
        self._name = ""
        self._kind = _Kind.FIELD
        self._value = bytearray()

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _begin_content(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise ApiError("too_many_fields", f"The form has more than {MAX_PARTS} fields.")
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        if b"name" not in options:
            raise ApiError("invalid_multipart", "A part of the form has no name in its Content-Disposition header.")
        self._name = _decoded(options[b"name"])
        _check_encoding(self._name, self._headers)
        filename = _filename(disposition, options)
        if filename is not None or (self._name == self._file_field and b"content-type" in self._headers):
            self._begin_file(filename or "")
        elif self._name == self._file_field:
            name = self._file_field
            hint = f"The field '{name}' holds text instead of a file. With curl, write -F {name}=@recording.mp3."
            raise ApiError("invalid_value", hint, param=name)

    def _begin_file(self, filename: str) -> None:
        if self._name != self._file_field:
            self._kind = _Kind.OTHER_FILE
            self._other_files.append(self._name)
            return
        if self.has_file:
            message = f"There are two fields '{self._name}'. Send one recording."
            raise ApiError("invalid_value", message, param=self._name)
        self._kind = _Kind.FILE
        self.has_file = True
        self.filename = display_name(filename)

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        if self._kind is _Kind.FILE:
            self._recording += data[start:end]
        elif self._kind is _Kind.FIELD:
            self._value += data[start:end]
            base = self._name.partition("[")[0]
            if base in self._left:
                self._add_large(base, end - start)
            elif len(self._value) > MAX_FIELD_BYTES:
                message = f"The field '{self._name[:100]}' is longer than {MAX_FIELD_BYTES} bytes."
                raise ApiError("field_too_large", message, param=self._name[:100])

    def _add_large(self, base: str, size: int) -> None:
        self.large_bytes += size
        self._left[base] -= size
        if self._left[base] < 0:
            raise ApiError("field_too_large", f"'{base}' is larger than it can be.", param=base)

    def _end_part(self) -> None:
        if self._kind is _Kind.FIELD:
            self.fields.append((self._name, _decoded(bytes(self._value))))

    def _end(self) -> None:
        self._is_complete = True


def no_form(file_field: str) -> ApiError:
    """What is said of a body that is neither a form nor a recording."""
    hint = f"in the field '{file_field}' (with curl: -F {file_field}=@recording.mp3)."
    return ApiError("invalid_content_type", f"Send the recording as multipart/form-data, {hint}", param=file_field)


def display_name(name: str) -> str:
    """A file name to show and never to open: its last path component in NFC, without control characters."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name).rstrip("/\\"))[-1]
    kept = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") and c not in _TURNING)
    short = kept.strip().encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    return short if short not in ("", ".", "..") else "upload"


def disposition_name(disposition: str) -> str:
    """The file name in a Content-Disposition header; empty if there is none."""
    raw = disposition.encode("latin-1", errors="replace")
    return _filename(raw, parse_options_header(raw)[1]) or ""


def _boundary(content_type: str, file_field: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data":
        raise no_form(file_field)
    if not 0 < len(boundary) <= 200:
        raise ApiError("invalid_multipart", "The Content-Type header has no valid boundary.", param=file_field)
    return boundary


def _packing(beginning: bytes) -> str | None:
    """How a body is compressed that says nothing of it."""
    return next((name for start, name in _PACKED.items() if beginning.startswith(start)), None)


def _check_encoding(name: str, headers: dict[bytes, bytes]) -> None:
    """RFC 7578 has no encodings of parts; what is sent with one would be taken for the recording itself."""
    encodings = (headers.get(b"content-encoding", b""), headers.get(b"content-transfer-encoding", b""))
    for encoding in (text.strip().lower() for text in encodings):
        if encoding not in (b"", b"identity", b"binary", b"8bit", b"7bit"):
            message = f"The field '{name[:100]}' is encoded as '{_decoded(encoding)[:100]}'. Send it as it is."
            raise ApiError("unsupported_content_encoding", message, param=name[:100])


def _filename(disposition: bytes, options: dict[bytes, bytes]) -> str | None:
    if b"filename" in options:
        return _decoded(options[b"filename"])
    extended = _EXTENDED_NAME.search(disposition)
    return _decoded(unquote_to_bytes(extended[1])) if extended else None


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
