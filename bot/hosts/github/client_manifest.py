"""The end of an App's registration from a manifest: the code for the App's secrets.

https://docs.github.com/en/rest/apps/apps#create-a-github-app-from-a-manifest
"""

from __future__ import annotations

from bot.core.appmanifest import RegisteredApp, is_code
from bot.core.centralconfig import Source
from bot.core.reports_setup import CODE_REMAINS, NO_CODE, UNKNOWN_CODE, lost
from bot.hosts.fields import Fields
from bot.hosts.github.client_requests import GitHubRequests, Moved, Unauthorised
from bot.ports import HostError, NotFound, Permanent, Temporary


def registered_app(source: Source, code: str) -> RegisteredApp:
    """Spends the code, asked as nobody. Raises HostError; its texts hold no code."""
    if not is_code(code):
        raise Permanent(NO_CODE)
    requests = GitHubRequests(source)
    try:
        answer = requests.ask("POST", f"/app-manifests/{code}/conversions", None)
    except NotFound:
        raise NotFound(UNKNOWN_CODE) from None
    except Temporary as error:
        raise Temporary(f"{_without(code, error)}; {CODE_REMAINS}") from None
    except (HostError, Moved, Unauthorised) as error:
        raise Permanent(_without(code, error)) from None
    finally:
        requests.close()
    try:
        return answer.read(_registered)
    except HostError as error:
        raise Permanent(lost(f"{source.url}/settings/apps", _without(code, error))) from None


def _without(code: str, error: Exception) -> str:
    return str(error).replace(code, "CODE")


def _registered(app: Fields) -> RegisteredApp:
    owner = app.inner_or_none("owner")
    name = (owner.text_or_none("login") or owner.text_or_none("slug")) if owner else None
    key = app.prose("pem") or ""
    if not key.startswith("-----BEGIN "):
        app.wrong("pem", "a private key")
    return RegisteredApp(
        app.number("id"),
        app.text("name"),
        f"{app.text('slug')}[bot]",
        name or "?",
        app.text("html_url"),
        key,
        app.text("webhook_secret"),
    )
