"""Refusals: what a broker's answers and silences mean, in words that name what is wrong."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ackflow.streams.core import SourceError, describe

if TYPE_CHECKING:
    from ackflow.streams.amqp.address import Address


class Unreachable(SourceError):
    """No broker answers: it is down, far away, or its name is wrong."""


class Refused(SourceError):
    """The broker answers, and refuses: a wrong password, vhost, certificate, queue or exchange."""


def connecting(error: Exception, address: "Address") -> SourceError:
    """Say why a connection could not be opened."""
    import aiormq.exceptions

    cause = error.__cause__
    if isinstance(cause, ssl.SSLError) or isinstance(error, ssl.SSLError):
        return Refused(f"{address}: {_tls(cause if isinstance(cause, ssl.SSLError) else error)}")
    match error:
        case aiormq.exceptions.ProbableAuthenticationError():
            return Refused(
                f"{address}: the broker refuses user {address.user!r}: wrong user name or password "
                f"({address.hide(str(error))})"
            )
        case aiormq.exceptions.InvalidFrameError() if "Connection.Close " in str(error):
            # aiormq drops the text of this answer; OpenOk is the only other one it can get here.
            return Refused(
                f"{address}: the broker refuses vhost {address.vhost!r}: it does not exist or is down, "
                f"user {address.user!r} may not use it, or its connection limit is reached"
            )
        case aiormq.exceptions.InvalidFrameError():
            said = address.hide(describe(error))
            return Unreachable(
                f"{address}: what answers there speaks no AMQP ({said}); {_question(address)}"
            )
        case aiormq.exceptions.AuthenticationError():
            return Refused(f"{address}: the broker does not take a user name and password")
        case aiormq.exceptions.ConnectionClosed():
            return Refused(f"{address}: the broker refuses: {error.args[-1] if error.args else ''}")
        case TimeoutError():
            return Unreachable(f"{address}: connected, but no broker answers there in time")
    known = cause if isinstance(cause, OSError | EOFError) else error
    return Unreachable(f"{address}: {_network(known, address)}")


def _tls(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "TLS refused, the broker's certificate can't be trusted: "
            f"{error.verify_message.rstrip('.')}; {_TRUST.get(error.verify_code, _AUTHORITY)}"
        )
    reason = getattr(error, "reason", None) or str(error)
    if reason == "WRONG_VERSION_NUMBER":
        return "TLS refused: whatever listens on this port does not speak TLS; amqp:// does without"
    return f"TLS refused: {reason}"


_AUTHORITY = "ca_file= names the authority to trust"
_EXPIRED = "the clock or the certificate has to be put right"
_OTHER_HOST = "url must name a host that the certificate is for"
_TRUST = {9: _EXPIRED, 10: _EXPIRED, 62: _OTHER_HOST, 64: _OTHER_HOST}
"""What makes a certificate trusted, by what OpenSSL holds against it (X509_V_ERR_…)."""


def _network(error: BaseException, address: "Address") -> str:
    match error:
        case socket.gaierror():
            return f"host {address.host!r} is not known ({error.strerror})"
        case ConnectionRefusedError():
            return f"nothing listens on port {address.port} of host {address.host!r}"
        case ConnectionResetError() | EOFError():
            return f"the connection was closed before the broker greeted; {_question(address)}"
    return address.hide(describe(error))


def _question(address: "Address") -> str:
    asks = "ask for a client certificate (certificate=)" if address.tls else "expect TLS"
    return f"does the port {asks}?"


_PLUGIN = (
    "; x-consistent-hash is of a plugin that comes with RabbitMQ: "
    "rabbitmq-plugins enable rabbitmq_consistent_hash_exchange"
)


@contextmanager
def answers(call: str) -> Iterator[None]:
    """Turn whatever aiormq raises within into Refused, with the broker's words, or Unreachable."""
    from aiormq.exceptions import (
        AMQPError,
        ChannelClosed,
        ChannelInvalidStateError,
        ConnectionCommandInvalid,
    )

    try:
        yield
    except asyncio.CancelledError as error:
        # aiormq cancels the calls of a connection that its heartbeats find dead.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Unreachable(f"{call}: the connection was lost") from error
    except ChannelClosed as error:
        text = str(error.args[-1] if error.args else None)
        kind = Unreachable if text == "None" else Refused
        raise kind(f"{call}: {text}") from error
    except ConnectionCommandInvalid as error:
        # RabbitMQ ends the whole connection over a type of exchange that it does not know.
        text = str(error.args[-1] if error.args else "")
        raise Refused(f"{call}: {text}{_PLUGIN * ('x-consistent-hash' in text)}") from error
    except (AMQPError, ChannelInvalidStateError) as error:
        raise Unreachable(f"{call}: the connection was lost ({describe(error)})") from error
    except Exception as error:
        # Bare ones are aiormq's too: for a connection that ended without an error, or before.
        if type(error) not in (Exception, RuntimeError):
            raise
        raise Unreachable(f"{call}: the connection was lost ({describe(error)})") from error
