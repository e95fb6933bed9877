"""What an answer other than 200 means: the status decides, its body is read only for what it says."""

from __future__ import annotations

from ..errors import (
    BadRequest,
    CredentialsError,
    Forbidden,
    NotFound,
    RateLimited,
    ServerError,
    UnreadableAnswer,
    UserTestingError,
)


def refusal(status: int, said: str, what: str, *, renewed: bool) -> UserTestingError:
    """
    The error that a status means.

    Args:
        status: any but 200.
        said: by the body; may be empty.
        what: was asked for, with its id.
        renewed: whether the token was bought just now.

    """
    said = said and f": {said}"
    if status == 401:
        return _refused(said, renewed)
    if status == 403:
        return Forbidden(
            f"The API forbids these credentials to read {what} (403{said}). Ask UserTesting whether the account's plan"
            " includes the Results API, and that the credentials' e-mail address is a member of the workspace.",
            status,
        )
    if status == 404:
        return NotFound(
            f"The API knows nothing of {what}, or does not show it to these credentials (404{said}).", status
        )
    if status == 429:
        return RateLimited(
            f"The API still answers 429 for {what} after waiting as told, several times: another program uses up the"
            " quota of these credentials. Stop it, or lower `sources.usertesting.rate_limit`.",
            status,
        )
    if status >= 500:
        text = f"The API answers {status} for {what}, again after retries{said}. It is asked for again later."
        return ServerError(text, status)
    if status >= 400:
        return BadRequest(f"The API does not take the request for {what} ({status}{said}): check the id.", status)
    if status >= 300:
        return BadRequest(
            f"The API sends {what} to another address ({status}), which is not followed: check"
            " `sources.usertesting.base_url`.",
            status,
        )
    return UnreadableAnswer(f"The API answers {status} for {what}: no data. It is asked for again later.", status)


def _refused(said: str, renewed: bool) -> CredentialsError:
    remedy = (
        "a new token was refused too: check that client id and scope are meant for this API"
        if renewed
        else "a token lives an hour: get a new one, or set client_id and client_secret, which renew themselves"
    )
    return CredentialsError(f"The API refuses the credentials (401{said}); {remedy}.", 401)
