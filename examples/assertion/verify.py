"""Checks an X-Vestibule-Assertion as an application does.

    pip install 'pyjwt[crypto]'
    python3 verify.py ISSUER AUDIENCE ASSERTION

ISSUER is server.public_url, AUDIENCE the origin under which this application is visited: an
assertion that was made for another one is refused.
"""

import sys

import jwt

issuer, audience, assertion = sys.argv[1:]
# One client for the life of the process: it keeps the keys, and asks again when a kid is new.
keys = jwt.PyJWKClient(f"{issuer}/.auth/jwks.json", lifespan=300)
print(
    jwt.decode(
        assertion,
        keys.get_signing_key_from_jwt(assertion).key,
        algorithms=["ES256"],
        issuer=issuer,
        audience=audience,
        options={"require": ["aud", "exp", "iat", "iss", "sub"]},
    )
)
