"""Trying out a credential at a registry, without leaving anything there."""

from __future__ import annotations

from bot.ports import Clock, NotFound
from bot.registry.exchange import Exchange
from bot.registry.references import ImageName, parse_name
from bot.registry.refusals import Purpose
from bot.registry.tokens import Access
from bot.registry.transport import Endpoint, Request, Transport

TAG = "pushwright-doctor"
"""A tag that is asked for and never written."""

_TIMEOUTS = (5.0, 10.0)


class Trial:
    """One registry with one credential. Every method raises what `bot.ports` names."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._transport = Transport(clock, timeouts=_TIMEOUTS)
        self._exchange = Exchange(self._transport, clock)

    def close(self) -> None:
        self._transport.close()

    def let_in(self) -> None:
        """The registry speaks our protocol and takes the credential."""
        purpose = Purpose(self._endpoint.host, "let us in", "pull")
        access = Access(self._endpoint, (), purpose)
        answer = self._exchange.ask(access, Request("GET", f"{self._endpoint.base}/v2/"))
        if answer.status != 200:
            raise self._exchange.refusal(answer, access)

    def may_pull(self, name: str) -> None:
        """Asks for the tag, which need not be there."""
        image = parse_name(name)
        access = self._access(image, "pull", f"read {name}")
        url = f"{self._endpoint.base}/v2/{image.repository}/manifests/{TAG}"
        answer = self._exchange.ask(access, Request("HEAD", url))
        if answer.status not in (200, 404):
            raise self._exchange.refusal(answer, access)

    def may_push(self, name: str) -> None:
        """Begins an upload and gives it up before a byte is sent."""
        image = parse_name(name)
        access = self._access(image, "pull,push", f"write {name}")
        url = f"{self._endpoint.base}/v2/{image.repository}/blobs/uploads/"
        answer = self._exchange.ask(access, Request("POST", url, body=b""))
        if answer.status != 202:
            raise self._exchange.refusal(answer, access)
        place = self._exchange.place(access, url, answer.headers.get("Location", ""))
        # An upload that can't be given up expires: registries clean up by themselves.
        self._exchange.ask(access, Request("DELETE", place))

    def deletes_tags(self, name: str) -> bool:
        """Whether a single tag can be removed, asked with one that is not there. Registries that
        can't refuse before they look."""
        image = parse_name(name)
        access = self._access(image, "delete", f"delete a tag of {name}")
        url = f"{self._endpoint.base}/v2/{image.repository}/manifests/{TAG}"
        answer = self._exchange.ask(access, Request("DELETE", url))
        if answer.status in (400, 405, 501):
            return False
        if answer.status in (200, 202, 204, 404):
            return True
        error = self._exchange.refusal(answer, access)
        if isinstance(error, NotFound):
            return True
        raise error

    def _access(self, image: ImageName, actions: str, words: str) -> Access:
        right = actions.rpartition(",")[2]
        purpose = Purpose(image.host, words, right, image.repository)
        return Access(self._endpoint, (f"repository:{image.repository}:{actions}",), purpose)
