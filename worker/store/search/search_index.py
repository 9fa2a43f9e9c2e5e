"""All jobs by the words in them, in a file of its own beside the index of jobs: SQLite's FTS5, and where that is not
built in, plain text that is gone through.

It is a cache in every respect: a change that does not come to it is found by its keeper, and what it says of a job is
read from the job's directory. Rows are in the order of the jobs' ids, so the newest come first without sorting.
"""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from worker.store.index.boot import boot
from worker.store.index.index_file import IndexFile, IndexUnavailable
from worker.store.index.job_row import ABOVE_ALL
from worker.store.search.document import Document
from worker.store.search.words import matches, wanted

ROWS = 128  # of a page
UNSEEN = 1000  # jobs that are read for a query because the file does not have them yet
BUSY = 0.25  # seconds: a job need not wait for this
MAX_NUMBER = 2**63 - 1
PAGES = 64  # that are written at once to drop what was removed: some 10 ms

_TABLES = (
    """CREATE TABLE docs (number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, who TEXT NOT NULL, body TEXT NOT NULL,
       stamp INTEGER NOT NULL)""",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)
_WORDS = """CREATE VIRTUAL TABLE words USING fts5(who, body, content='docs', content_rowid='number', prefix='2 3',
            tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co M*'")"""


@cache
def has_fts5() -> bool:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5(body)")
        return True
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()


class SearchIndex:
    """Reading raises IndexUnavailable; writing does nothing if there is no file. by_words: whether FTS5 is there."""

    def __init__(
        self, directory: Path, document: Callable[[str], Document | None], by_words: bool | None = None
    ) -> None:
        """document: of a job, by its id; None for one that nobody finds."""
        self._by_words = has_fts5() if by_words is None else by_words
        kind, tables = ("words", (*_TABLES, _WORDS)) if self._by_words else ("texts", _TABLES)
        self.file = IndexFile(directory, kind, tables, BUSY)
        self._document = document
        self._missed: set[str] = set()  # changes that came while another process wrote

    # What the store tells it

    def update(self, job_id: str) -> None:
        """After something of the job was changed, or it is gone."""
        self._update({job_id})

    def catch_up(self) -> None:
        """With what could not be written yet."""
        if self._missed:
            self._update(set())

    def _update(self, job_ids: set[str]) -> None:
        if self.file.current() is None:
            return
        missed, self._missed = self._missed, set()
        ids = job_ids | missed
        if not self.put([self._document(each) or each for each in ids]):
            self._missed |= ids

    # What is asked

    def found(self, owner: str, query: str, after: str, others: Callable[[str], Iterator[str]]) -> Iterator[str]:
        """The owner's jobs older than `after` that may have all words of the query, newest first. others: the owner's
        jobs with ids below one, which are read if the file does not have them yet; if there are very many, the older
        ones are not found until it has."""
        words, before, lowest = wanted(query), after, ABOVE_ALL
        try:
            while (page := self._page(owner, words, before))[0]:
                yield from page[0]
                before = page[0][-1]
            lowest = page[1]
        except IndexUnavailable:
            pass
        if not lowest:
            return
        for job_id in itertools.islice(others(min(before, lowest)), UNSEEN):
            document = self._document(job_id)
            if document is not None and matches(document.body, words):
                yield job_id

    def _page(self, owner: str, words: tuple[str, ...], before: str) -> tuple[list[str], str]:
        """And the lowest id from which on the file knows all jobs, empty if it does."""
        query, values = self._query(owner, words)

        def use(connection: sqlite3.Connection) -> tuple[list[str], str]:
            lowest = _fact(connection, "verified_from") or ""
            rows = connection.execute(query, (*values, _number(before))).fetchall()
            return [row[0] for row in rows if row[0] >= lowest], lowest

        return self.file.read(use)

    def _query(self, owner: str, words: Sequence[str]) -> tuple[str, list[Any]]:
        if self._by_words:
            tables, number, tests = "words JOIN docs ON docs.number = words.rowid", "words.rowid", "words MATCH ?"
            phrases = " AND ".join(f'"{word.strip()}" *' for word in words)
            values = [f"who : {_who(owner)} AND body : ({phrases})"]
        else:
            tables, number = "docs", "docs.number"
            tests = " AND ".join(["docs.who = ?", *("instr(docs.body, ?)" for _ in words)])
            values = [_who(owner), *words]
        return (
            f"SELECT docs.id FROM {tables} WHERE {tests} AND {number} < ? ORDER BY {number} DESC LIMIT {ROWS}",
            values,
        )

    # What its keeper does

    def put(self, found: Sequence[Document | str]) -> bool:
        """What was read of jobs; only the id of one that nobody is to find. Returns whether it was kept."""

        def use(connection: sqlite3.Connection) -> None:
            for each in found:
                if self._remove(connection, each if isinstance(each, str) else each.id):
                    connection.execute("INSERT OR REPLACE INTO facts VALUES ('removed', '1')")
                if isinstance(each, Document):
                    self._add(connection, each)

        return self.file.write(use, needed=False)

    def has_removed(self) -> bool:
        """Whether words are still in the file of texts that were removed."""
        return self._by_words and self.file.read(lambda connection: _fact(connection, "removed")) is not None

    def drop_removed(self) -> bool:
        """FTS5 only strikes out the words of a text that is removed. One step of writing its lists anew without them;
        whether there are more steps to do."""
        more = False

        def use(connection: sqlite3.Connection) -> None:
            nonlocal more
            before = connection.total_changes
            connection.execute("INSERT INTO words(words, rank) VALUES ('merge', ?)", (-PAGES,))
            more = connection.total_changes - before > 1  # the statement itself counts as one
            if not more:
                connection.execute("DELETE FROM facts WHERE name = 'removed'")

        return self.file.write(use, needed=False) and more

    def stamps(self, lowest: str, before: str) -> Mapping[str, int]:
        """When the directories of all known jobs from `lowest` on and below `before` were changed."""
        query = "SELECT id, stamp FROM docs WHERE id >= ? AND id < ?"
        return dict(self.file.read(lambda connection: connection.execute(query, (lowest, before)).fetchall()))

    def create(self) -> None:
        """An empty one, which knows no job yet. Raises OSError or sqlite3.Error."""
        self.file.create()
        self._set_fact("boot", boot())
        self.verify_from(ABOVE_ALL)

    def is_of_this_boot(self) -> bool:
        """Nothing of it is synced: a loss of power may have torn an older one."""
        return self.file.read(lambda connection: _fact(connection, "boot")) == boot()

    def verified_from(self) -> str:
        return self.file.read(lambda connection: _fact(connection, "verified_from")) or ""

    def verify_from(self, job_id: str) -> None:
        self._set_fact("verified_from", job_id)

    def _set_fact(self, name: str, value: str) -> None:
        statement = "INSERT OR REPLACE INTO facts VALUES (?, ?)"
        self.file.write(lambda connection: connection.execute(statement, (name, value)), needed=True)

    def _add(self, connection: sqlite3.Connection, document: Document) -> None:
        number, who = _number(document.id), _who(document.owner)
        while connection.execute("SELECT 1 FROM docs WHERE number = ?", (number,)).fetchone():
            number += 1  # another of the same moment
        values = (number, document.id, who, document.body, document.stamp)
        connection.execute("INSERT INTO docs VALUES (?, ?, ?, ?, ?)", values)
        if self._by_words:
            connection.execute("INSERT INTO words(rowid, who, body) VALUES (?, ?, ?)", (number, who, document.body))

    def _remove(self, connection: sqlite3.Connection, job_id: str) -> bool:
        """Whether it was there."""
        row = connection.execute("SELECT number, who, body FROM docs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            return False
        if self._by_words:
            connection.execute("INSERT INTO words(words, rowid, who, body) VALUES ('delete', ?, ?, ?)", row)
        connection.execute("DELETE FROM docs WHERE number = ?", row[:1])
        return True


def _number(job_id: str) -> int:
    """Sorts as the ids do: milliseconds, and some bits of what follows them."""
    if job_id == ABOVE_ALL:
        return MAX_NUMBER
    return min(int(job_id[4:16], 16), 2**42 - 1) << 21 | int(job_id[16:22], 16) >> 3


def _who(owner: str) -> str:
    """The owner as a word that is nobody else's."""
    return f"o{hashlib.sha256(owner.encode()).hexdigest()[:24]}"


def _fact(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])
