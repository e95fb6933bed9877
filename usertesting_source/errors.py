"""
Everything that this package raises.

    UserTestingError
    ├── ConfigurationError         a setting is missing or wrong; names the key, the value and the remedy
    │   └── NotInstalled           what is asked for needs a package that a plain installation leaves out
    ├── CredentialsError           the token URL or the API refuses the credentials
    ├── ApiUnavailable             the API or the token URL cannot be reached, or keeps failing for everything
    ├── ApiError                   one request failed; the rest of the run goes on
    │   ├── NotFound               404: gone, never there, or not visible to these credentials
    │   ├── Forbidden              403: these credentials may not read this one
    │   ├── BadRequest             400: the API does not take this id or this range
    │   ├── RateLimited            429 even after waiting: somebody else uses up the quota
    │   ├── ServerError            5xx, or a connection that breaks, after all retries; an answer without an end
    │   └── UnreadableAnswer       200, but the body is not what was asked for, or cut in half
    │       └── GatewayPage        it is an HTML page: a gateway or a proxy answers in place of the API
    ├── Interrupted                a stop was asked for (signal, time limit); what was fetched is kept
    ├── AnotherRunIsActive         the same pipeline is running on this machine already
    ├── DestinationError           the warehouse does not take the data
    │   └── DestinationLocked      another program holds the DuckDB file
    ├── LoadUnfinished             a load stopped as asked, with work left (`Summary.raise_for_status`)
    ├── LoadIncomplete             something failed in a load, all else is there (`Summary.raise_for_status`)
    ├── StateError                 the pipeline's state was written by a newer version
    └── DownloadError              a video could not be stored completely

No message holds a token, a secret or a signed URL.
"""

from __future__ import annotations

__all__ = [
    "AnotherRunIsActive",
    "ApiError",
    "ApiUnavailable",
    "BadRequest",
    "ConfigurationError",
    "CredentialsError",
    "DestinationError",
    "DestinationLocked",
    "DownloadError",
    "Forbidden",
    "GatewayPage",
    "Interrupted",
    "LoadIncomplete",
    "LoadUnfinished",
    "NotFound",
    "NotInstalled",
    "RateLimited",
    "ServerError",
    "StateError",
    "UnreadableAnswer",
    "UserTestingError",
]


class UserTestingError(Exception):
    """The root of the tree: catch this to catch all of them."""


class ConfigurationError(UserTestingError):
    """Raised before the first request, when a setting is missing or cannot be used."""


class NotInstalled(ConfigurationError):
    """Raised when a package is needed that a plain installation leaves out; names the command that brings it."""


class CredentialsError(UserTestingError):
    """
    Raised when the token URL refuses the client, or the API refuses a fresh token.

    Attributes:
        status: the HTTP status.

    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ApiUnavailable(UserTestingError):
    """Raised when a host cannot be reached, or every request to it fails."""


class ApiError(UserTestingError):
    """
    Raised when one request fails for good.

    Attributes:
        status: the HTTP status, or None when there was no answer.

    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NotFound(ApiError):
    """
    Raised on 404, which the API also answers for things that the credentials may not see, and for a transcript that is
    a bare header so far.
    """


class Forbidden(ApiError):
    """Raised on 403: it concerns what was asked for, since the same credentials may well read the rest."""


class BadRequest(ApiError):
    """Raised on 400 and other refusals of the request itself."""


class RateLimited(ApiError):
    """Raised when the API still answers 429 after waiting as told, several times over."""


class ServerError(ApiError):
    """Raised on 5xx and on broken connections, after all retries, and on an answer that takes too long."""


class UnreadableAnswer(ApiError):
    """Raised when an answer of status 200 cannot be read."""


class GatewayPage(UnreadableAnswer):
    """Raised when an answer of status 200 is a page in HTML or XML; for everything, it is an outage."""


class Interrupted(UserTestingError):
    """Raised inside a wait when a stop is asked for."""


class AnotherRunIsActive(UserTestingError):
    """Raised when another process holds the run lock of the pipeline."""


class DestinationError(UserTestingError):
    """Raised when the destination refuses a load; the package is kept and finished first by the next run."""


class DestinationLocked(DestinationError):
    """Raised when a DuckDB file stays locked by another program."""


class LoadUnfinished(UserTestingError):
    """Raised on request after a load that stopped as asked, with work left; the next one goes on there."""


class LoadIncomplete(UserTestingError):
    """Raised on request after a load in which something failed; all else is loaded."""


class StateError(UserTestingError):
    """Raised when the state in the pipeline was written by a newer version of this package."""


class DownloadError(UserTestingError):
    """Raised when a video could not be downloaded completely."""
