"""Guard: who may look at a status page. A browser may be told by a foreign page to ask for it."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches it."""
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def host_and_port(text: str) -> tuple[str, int | None]:
    """Take a host and its port apart; raise ValueError for anything else."""
    parts = urlsplit(f"//{text}")
    if parts.netloc != text or "@" in text or not parts.hostname:
        raise ValueError("no host and port")
    return parts.hostname, parts.port


class Guard:
    """Refuses what a foreign page asks for.

    A name that an attacker has resolved to this machine (DNS rebinding) shows in Host: an address
    can't be one, and names are known. What a script of another page asks for has an Origin that is not
    ours, or says so in Sec-Fetch-Site.

    Source: https://www.w3.org/TR/fetch-metadata/
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        """`hosts`: names it may be asked by, beside localhost and addresses."""
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    def refuses(self, hosts: Sequence[str], headers: Mapping[str, str]) -> str:
        """Say why a request is refused, or nothing; `hosts` is each Host header it has."""
        if len(hosts) != 1 or not self._known(hosts[0]):
            return "this host name is not known here; hosts= of the status names more"
        origin = headers.get("Origin")
        if origin is not None and origin.lower() not in self._own(hosts[0]):
            return "pages of other origins may not look at this"
        foreign = headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        followed = (headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest", "document"))
        if foreign and followed != ("navigate", "document"):  # a link, and no frame
            return "pages of other origins may not look at this"
        return ""

    def _known(self, text: str) -> bool:
        try:
            host, _ = host_and_port(text)
        except ValueError:
            return False
        return host in self._hosts or _is_address(host)

    def _own(self, host: str) -> tuple[str, str]:
        """Return our origins by this name; https where somebody before us speaks TLS."""
        return f"http://{host.lower()}", f"https://{host.lower()}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
