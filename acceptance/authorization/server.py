"""An authorization server for tests: Authlib's, with keys that a test can replace.

It gives access tokens of RFC 9068 by client credentials (RFC 6749, section 4.4), publishes its metadata and keys, and
revokes clients. POST /test/rotate makes a new key, and POST /test/retire forgets all but the newest.
"""

import sys

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, jsonify
from joserfc.jwk import ECKey

import exchange

PORT = int(sys.argv[1])
ISSUER = f"http://127.0.0.1:{PORT}"
SECRET = "secret-of-the-importer"

keys = []


def rotate():
    name = f"key-{len(keys) + 1}"
    parameters = {"kid": name, "use": "sig", "alg": "ES256"}
    keys.append(ECKey.generate_key("P-256", parameters, private=True))


class Client(ClientMixin):
    """The one client, a machine."""

    def get_client_id(self):
        return "importer"

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
        return grant_type == "client_credentials"


class Tokens(JWTBearerTokenGenerator):
    """Access tokens for the orders API, signed by the newest key."""

    def get_jwks(self):
        return keys[-1]

    def get_audiences(self, client, user, scope):
        return ["https://orders.example.com"]


app = Flask(__name__)
clients = {"importer": Client()}
server = AuthorizationServer(app, query_client=clients.get, save_token=lambda token, request: None)
server.register_grant(ClientCredentialsGrant)
server.register_token_generator("default", Tokens(issuer=ISSUER, alg="ES256"))


@app.get("/.well-known/openid-configuration")
def metadata():
    return jsonify(issuer=ISSUER, token_endpoint=f"{ISSUER}/token", jwks_uri=f"{ISSUER}/keys")


@app.get("/keys")
def published():
    return jsonify(keys=[key.as_dict(private=False) for key in keys])


@app.post("/token")
def token():
    return server.create_token_response()


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
