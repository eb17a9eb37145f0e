"""Fills a storage that Vestibule has made with people who are signed in, and writes their cookies.

    seed_sessions.py FOLDER HOST COOKIE MANY

FOLDER holds the `secret` and `vestibule.db` of a process that does not run; HOST is where the
cookies are good, COOKIE their name. Each session is somebody else's, from one login at the
connection `members`, with the claims that an ordinary OpenID provider sends. The cookies go to
FOLDER/cookies, one a line. It does by hand what `src/crypto` and `src/session/token.rs` do: the
product has no way to sign somebody in without a proof, and gets none for this.
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import struct
import sys
import time


def derive(root, purpose):
    """HKDF-SHA256 (RFC 5869), one block."""
    key = hmac.digest(b"vestibule v1", root, "sha256")
    return hmac.digest(key, purpose.encode() + b"\x01", "sha256")


def rounds(state):
    """The twenty rounds of ChaCha20 (RFC 8439 section 2.3), without the final addition."""
    def quarter(a, b, c, d):
        for to, add, turned, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[to] = (state[to] + state[add]) & 0xFFFFFFFF
            mixed = state[turned] ^ state[to]
            state[turned] = (mixed << by | mixed >> (32 - by)) & 0xFFFFFFFF

    for _ in range(10):
        for at in range(4):
            quarter(at, at + 4, at + 8, at + 12)
        for at in range(4):
            quarter(at, 4 + (at + 1) % 4, 8 + (at + 2) % 4, 12 + (at + 3) % 4)
    return state


CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def open_first_block(key, nonce, sealed):
    """The first 32 octets under XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha); the tag is not
    looked at, for a wrong key shows in the first request."""
    mixed = rounds([*CONSTANTS, *struct.unpack("<8I", key), *struct.unpack("<4I", nonce[:16])])
    subkey = [*mixed[:4], *mixed[12:]]
    begin = [*CONSTANTS, *subkey, 1, 0, *struct.unpack("<2I", nonce[16:])]
    words = [(a + b) & 0xFFFFFFFF for a, b in zip(rounds(list(begin)), begin)]
    return bytes(a ^ b for a, b in zip(sealed[:32], struct.pack("<16I", *words)))


def handle_key(database, secret):
    """The key ring's current key: its id, and the key for the MAC of session tokens."""
    number, sealed = database.execute("SELECT id, sealed FROM keys WHERE state = 'current'").fetchone()
    root = derive(derive(secret, "root ring"), "ring seal key")
    return number, derive(open_first_block(root, sealed[5:29], sealed[29:]), "ring mac handle")


def people(many, now, host, key):
    """For each session its rows, by table, and its cookie."""
    number, secret = key
    text = lambda value: json.dumps(value, separators=(",", ":"))
    for at in range(many):
        name, subject = f"person-{at:07}", f"{at:07}-{at * 7919 % 1000003:07}-4c1b"
        user, session, token = f"members|{subject}", os.urandom(16), os.urandom(32)
        parts = b"".join(len(part).to_bytes(8, "big") + part for part in (token, host.encode()))
        cookie = number.to_bytes(4, "big") + token + hmac.digest(secret, parts, "sha256")
        profile = {
            "name": f"Robin Person {at}", "given_name": "Robin", "family_name": f"Person {at}",
            "preferred_username": name, "email": f"{name}@example.com", "email_verified": True,
            "locale": "en-GB", "phone_number_verified": False,
        }
        claims = {
            "sub": subject,
            **{claim: profile[claim] for claim in ("email_verified", "name", "preferred_username", "given_name",
                                                   "locale", "family_name", "email")},
        }
        groups = ["staff", "editors", f"team-{at % 100:02}"]
        held = [{"connection": "members", "subject": subject, "auth_time": now, "amr": ["pwd"], "acr": None}]
        yield {
            "handles": (name, user, now),
            "users": (user, name, text(profile), "{}", "{}", 0, 0, "members", now, now, now, 1, 1),
            "identities": ("members", subject, user, text(profile), text(claims), text(groups), now, now),
            "sessions": (session, user, text(held), now, now, now + 5 * 86_400_000, "127.0.0.1",
                         "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", b"", b"", 1),
            "session_identities": ("members", subject, session),
            "session_handles": (hashlib.sha256(token).digest(), session, host, now),
        }, base64.urlsafe_b64encode(cookie).decode().rstrip("=")


def main(folder, host, cookie_name, many):
    database = sqlite3.connect(f"{folder}/vestibule.db", isolation_level=None)
    with open(f"{folder}/secret", "rb") as file:
        key = handle_key(database, file.read().strip())
    for pragma in ("foreign_keys = OFF", "synchronous = OFF", "journal_mode = OFF", "cache_size = -1000000"):
        database.execute(f"PRAGMA {pragma}")
    # An index that is made at the end is made by sorting, which is many times faster.
    indexes = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql NOT NULL").fetchall()
    database.execute("BEGIN")
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    statements = {
        table: f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"
        for table, columns in (("handles", 3), ("identities", 8), ("sessions", 11),
                               ("session_identities", 3), ("session_handles", 4))
    }
    # name and email are generated
    statements["users"] = (
        "INSERT INTO users (id, handle, profile, user_metadata, app_metadata, blocked, owner, synced_by, "
        f"created_at, updated_at, last_login_at, logins, version) VALUES ({', '.join('?' * 13)})"
    )
    with open(f"{folder}/cookies", "w") as cookies:
        for rows, cookie in people(int(many), int(time.time() * 1000), host, key):
            for table, row in rows.items():
                database.execute(statements[table], row)
            cookies.write(f"{cookie_name}={cookie}\n")
    for _, made in indexes:
        database.execute(made)
    database.execute("COMMIT")
    database.execute("PRAGMA journal_mode = WAL")
    database.close()


main(*sys.argv[1:])
