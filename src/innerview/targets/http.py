"""A model behind an address: cases are sent there as JSON, and scores come back.

One request asks about some cases, each given by the ids of its parts:

    {"version": 1, "cases": [["12", "7"], ["7"]]}

The answer names the outcomes and gives each case a score for every one of them, in that order:

    {"outcomes": ["7", "12", "40"], "scores": [[0.1, 0.2, 1.5], [0.0, 0.3, 0.9]]}

Nothing of it is believed before it is checked, and no redirect is followed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping
from threading import Event
from typing import Any, Final, Unpack
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from innerview.data.tables import Catalogue
from innerview.errors import TargetQueryError
from innerview.targets.live import Abilities, BlackBox, Histories
from innerview.targets.manifest import Http
from innerview.web import AgainError, WebError, host_of, is_address, is_bare, is_key, post, repeated

__all__ = ["HOSTS", "KEY", "WIRE_VERSION", "HttpTarget"]

HOSTS: Final = "INNERVIEW_TARGET_HOSTS"
"""The environment variable that names the hosts that may be asked, with commas between them."""
KEY: Final = "INNERVIEW_TARGET_KEY"
"""The environment variable that holds the key, if the target wants one: sent as a bearer token."""
WIRE_VERSION: Final = 1
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class HttpTarget(BlackBox):
    """A target behind an address.

    A folder with an address in it may come from anywhere, so a host is only asked if somebody here
    has named it: in ``hosts`` or in the environment. This machine needs no naming.

    Args:
        service: the address, or all that is to be said of how it is asked.
        outcomes, parts, abilities: as of ``BlackBox``.
        name: for reports.
        hosts: that may be asked, as ``host`` or ``host:port``; those of the environment where left
            out.
        key: sent as a bearer token; that of the environment where left out.

    Raises:
        TargetQueryError: the address or the key cannot be used, or the host is not allowed.
    """

    def __init__(
        self,
        service: Http | str,
        outcomes: Catalogue | Mapping[str, str],
        parts: Catalogue | Mapping[str, str] | None = None,
        *,
        name: str = "http",
        hosts: Collection[str] | None = None,
        key: str | None = None,
        **abilities: Unpack[Abilities],
    ) -> None:
        self.service = Http(url=service) if isinstance(service, str) else service
        super().__init__(
            outcomes, parts, name=name, batch_cases=self.service.batch_cases, **abilities
        )
        self._key = key or os.environ.get(KEY) or None
        self._refuse_unfit(_allowed() if hosts is None else frozenset(hosts))
        self._free_at = 0.0
        self._columns: tuple[list[str], npt.NDArray[np.intp]] | None = None
        self._stopped = Event()

    def _refuse_unfit(self, hosts: Collection[str]) -> None:
        url = self.service.url
        # What is refused is not shown: it may hold a password.
        if not is_address(url) or not is_bare(url):
            raise self._failed(
                "has no plain address of the web; write https://HOST/PATH, and put a key into the "
                f"environment variable {KEY}"
            )
        if self._key is not None and not is_key(self._key):
            raise self._failed(f"has a key with a character that no key has; set {KEY} again")
        host = urlsplit(url).hostname or ""
        if not {host, host_of(url)} & {*_LOOPBACK, *hosts}:
            raise self._failed(
                f"is behind {host_of(url)!r}, which is not among the hosts that may be asked; if "
                f"you trust it, name it in the environment variable {HOSTS}"
            )

    def _answer(self, histories: Histories) -> npt.ArrayLike:
        own = self.service
        body = {"version": WIRE_VERSION, "cases": histories}
        try:
            answer, _ = repeated(
                lambda: self._ask(body), tries=own.tries, pause_s=own.pause_s, stopped=self._stopped
            )
        except AgainError as again:
            problem = f"{again}, {again.sent} times in a row; ask again later"
            raise self._failed(f"behind {host_of(own.url)}: {problem}") from None
        except WebError as error:
            advice = "give the address that answers" if error.is_moved else f"check it and {KEY}"
            raise self._failed(f"behind {host_of(own.url)}: {error}; {advice}") from None
        scores = answer["scores"]
        if not isinstance(scores, list) or len(scores) != len(histories):
            raise self._said(f"no list of {len(histories)} rows of scores, one for each case")
        columns = self._order_of(answer["outcomes"])
        if any(not isinstance(row, list) or len(row) != len(columns) for row in scores):
            raise self._said(f"a row of scores that are not {len(columns)}, one for each outcome")
        try:
            return np.array(scores)[:, columns]
        except ValueError:
            raise self._said("a score that is no number") from None

    def _ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """One request, in its turn."""
        own = self.service
        if own.per_second is not None:
            time.sleep(max(0.0, self._free_at - time.monotonic()))
            self._free_at = time.monotonic() + 1.0 / own.per_second
        data = post(
            own.url, body, key=self._key, timeout_s=own.timeout_s, most_bytes=own.most_bytes
        )
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            raise AgainError("an answer that is no JSON") from None
        if not isinstance(answer, dict) or not {"outcomes", "scores"} <= answer.keys():
            raise self._said("an answer without outcomes and scores")
        return answer

    def _order_of(self, told: Any) -> npt.NDArray[np.intp]:
        """Where each of our outcomes stands in an answer."""
        if self._columns is not None and self._columns[0] == told:
            return self._columns[1]
        if not isinstance(told, list) or any(not isinstance(one, str) for one in told):
            raise self._said("outcomes that are no list of ids, which are strings")
        place = {outcome: at for at, outcome in enumerate(told)}
        strange = next((one for one in told if one not in self.outcomes.index), None)
        missing = next((one for one in self.outcomes.ids if one not in place), None)
        if strange is not None:
            raise self._said(f"outcome {strange!r}, which its catalogue does not have")
        if missing is not None:
            raise self._said(f"no score of outcome {missing!r}")
        if len(told) != len(place):
            raise self._said("an outcome twice")
        columns = np.array([place[outcome] for outcome in self.outcomes.ids], dtype=np.intp)
        self._columns = (told, columns)
        return columns

    def _said(self, what: str) -> TargetQueryError:
        return self._failed(f"behind {host_of(self.service.url)} answered wrongly: {what}")


def _allowed() -> frozenset[str]:
    """Hosts that the environment names."""
    return frozenset(host.strip() for host in os.environ.get(HOSTS, "").split(",") if host.strip())
