"""The token URL: client credentials in, access token out, and the two ways in which Okta refuses."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import parse_qs

from .faults import Faults
from .limits import Tokens
from .replies import Refused, Reply, as_json

PATH = "/oauth2/sample/v1/token"
SCOPE = "studies:read"


@dataclass
class TokenEndpoint:
    """Answers `POST` to the token URL for one client."""

    client_id: str
    client_secret: str
    tokens: Tokens
    faults: Faults

    def answer(self, method: str, content_type: str, body: bytes) -> Reply:
        """A token for the right credentials, sent in the form body."""
        if method != "POST":
            raise Refused(as_json({"errorCode": "E0000022", "errorSummary": "The endpoint does not support it"}, 405))
        if self.faults.use("token_down"):
            raise Refused(as_json({"errorCode": "E0000009", "errorSummary": "Internal Server Error"}, 503))
        if not content_type.startswith("application/x-www-form-urlencoded"):
            raise Refused(_refused(400, "invalid_request", "The request body is not form-encoded."))
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        self._check(form)
        token = self.tokens.issue(self.client_id, SCOPE)
        answer = {"token_type": "Bearer", "expires_in": int(self.tokens.lifetime), "access_token": token}
        return as_json({**answer, "scope": SCOPE})

    def _check(self, form: dict[str, str]) -> None:
        if form.get("client_id") != self.client_id:
            raise Refused(_unknown_client())
        if not hmac.compare_digest(form.get("client_secret", ""), self.client_secret):
            text = "The client secret supplied for a confidential client is invalid."
            raise Refused(_refused(401, "invalid_client", text))
        if form.get("grant_type") != "client_credentials":
            raise Refused(_refused(400, "unsupported_grant_type", "The grant type is not supported."))
        if form.get("scope") != SCOPE:
            text = "One or more scopes are not configured for the authorization server resource."
            raise Refused(_refused(400, "invalid_scope", text))


def _refused(status: int, error: str, description: str) -> Reply:
    return as_json({"error": error, "error_description": description}, status)


def _unknown_client() -> Reply:
    return as_json(
        {
            "errorCode": "invalid_client",
            "errorSummary": "Invalid value for 'client_id' parameter.",
            "errorLink": "invalid_client",
            "errorId": "oaeSample0000000000000000",
            "errorCauses": [],
        },
        401,
    )
