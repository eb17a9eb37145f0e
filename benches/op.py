"""The smallest OpenID provider that mod_auth_openidc takes a session from: everybody is alice.

    python3 op.py PORT
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

PORT = int(sys.argv[1])
ISSUER = f"http://127.0.0.1:{PORT}"
SECRET = b"a-secret-that-is-only-for-loopback-and-this-bench"
nonces = {}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def id_token(nonce):
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "bench", "sub": "alice", "iat": now, "exp": now + 3600}
    if nonce:
        claims["nonce"] = nonce
    signed = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
    return signed + "." + b64(hmac.new(SECRET, signed.encode(), hashlib.sha256).digest())


class Provider(BaseHTTPRequestHandler):
    def answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/.well-known/openid-configuration":
            self.answer(
                {
                    "authorization_endpoint": ISSUER + "/authorize",
                    "id_token_signing_alg_values_supported": ["HS256"],
                    "issuer": ISSUER,
                    "jwks_uri": ISSUER + "/jwks",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "token_endpoint": ISSUER + "/token",
                }
            )
        elif url.path == "/authorize":
            code = b64(hashlib.sha256(query["state"].encode()).digest())
            nonces[code] = query.get("nonce")
            back = urlencode({"code": code, "state": query["state"]})
            self.send_response(302)
            self.send_header("Location", query["redirect_uri"] + "?" + back)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.answer({"keys": []})

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        nonce = nonces.get(form.get("code"))
        self.answer(
            {
                "access_token": "bench",
                "expires_in": 3600,
                "id_token": id_token(nonce),
                "token_type": "Bearer",
            }
        )

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Provider).serve_forever()
