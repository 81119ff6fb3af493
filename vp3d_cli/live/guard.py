"""Who may watch: other web sites must not see the camera through somebody's browser.

A page of another site can make a browser connect to this machine, also to addresses that only
this machine reaches. The browser says whose page asks (`Origin`, `Sec-Fetch-Site`) and what name
it thinks it talks to (`Host`); a name that another site points here (DNS rebinding) is none of
ours, and an address cannot be pointed elsewhere.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit


def refusal(headers: Mapping[str, str], bound_to: str) -> str | None:
    """Why a request is refused, in a sentence; None: it is not.

    Args:
        headers: of the request, looked up without regard to upper and lower case.
        bound_to: the host that the server was told to listen at.
    """
    host = headers.get("Host", "")
    if not _is_ours(host, bound_to):
        return (
            f"this page is not served as {host!r}; open it by the machine's address or name, "
            "or let vp3d listen at that name"
        )
    origin = headers.get("Origin")
    if origin is not None and _netloc(origin) != host.lower():
        return "pages of other sites may not watch"
    is_own = headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}
    if not is_own and headers.get("Sec-Fetch-Dest") != "document":  # a link may lead here
        return "pages of other sites may not watch"
    return None


def _netloc(origin: str) -> str | None:
    """Host and port of an origin; None where it has none ("null") or is malformed."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _is_ours(host: str, bound_to: str) -> bool:
    """Whether a `Host` header names this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    machine = socket.gethostname().lower()
    if name in {"localhost", bound_to.lower(), machine, f"{machine}.local"}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
