"""As much of a browser as the way through two servers needs: pages, forms, redirects, and the one
rule of a page's policy that says where its form may go."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.method = "get"
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action, self.method = given["action"], given.get("method", "get")
        elif tag == "input":
            self.values[given["name"]] = given.get("value", "")


@dataclass(slots=True)
class Browser:
    """`page` is what it shows now."""

    session: requests.Session = field(default_factory=requests.Session)
    page: requests.Response = field(default_factory=requests.Response)

    def __post_init__(self) -> None:
        self.session.trust_env = False

    def open(self, url: str) -> requests.Response:
        self.page = self.session.get(url, timeout=30)
        return self.page

    def read(self, text: str) -> None:
        """Show a page from a file."""
        self.page = requests.Response()
        self.page._content = text.encode()
        self.page.url = "file:///page.html"
        self.page.status_code = 200

    def form(self) -> _Form:
        form = _Form()
        form.feed(self.page.text)
        return form

    def press(self, *, follow: bool = True, **changes: str) -> requests.Response:
        """The button of the page's form. `follow`: go where the answer sends."""
        form = self.form()
        target = urljoin(self.page.url, form.action)
        self._allowed(target)
        assert form.method == "post"
        self.page = self.session.post(
            target, form.values | changes, timeout=30, allow_redirects=follow
        )
        return self.page

    def _allowed(self, target: str) -> None:
        policy = self.page.headers.get("Content-Security-Policy", "")
        allowed = re.search(r"form-action (\S+)", policy)
        parts = urlsplit(target)
        origin = f"{parts.scheme}://{parts.netloc}"
        assert allowed is None or allowed[1] == origin, f"{policy} forbids {origin}"

    def close(self) -> None:
        self.session.close()
