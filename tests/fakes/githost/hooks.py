"""Sending of webhooks: signed as each host does it, kept, lost, held back and sent again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import queue
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from bot.core.ids import HostKind
from tests.fakes.githost.model import Hook, Repository
from tests.fakes.githost.web import Json

_TIMEOUT = 10.0
"""Seconds that both hosts wait for an answer."""
_IN_A_ROW = 4
_FOR_GOOD = 40
"""Failures after which GitLab pauses a hook, and after which it gives it up."""


@dataclass(slots=True)
class Delivery:
    """One event on its way to one hook. `answers` are the HTTP statuses, 0: no connection."""

    id: str
    event: str
    hook: Hook
    repository_id: int
    payload: Json
    answers: list[int] = field(default_factory=list)
    lost: bool = False


class Hooks:
    """One thread sends in order. `lose` drops the next deliveries; `hold` keeps them back until
    `release`, which may turn the order around."""

    def __init__(self, kind: HostKind, host: str, now: Callable[[], float]) -> None:
        self._kind = kind
        self._host = host
        self._now = now
        self._queue: queue.Queue[Delivery | None] = queue.Queue()
        self._held: list[Delivery] = []
        self._holding = False
        self._lose = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.deliveries: list[Delivery] = []
        self.auto_disable = kind is HostKind.GITLAB

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout=2 * _TIMEOUT)

    def lose(self, count: int = 1_000_000) -> None:
        """Drop the next `count` deliveries for good; 0 stops that."""
        self._lose = count

    def hold(self) -> None:
        self._holding = True

    def release(self, *, turned: bool = False) -> None:
        with self._lock:
            held, self._held, self._holding = self._held, [], False
        for delivery in reversed(held) if turned else held:
            self._queue.put(delivery)

    def redeliver(self, delivery: Delivery) -> None:
        """The button of the host's page: the same id and body once more."""
        delivery.lost = False
        self._queue.put(delivery)

    def wait(self) -> None:
        """Until all that was queued has been sent."""
        self._queue.join()

    def send(self, repository: Repository, event: str, payload: Json) -> list[Delivery]:
        """Queue an event for each hook of the repository that wants it. GitHub gives all hooks
        of one event the same id."""
        made, shared = [], str(uuid.uuid4())
        for hook in repository.hooks:
            if event not in hook.events and "*" not in hook.events:
                continue
            if not hook.active or self.disabled(hook):
                continue
            number = shared if self._kind is HostKind.GITHUB else str(uuid.uuid4())
            delivery = Delivery(number, event, hook, repository.id, payload)
            made.append(delivery)
            with self._lock:
                self.deliveries.append(delivery)
                if self._lose > 0:
                    self._lose -= 1
                    delivery.lost = True
                    continue
                if self._holding:
                    self._held.append(delivery)
                    continue
            self._queue.put(delivery)
        return made

    def disabled(self, hook: Hook) -> bool:
        """Whether GitLab sends nothing to it now."""
        if hook.failures >= _FOR_GOOD:
            return True
        return hook.disabled_until is not None and hook.disabled_until > self._now()

    def send_to(self, repository: Repository, hook: Hook, event: str, payload: Json) -> None:
        """Queue something for one hook alone: a ping."""
        delivery = Delivery(str(uuid.uuid4()), event, hook, repository.id, payload)
        with self._lock:
            self.deliveries.append(delivery)
        self._queue.put(delivery)

    def test(self, repository: Repository, hook: Hook, event: str, payload: Json) -> int:
        """What the hook's address answers to something sent at once; GitLab's test enables it."""
        delivery = Delivery(str(uuid.uuid4()), event, hook, repository.id, payload)
        answer = self._post(delivery)
        delivery.answers.append(answer)
        with self._lock:
            self.deliveries.append(delivery)
        self._count(hook, answer)
        return answer

    def of(self, hook: Hook) -> list[Delivery]:
        """What was sent to it and answered, or not, newest first."""
        with self._lock:
            return [d for d in reversed(self.deliveries) if d.hook is hook and d.answers]

    def _count(self, hook: Hook, answer: int) -> None:
        """https://docs.gitlab.com/user/project/integrations/webhooks/#auto-disabled-webhooks"""
        if not self.auto_disable:
            return
        if 200 <= answer < 400:
            hook.failures, hook.disabled_until = 0, None
            return
        hook.failures += 1
        if hook.failures >= _IN_A_ROW:
            wait = min(60 * 2 ** (hook.failures - _IN_A_ROW), 86400)
            hook.disabled_until = self._now() + wait

    def _run(self) -> None:
        while (delivery := self._queue.get()) is not None:
            try:
                answer = self._post(delivery)
                delivery.answers.append(answer)
                self._count(delivery.hook, answer)
            finally:
                self._queue.task_done()
        self._queue.task_done()

    def _post(self, delivery: Delivery) -> int:
        address = urlsplit(delivery.hook.url)
        headers, body = self.request(delivery)
        connection_type = (
            http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        )
        connection = connection_type(address.hostname or "", address.port, timeout=_TIMEOUT)
        try:
            connection.request("POST", address.path or "/", body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def request(self, delivery: Delivery) -> tuple[dict[str, str], bytes]:
        """The headers and bytes of a delivery."""
        body = json.dumps(delivery.payload).encode()
        if self._kind is HostKind.GITHUB:
            return self._github(delivery, body)
        return self._gitlab(delivery, body), body

    def _github(self, delivery: Delivery, body: bytes) -> tuple[dict[str, str], bytes]:
        hook = delivery.hook
        content_type = "application/json"
        if hook.form:
            body = urlencode({"payload": body.decode()}).encode()
            content_type = "application/x-www-form-urlencoded"
        headers = {
            "User-Agent": "GitHub-Hookshot/fa4e000",
            "Accept": "*/*",
            "Content-Type": content_type,
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Delivery": delivery.id,
            "X-GitHub-Hook-ID": str(hook.id),
            "X-GitHub-Hook-Installation-Target-ID": str(delivery.repository_id),
            "X-GitHub-Hook-Installation-Target-Type": "repository",
        }
        if hook.secret:
            for name, kind in (("X-Hub-Signature", "sha1"), ("X-Hub-Signature-256", "sha256")):
                digest = hmac.new(hook.secret.encode(), body, kind).hexdigest()
                headers[name] = f"{kind}={digest}"
        return headers, body

    def _gitlab(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        hook = delivery.hook
        headers = {
            "User-Agent": "GitLab/19.5.0",
            "Content-Type": "application/json",
            "X-Gitlab-Event": delivery.event,
            "X-Gitlab-Event-UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, delivery.id)),
            "X-Gitlab-Webhook-UUID": str(uuid.UUID(hook.uuid)),
            "X-Gitlab-Instance": self._host,
            "Idempotency-Key": delivery.id,
        }
        if hook.secret:
            headers["X-Gitlab-Token"] = hook.secret
        if hook.signing_key:
            stamp = str(int(self._now()))
            signed = b".".join((delivery.id.encode(), stamp.encode(), body))
            digest = hmac.new(hook.signing_key, signed, hashlib.sha256).digest()
            headers["webhook-id"] = delivery.id
            headers["webhook-timestamp"] = stamp
            headers["webhook-signature"] = "v1," + base64.b64encode(digest).decode()
        return headers
