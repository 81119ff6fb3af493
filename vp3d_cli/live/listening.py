"""Where a server listens, and how a browser gets there."""

from __future__ import annotations

import ipaddress
import socket

from vp3d_cli.errors import OptionsError, OutputError

# The kernel keeps no more than this for a slow watcher, bytes: what it gets is old by that.
_SEND_BUFFER = 1 << 18


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OptionsError: there is no such port.
        OutputError: the port is taken, or the host is none of this machine's.
    """
    if not 0 <= port <= 65535:
        raise OptionsError(f"port {port}: a port is 1 to 65535, or 0 for any that is free")
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(place[:2], family=family)
    except (OSError, UnicodeError) as error:
        raise OutputError(
            f"the page cannot be served at {host}, port {port}: "
            f"{getattr(error, 'strerror', None) or error}; give another port (0 is any that is "
            "free), or a host that is this machine's"
        ) from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    return listening


def address(host: str, port: int) -> str:
    """Where a browser finds it."""
    if host in {"", "0.0.0.0", "::"}:
        host = socket.gethostname()
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
