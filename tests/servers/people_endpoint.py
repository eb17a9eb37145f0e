"""People behind an endpoint, as docs/connections/http.md has it. Port and key are arguments; what was
asked, without passwords, is at GET /asked, and POST /behave has it behave in another way."""

import base64
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEYS = [base64.b64decode(key.removeprefix("whsec_")) for key in sys.argv[2:]]
PEOPLE = {"7": {"id": 7, "username": "alice", "email": "alice@example.com", "groups": ["staff"]},
          "8": {"id": 8, "username": "closed", "blocked": True}}
PASSWORDS = {"7": "alice-secret", "8": "closed-secret"}
STATE = {"asked": [], "behave": "well", "seen": set()}


class Endpoint(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"asked": STATE["asked"]})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/behave":
            STATE["behave"] = json.loads(body)["how"]
            return self.answer(200, {})
        identifier, stamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        message = f"{identifier}.{stamp}.".encode() + body
        good = ["v1," + base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()
                for key in KEYS]
        shown = self.headers["webhook-signature"].split()
        fresh = abs(time.time() - int(stamp)) < 300 and identifier not in STATE["seen"]
        STATE["seen"].add(identifier)
        if not fresh or not any(one in good for one in shown):
            return self.answer(403, {})
        ask = json.loads(body)
        operation = ask["operation"]
        STATE["asked"].append({"operation": operation, "signatures": len(shown)})
        behave = STATE["behave"]
        if behave == "huge":
            return self.answer(200, {"id": "7", "x": "x" * (2 << 20)})
        if behave == "redirect":
            self.send_response(307)
            self.send_header("location", "http://127.0.0.1:1/")
            self.send_header("content-length", "0")
            self.end_headers()
            return None
        if behave == "broken":
            return self.answer(500, {})
        if behave == "garbage":
            return self.answer(200, [1])
        if behave == "another" and operation == "login":
            return self.answer(200, {"id": "9"})
        if operation == "count":
            return self.answer(200, {"count": len(PEOPLE)})
        who = next((identifier for identifier, person in PEOPLE.items()
                    if ask.get("id") == identifier
                    or ask.get("login") in (person["username"], person.get("email"))), None)
        if operation == "create":
            if any(ask.get("username") == person["username"] for person in PEOPLE.values()):
                return self.answer(409, {})
            new = str(len(PEOPLE) + 100)
            PEOPLE[new] = {"id": new, "username": ask.get("username"), "email": ask.get("email")}
            PASSWORDS[new] = ask["password"]
            return self.answer(201, PEOPLE[new])
        if operation == "login" and (who is None or PASSWORDS[who] != ask["password"]):
            return self.answer(401, {})
        if who is None:
            return self.answer(404, {})
        if operation == "change_password":
            PASSWORDS[who] = ask["password"]
        if operation == "delete":
            del PEOPLE[who]
            return self.answer(200, {})
        return self.answer(200, PEOPLE[who])

    def answer(self, status, fields):
        body = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Endpoint).serve_forever()
