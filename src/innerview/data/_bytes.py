"""Files in, lines of text out, with every byte checked before anything is parsed.

Knows compression and encodings, not tables. Each file is read twice in small pieces: once to
refuse what must not be parsed (bombs, NULs, foreign encodings), once for its lines. Peak memory
is one piece and the longest line.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from innerview.data.notes import Notes
from innerview.errors import DataError

MAX_FIELD = 2**20  # characters; a longer field is a quote that was never closed, not a title
MAX_LINE = 2**24
MAX_EXPANDED = 2 * 2**30
MAX_RATIO = 200  # text tables shrink 3 to 20 times; a bomb shrinks 1,000 times
FREE_EXPANDED = 10 * 2**20  # small files may have any ratio

_CHUNK = 2**20
_FOREIGN_STARTS = (
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
    (b"\x1f\x8b", "compressed with gzip; add .gz to its name"),
    (b"PAR1", "a Parquet file; name it .parquet"),
    (b"PK\x03\x04", "a ZIP or Excel file; export the table as CSV"),
)


def require_file(path: Path) -> None:
    """Refuse what is not a readable regular file.

    Raises:
        DataError: the path does not exist, is a folder, a pipe or a device.
    """
    if path.is_dir():
        raise DataError("this is a folder, not a file; name the table inside it", path=path)
    if not path.exists():
        raise DataError("no such file; check the path", path=path)
    if not path.is_file():
        raise DataError("not a regular file; copy its content into one first", path=path)


def text_lines(path: Path, notes: Notes, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines of a plain or .gz text file with their ``\\n``, after checking all of it.

    Raises:
        DataError: not a readable file; empty; a gzip bomb, truncated or damaged; a NUL byte;
            bytes that are not in the encoding; another kind of file; a line over 16 MiB.
    """
    require_file(path)
    if _check_bytes(path, encoding):
        notes.add("dropped a byte order mark", path, 1)
        encoding = "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)()
    number, tail = 0, ""
    for chunk in _chunks(path):
        *whole, tail = (tail + decoder.decode(chunk)).split("\n")
        for line in whole:
            yield line + "\n"
        number += len(whole)
        if len(tail) > MAX_LINE:
            raise DataError(
                "a line of more than 16 MiB; is this a table with one row a line?",
                path=path,
                line=number + 1,
            )
    if tail:
        yield tail


def decodes_as_utf8(path: Path) -> bool:
    """Whether the whole file is UTF-8; raises DataError as ``text_lines`` does for its gzip."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def peek(path: Path) -> bytes:
    """The first bytes of a file, expanded; empty if it cannot be read (the reader will say why)."""
    try:
        return next(_chunks(path), b"")[:65536]
    except DataError:
        return b""


def _check_bytes(path: Path, encoding: str) -> bool:
    """Check a whole file; tell whether it begins with a UTF-8 byte order mark."""
    decoder = codecs.getincrementaldecoder(encoding)()
    number, start = 1, b""
    for chunk in _chunks(path):
        if not start:
            start = chunk[:4]
            _refuse_foreign(path, start)
        nul = chunk.find(b"\0")
        if nul >= 0:
            raise DataError(
                "a NUL byte; the file is damaged or not text; export it again",
                path=path,
                line=number + chunk.count(b"\n", 0, nul),
            )
        _decode(decoder, chunk, path, number, final=False)
        number += chunk.count(b"\n")
    if not start:
        raise DataError("the file is empty; a header and at least one row are needed", path=path)
    _decode(decoder, b"", path, number, final=True)
    return encoding == "utf-8" and start.startswith(codecs.BOM_UTF8)


def _refuse_foreign(path: Path, start: bytes) -> None:
    for magic, what in _FOREIGN_STARTS:
        if start.startswith(magic):
            raise DataError(f"this is {what}", path=path)


def _decode(
    decoder: codecs.IncrementalDecoder, chunk: bytes, path: Path, number: int, *, final: bool
) -> None:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].count(b"\n")
        raise DataError(
            f"byte 0x{error.object[error.start]:02x} is not UTF-8 (Latin-1 or Windows text?); "
            "convert it, e.g. iconv -f LATIN1 -t UTF-8",
            path=path,
            line=number + before,
        ) from None


def _chunks(path: Path) -> Iterator[bytes]:
    """The expanded bytes of a plain or .gz file, never more than the cap allows."""
    zipped = path.name.lower().endswith(".gz")
    try:
        size = path.stat().st_size
        cap = min(MAX_EXPANDED, max(FREE_EXPANDED, MAX_RATIO * size))
        total = 0
        with gzip.open(path) if zipped else path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                total += len(chunk)
                if zipped and total > cap:
                    raise DataError(
                        f"{size:,} bytes expand to more than {cap:,}: this looks like a gzip bomb; "
                        "if you trust the file, expand it yourself with gunzip",
                        path=path,
                    )
                yield chunk
    except EOFError:
        raise DataError(
            "the gzip file ends too early; copy or download it again", path=path
        ) from None
    except (gzip.BadGzipFile, zlib.error):
        raise DataError(
            "not a gzip file, or a damaged one; copy or download it again", path=path
        ) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}; check the path", path=path) from None
