"""An authorization server for tests: Authlib's, with keys that a test can replace.

It publishes its metadata and keys, and gives access tokens of RFC 9068 by client credentials (RFC 6749, section 4.4). By
authorization codes with PKCE (RFC 7636) it gives tokens that only itself can read; about those it is asked (RFC 7662), and
it takes them back (RFC 7009). POST /test/rotate makes a new key, and POST /test/retire forgets all but the newest.
"""

import sys
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, jsonify
from joserfc.jwk import ECKey

import exchange

PORT = int(sys.argv[1])
ISSUER = f"http://127.0.0.1:{PORT}"
SECRET = "secret-of-the-importer"
AUDIENCE = "https://orders.example.com"
CALLBACK = "http://127.0.0.1/callback"
LIFE_SECONDS = 3600

keys = []
codes = {}
tokens = {}


def rotate():
    name = f"key-{len(keys) + 1}"
    parameters = {"kid": name, "use": "sig", "alg": "ES256"}
    keys.append(ECKey.generate_key("P-256", parameters, private=True))


class Client(ClientMixin):
    """The one client: a machine, a page that people log in by, and whoever asks about tokens."""

    client_id = "importer"

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return CALLBACK

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri == CALLBACK

    def check_client_secret(self, client_secret):
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method, endpoint):
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in ("client_credentials", "authorization_code")


class User:
    """The one person, who always agrees."""

    def get_user_id(self):
        return "alice"


class Code:
    """What was agreed to, until it is exchanged for a token."""

    def __init__(self, code, data):
        self.code = code
        self.redirect_uri = data.redirect_uri
        self.scope = data.scope
        self.code_challenge = data.data.get("code_challenge")
        self.code_challenge_method = data.data.get("code_challenge_method")

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope


class Token(TokenMixin):
    """A token that only this server can read."""

    def __init__(self, token, user):
        self.scope = token.get("scope", "")
        self.user = user
        self.end = int(time.time()) + LIFE_SECONDS
        self.revoked = False

    def check_client(self, client):
        return client.get_client_id() == Client.client_id

    def is_expired(self):
        return time.time() >= self.end

    def is_revoked(self):
        return self.revoked


class CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

    def save_authorization_code(self, code, request):
        codes[code] = Code(code, request.payload)

    def query_authorization_code(self, code, client):
        return codes.get(code)

    def delete_authorization_code(self, authorization_code):
        codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code):
        return User()


class Introspection(IntrospectionEndpoint):
    def query_token(self, token_string, token_type_hint):
        return tokens.get(token_string)

    def check_permission(self, token, client, request):
        return True

    def introspect_token(self, token):
        return {
            "active": not token.is_revoked(),
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": token.user,
            "scope": token.scope,
            "exp": token.end,
        }


class Revocation(RevocationEndpoint):
    def query_token(self, token_string, token_type_hint):
        return tokens.get(token_string)

    def revoke_token(self, token, request):
        token.revoked = True


class Tokens(JWTBearerTokenGenerator):
    """Access tokens for the orders API, signed by the newest key."""

    def get_jwks(self):
        return keys[-1]

    def get_audiences(self, client, user, scope):
        return [AUDIENCE]


def save(token, request):
    if request.user is not None:
        tokens[token["access_token"]] = Token(token, request.user.get_user_id())


def opaque(*_, **__):
    return f"opaque_{time.time_ns()}_{len(tokens)}"


app = Flask(__name__)
clients = {Client.client_id: Client()}
server = AuthorizationServer(app, query_client=clients.get, save_token=save)
server.register_grant(ClientCredentialsGrant)
server.register_grant(CodeGrant, [CodeChallenge(required=True)])
server.register_endpoint(Introspection)
server.register_endpoint(Revocation)
server.register_token_generator("default", Tokens(issuer=ISSUER, alg="ES256"))
server.register_token_generator("authorization_code", BearerTokenGenerator(opaque))


@app.get("/.well-known/openid-configuration")
def metadata():
    return jsonify(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        introspection_endpoint=f"{ISSUER}/introspect",
        revocation_endpoint=f"{ISSUER}/revoke",
        jwks_uri=f"{ISSUER}/keys",
    )


@app.get("/keys")
def published():
    return jsonify(keys=[key.as_dict(private=False) for key in keys])


@app.route("/authorize", methods=["GET", "POST"])
def authorize():
    grant = server.get_consent_grant(end_user=User())
    return server.create_authorization_response(grant_user=User(), grant=grant)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/introspect")
def introspect():
    return server.create_endpoint_response(Introspection.ENDPOINT_NAME)


@app.post("/revoke")
def revoke():
    return server.create_endpoint_response(Revocation.ENDPOINT_NAME)


@app.post("/test/rotate")
def make_key():
    rotate()
    return jsonify(keys=len(keys))


@app.post("/test/retire")
def forget_keys():
    del keys[:-1]
    return jsonify(keys=len(keys))


exchange.register(server, clients, keys, ISSUER)
rotate()
app.run("127.0.0.1", PORT)
