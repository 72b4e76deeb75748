"""Certificates of test servers that speak TLS."""

from pathlib import Path

from tests.servers.errors import ServerMissing


def write_certificates(folder: Path, server: str) -> None:
    """Write an authority, a certificate that it signed for this machine, and one for a client."""
    try:
        import trustme
    except ImportError:
        raise ServerMissing(f"{server}(tls=True): needs trustme: pip install trustme") from None
    authority = trustme.CA()
    own = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own.private_key_pem.write_to_path(folder / "server.key")
    chain = b"".join(each.bytes() for each in own.cert_chain_pems)
    (folder / "server.pem").write_bytes(chain)
    client = authority.issue_cert("ana@example.org").private_key_and_cert_chain_pem
    client.write_to_path(folder / "client.pem")
