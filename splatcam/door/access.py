"""Who may come in: a link with a token, then a cookie. Pure ASGI, around everything else; knows no route.

On a loopback address nobody is asked. Anywhere else the visitor shows the token once, in a link that answers with a
cookie and leads on to the same address without it; programs send it as a bearer token, or in a websocket's address.
Where nobody is asked, the service answers to its own names only: any site can point a name of its own at an address
that only its visitor reaches, and would be read there as "the same site" (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from splatcam.settings import Settings
from splatcam.telemetry import RefusalReason

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/ping"})  # whoever restarts the service has no token
TOKEN_BYTES = 16
CLOSE_NOT_ALLOWED = 1008
WRONG_NAME = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>splatcam</title>"
    b"<p>This service does not answer to the name in this address."
    b" Open it by its number, or start it with <code>--allowed-hosts NAME</code>.</p>"
)
NEEDS_TOKEN = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>splatcam</title>"
    b"<p>This service wants its token: open the link that it printed when it started.</p>"
)


@dataclass(frozen=True)
class Access:
    """What is asked of a visitor. `token` None: nothing."""

    token: str | None = field(repr=False)
    cookie_name: str
    origins: frozenset[str] = frozenset()  # pages of other addresses that may open the websocket
    hosts: frozenset[str] = frozenset()  # names that it answers to beside addresses and localhost, without a token

    @property
    def cookie_value(self) -> str:
        """Proves the token without telling it, and fits into a cookie whatever the token is made of."""
        return hmac.new((self.token or "").encode(), b"splatcam cookie", hashlib.sha256).hexdigest()


def access_of(
    settings: Settings, address: str, port: int, own_origins: Iterable[str] = (), own_names: Iterable[str] = ()
) -> Access:
    """`address` and `port` are what the service listens on; `own_origins` what a proxy in front calls it, `own_names`
    what this machine is called by others."""
    is_loopback = ipaddress.ip_address(address.partition("%")[0]).is_loopback
    needs_token = settings.auth and not is_loopback
    token = settings.token or (secrets.token_urlsafe(TOKEN_BYTES) if needs_token else None)
    named = (origin.strip() for origin in settings.allowed_origins.split(","))
    origins = frozenset(filter(None, (*named, *own_origins)))
    hosts = hosts_of(settings, origins, () if is_loopback else own_names)
    return Access(token, f"splatcam-{port}", origins, hosts)  # cookies ignore ports: two services, two names


def hosts_of(settings: Settings, origins: Iterable[str], own_names: Iterable[str]) -> frozenset[str]:
    """A page that may open the websocket learns nothing new by pointing its own name here, so that name is one too."""
    named = [host.strip() for host in settings.allowed_hosts.split(",")]
    allowed = [urlsplit(origin).hostname or "" for origin in origins]
    return frozenset(filter(None, (*named, *own_names, *allowed)))


def runpod_origin(environment: Mapping[str, str], port: int) -> str | None:
    """What Runpod's proxy calls this service, where it runs in a pod there."""
    pod = environment.get("RUNPOD_POD_ID", "")
    return f"https://{pod}-{port}.proxy.runpod.net" if re.fullmatch(r"[A-Za-z0-9]+", pod) else None


class Gate:
    """Lets through who may come in, and answers the others itself."""

    def __init__(self, app: App, access: Access, on_refused: Callable[[RefusalReason], None] = lambda _: None) -> None:
        self._app = app
        self._access = access
        self._on_refused = on_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (reason := self._refusal(scope)) is None:
            await self._app(scope, receive, send)
        else:
            self._on_refused(reason)
            await send({"type": "websocket.close", "code": CLOSE_NOT_ALLOWED})  # before accept: the client sees 403

    def _refusal(self, scope: Scope) -> RefusalReason | None:
        given, _ = split_token(scope["query_string"])
        if not is_own_name(scope, self._access):
            return "host"
        if not (self._is_known(scope) if given is None else self._is_token(given)):
            return "token"
        return None if is_own_page(scope, self._access) else "origin"

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        given, rest = split_token(scope["query_string"])
        if scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
        elif not is_own_name(scope, self._access):
            self._on_refused("host")
            await answer(send, 421, [], WRONG_NAME)
        elif self._access.token is None:
            await self._app(scope, receive, send)
        elif given is not None and self._is_token(given):
            await self._lead_on(scope, rest, send)
        elif given is None and self._is_known(scope):
            await self._app(scope, receive, send)
        else:
            self._on_refused("token")
            await answer(send, 401, [(b"www-authenticate", b'Bearer realm="splatcam"')], NEEDS_TOKEN)

    async def _lead_on(self, scope: Scope, rest: bytes, send: Send) -> None:
        """To the same address without the token, so that it stays in no history and in no shared link."""
        page = scope["raw_path"].rpartition(b"/")[2]  # relative: a proxy in front may add a path
        location = b"./" + page + (b"?" + rest if rest else b"")
        attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if is_https(scope) else "")
        cookie = f"{self._access.cookie_name}={self._access.cookie_value}{attributes}"
        await answer(send, 303, [(b"location", location), (b"set-cookie", cookie.encode())])

    def _is_token(self, given: str) -> bool:
        """Without a token in force, one that is given is not looked at."""
        return self._access.token is None or is_same(given, self._access.token)

    def _is_known(self, scope: Scope) -> bool:
        headers = headers_of(scope)
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if self._access.token is None or (scheme.lower() == "bearer" and self._is_token(bearer.strip())):
            return True
        return is_same(cookie_of(headers, self._access.cookie_name), self._access.cookie_value)


def is_own_name(scope: Scope, access: Access) -> bool:
    """Whether the visitor calls us by a name that nobody else could have pointed here. Where there is a token any name
    will do: a page that came under a name of somebody else's has no cookie for it."""
    host = headers_of(scope).get("host", "")
    return access.token is not None or is_loopback_name(host) or name_in(host) in access.hosts


def is_own_page(scope: Scope, access: Access) -> bool:
    """Browsers tell which page opens a socket, and let any page open any: another site's must not watch the camera."""
    headers = headers_of(scope)
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is None or origin in access.origins:  # None: no browser
        return True
    scheme, _, name = origin.partition("://")
    if host == "" or name != host or (is_https(scope) and scheme != "https"):  # anybody on the way writes a plain page
        return False
    return True


def is_loopback_name(host: str) -> bool:
    """Whether a Host header is an address, or `localhost`: names that nobody else can point here."""
    name = name_in(host)
    try:
        return name == "localhost" or name.endswith(".localhost") or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def name_in(host: str) -> str:
    """A Host header without its port, in small letters; empty where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_https(scope: Scope) -> bool:
    """Asked only to be stricter. Anybody can send the header, but a lie harms the liar alone: a browser keeps no
    Secure cookie of a plain connection. A proxy that ends TLS sends it, and its visitors get the safer cookie."""
    forwarded = headers_of(scope).get("x-forwarded-proto", "").partition(",")[0].strip()
    return scope["scheme"] in ("https", "wss") or forwarded == "https"


def split_token(query: bytes) -> tuple[str | None, bytes]:
    """The `token` of a query string, and the rest as it was."""
    token, rest = None, []
    for part in filter(None, query.decode("latin-1").split("&")):
        name, _, value = part.partition("=")
        if unquote_plus(name) == "token":
            token = unquote_plus(value) if token is None else token
        else:
            rest.append(part)
    return token, "&".join(rest).encode("latin-1")


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def cookie_of(headers: Mapping[str, str], name: str) -> str:
    """Read by hand: http.cookies gives up at the first odd cookie of some other service on this host."""
    pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    return next((value for key, _, value in pairs if key == name), "")


def is_same(given: str, wanted: str) -> bool:
    """Takes equally long wherever they differ."""
    return hmac.compare_digest(given.encode(), wanted.encode())


async def answer(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    about = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode()),
             (b"cache-control", b"no-store")]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": [*about, *headers]})
    await send({"type": "http.response.body", "body": body})
