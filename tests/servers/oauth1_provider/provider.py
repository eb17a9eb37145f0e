"""A provider of OAuth 1.0a on oauthlib, which checks every request: signature, nonce, timestamp.

    OAUTH1_PROVIDER='{"port": 9471, "client_id": "app", "client_secret": "a secret"}' \
        gunicorn -k gthread --threads 8 -b 127.0.0.1:9471 provider:application

Whoever comes to /authorize says yes, as the person of the parameter `as`, or no, if that is empty;
without it, as `alice`. /me is the profile. With `unconfirmed` in the settings, it answers as OAuth
1.0 did, before it had a verifier.
"""

import json
import os
import secrets
from urllib.parse import parse_qs, urlencode

from oauthlib.oauth1 import RequestValidator, WebApplicationServer

told = json.loads(os.environ["OAUTH1_PROVIDER"])
temporary = {}
tokens = {}
nonces = set()
people = {"alice": 7, "bob": 8}


class Validator(RequestValidator):
    """What is known about the one client, its credentials and its people."""

    client_key_length = (3, 40)
    nonce_length = (8, 40)
    request_token_length = (20, 60)
    access_token_length = (20, 60)
    verifier_length = (20, 60)
    enforce_ssl = False
    dummy_client = "nobody"
    dummy_request_token = "nothing"
    dummy_access_token = "nothing"
    realms = []

    def validate_client_key(self, client_key, request):
        return client_key == told["client_id"]

    def get_client_secret(self, client_key, request):
        return told["client_secret"]

    def validate_timestamp_and_nonce(self, client_key, timestamp, nonce, request, request_token=None, access_token=None):
        key = (timestamp, nonce)
        fresh = key not in nonces
        nonces.add(key)
        return fresh

    def get_default_realms(self, client_key, request):
        return []

    def validate_requested_realms(self, client_key, realms, request):
        return True

    def validate_realms(self, client_key, token, request, uri=None, realms=None):
        return True

    def get_realms(self, token, request):
        return []

    def verify_realms(self, token, realms, request):
        return True

    def validate_redirect_uri(self, client_key, redirect_uri, request):
        return redirect_uri.startswith("http://app.localhost:")

    def get_redirect_uri(self, token, request):
        return temporary[token]["callback"]

    def save_request_token(self, token, request):
        temporary[token["oauth_token"]] = {"secret": token["oauth_token_secret"], "callback": request.redirect_uri}

    def validate_request_token(self, client_key, token, request):
        return token in temporary

    def verify_request_token(self, token, request):
        return token in temporary

    def get_request_token_secret(self, client_key, token, request):
        return temporary.get(token, {}).get("secret", "nothing")

    def save_verifier(self, token, verifier, request):
        temporary[token]["verifier"] = verifier["oauth_verifier"]

    def validate_verifier(self, client_key, token, verifier, request):
        return secrets.compare_digest(temporary[token].get("verifier", ""), verifier)

    def invalidate_request_token(self, client_key, request_token, request):
        temporary.pop(request_token)

    def save_access_token(self, token, request):
        who = temporary[request.resource_owner_key]["who"]
        tokens[token["oauth_token"]] = {"secret": token["oauth_token_secret"], "who": who}

    def validate_access_token(self, client_key, token, request):
        return token in tokens

    def get_access_token_secret(self, client_key, token, request):
        return tokens.get(token, {}).get("secret", "nothing")


class Server(WebApplicationServer):
    """Says with the token whose it is, as Twitter's and Evernote's do."""

    def create_access_token(self, request, credentials):
        who = temporary[request.resource_owner_key]["who"]
        return super().create_access_token(request, {**credentials, "user_id": people[who], "screen_name": who})


server = Server(Validator())


def authorize(uri, query):
    token = query.get("oauth_token", [""])[0]
    who = query.get("as", ["alice"])[0]
    if token not in temporary:
        return 401, {}, "no such token"
    callback = temporary[token]["callback"]
    if who not in people:
        return 302, {"Location": f"{callback}&{urlencode({'denied': token})}"}, ""
    temporary[token]["who"] = who
    headers, body, status = server.create_authorization_response(uri, credentials={"resource_owner_key": token})
    return status, headers, body


def me(call):
    valid, request = server.validate_protected_resource_request(*call)
    if not valid:
        return 401, {}, "not signed as it must be"
    who = tokens[request.resource_owner_key]["who"]
    said = {"id": people[who], "screen_name": who, "name": f"User {who}", "email": f"{who}@example.org"}
    return 200, {"Content-Type": "application/json"}, json.dumps({"user": said})


def answer(environ):
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    uri = f"http://{environ['HTTP_HOST']}{path}" + (f"?{query}" if query else "")
    body = environ["wsgi.input"].read(65536).decode()
    headers = {"Authorization": environ.get("HTTP_AUTHORIZATION", "")}
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    call = (uri, environ["REQUEST_METHOD"], body, headers)
    if path == "/request_token":
        headers, body, status = server.create_request_token_response(*call)
        if told.get("unconfirmed"):
            body = body.replace("oauth_callback_confirmed=true", "oauth_callback_confirmed=false")
        return status, headers, body
    if path == "/access_token":
        headers, body, status = server.create_access_token_response(*call)
        return status, headers, body
    if path == "/authorize":
        return authorize(uri, parse_qs(query, keep_blank_values=True))
    if path == "/me":
        return me(call)
    return 404, {}, "no such page"


def application(environ, start_response):
    status, headers, body = answer(environ)
    start_response(f"{status} .", list(headers.items()))
    return [(body or "").encode()]
