"""Token exchange (RFC 8693) at the authorization server of the tests: its own access tokens for others of another audience."""

import time

from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.errors import InvalidRequestError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

SECRET = "secret-of-the-edge"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
LIFE_S = 300


class Edge(ClientMixin):
    """The one client that may exchange tokens, a proxy."""

    def get_client_id(self):
        return "edge"

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return False

    def check_client_secret(self, client_secret):
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, response_type):
        return False

    def check_grant_type(self, grant_type):
        return grant_type == TokenExchangeGrant.GRANT_TYPE


class TokenExchangeGrant(BaseGrant, TokenEndpointMixin):
    """What a client gets for somebody else's token."""

    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
    keys = []
    issuer = ""

    def validate_token_request(self):
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError()
        form = self.request.payload.data
        if form.get("subject_token_type") != ACCESS_TOKEN or "audience" not in form:
            raise InvalidRequestError("an access token is exchanged for one of an audience")
        try:
            token = jwt.decode(form.get("subject_token", ""), KeySet(self.keys), algorithms=["ES256"])
            jwt.JWTClaimsRegistry(exp={"essential": True}).validate(token.claims)
        except (JoseError, ValueError) as error:
            raise InvalidRequestError("the subject token is not good") from error
        self.request.client = client
        self.subject = token.claims["sub"]

    def create_token_response(self):
        form, now = self.request.payload.data, int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": form["audience"],
            "act": {"sub": "edge"},
            "scope": form.get("scope", ""),
            "iat": now,
            "exp": now + LIFE_S,
        }
        key = self.keys[-1]
        header = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}
        token = {
            "access_token": jwt.encode(header, claims, key),
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": LIFE_S,
        }
        return 200, token, self.TOKEN_RESPONSE_HEADER


def register(server, clients, keys, issuer):
    """Lets the server exchange tokens that are signed by one of `keys`, of which the last signs."""
    clients["edge"] = Edge()
    TokenExchangeGrant.keys, TokenExchangeGrant.issuer = keys, issuer
    server.register_grant(TokenExchangeGrant)
