"""Sign-in by mail as the guessing of codes needs it.

guesses.py open ORIGIN COUNT FILE: so many browsers, each of a network of its own, ask for a message to
ann; one line of FILE for each, with what it sends besides the code. Says how many messages were sent for.
guesses.py honest ORIGIN OUTBOX JAR: ann signs in with the code of her mail. JAR keeps her browser.
guesses.py ask ORIGIN OUTBOX JAR, and later link ORIGIN JAR: ann asks in a browser that nobody knows, and
signs in with the link.
"""

import glob
import http.cookiejar
import os
import quopri
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser

ADDRESS = "ann@example.com"


class Forms(HTMLParser):
    def __init__(self):
        super().__init__()
        self.forms = []

    def handle_starttag(self, tag, attributes):
        held = dict(attributes)
        if tag == "form":
            self.forms.append((held.get("action"), {}))
        elif tag == "input" and self.forms and held.get("name"):
            self.forms[-1][1][held["name"]] = held.get("value", "")


class Browser:
    def __init__(self, origin, network, jar=None):
        self.origin, self.network = origin, network
        self.jar = http.cookiejar.MozillaCookieJar(jar)
        if jar and os.path.exists(jar):
            self.jar.load(ignore_discard=True)
        cookies = urllib.request.HTTPCookieProcessor(self.jar)
        self.opener = urllib.request.build_opener(cookies)

    def ask(self, path, fields=None):
        data = urllib.parse.urlencode(fields).encode() if fields is not None else None
        request = urllib.request.Request(urllib.parse.urljoin(self.origin, path), data)
        for name, value in {
            "Accept": "text/html", "Origin": self.origin, "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "navigate", "X-Forwarded-For": self.network,
        }.items():
            request.add_header(name, value)
        try:
            answer = self.opener.open(request)
        except urllib.error.HTTPError as refused:
            answer = refused
        text, forms = answer.read().decode(), Forms()
        forms.feed(text)
        return text, forms.forms

    def submit(self, forms, field, value):
        action, fields = next(form for form in forms if field in form[1])
        return self.ask(action, {**fields, field: value})

    def ask_for_code(self):
        _, forms = self.ask("/x")
        return self.submit(forms, "login", ADDRESS)

    def is_in(self):
        return '"user":{' in self.ask("/.auth/me")[0].replace(" ", "")


def mail(outbox, before):
    """The newest one, when there are more than `before`."""
    for _ in range(200):
        files = sorted(glob.glob(f"{outbox}/*"), key=os.path.getmtime)
        if len(files) > before:
            with open(files[-1], "rb") as file:
                return quopri.decodestring(file.read()).decode()
        time.sleep(0.05)
    sys.exit("no mail came")


def count(outbox):
    return len(glob.glob(f"{outbox}/*"))


def open_all(origin, many, file):
    asked = 0
    with open(file, "w") as out:
        for number in range(int(many)):
            browser = Browser(origin, f"198.{18 + number // 250}.{number % 250}.9")
            text, forms = browser.ask_for_code()
            waits = [form for form in forms if "code" in form[1]]
            if not waits:
                continue  # no message any more
            asked += 1
            action, fields = waits[0]
            cookies = "; ".join(f"{one.name}={one.value}" for one in browser.jar)
            del fields["code"]
            out.write("\t".join([action, urllib.parse.urlencode(fields), cookies, browser.network]) + "\n")
    print(asked)


def honest(origin, outbox, jar):
    ann, before = Browser(origin, "192.0.2.7", jar), count(outbox)
    _, forms = ann.ask_for_code()
    code = re.search(r"^ {4}(\d{6})\s*$", mail(outbox, before), re.M)[1]
    ann.submit(forms, "code", code)
    if not ann.is_in():
        sys.exit("ann is not signed in")
    ann.ask("/.auth/logout")
    ann.jar.save(ignore_discard=True)
    print("signed in with the code, in a browser that is known")


def ask(origin, outbox, jar):
    other, before = Browser(origin, "203.0.113.5", jar), count(outbox)
    other.ask_for_code()
    token = re.search(r"/\.auth/code\?token=([\w-]+)", mail(outbox, before))[1]
    other.jar.save(ignore_discard=True)
    with open(f"{jar}.token", "w") as file:
        file.write(token)


def link(origin, jar):
    other = Browser(origin, "203.0.113.5", jar)
    with open(f"{jar}.token") as file:
        token = file.read()
    _, forms = other.ask(f"/.auth/code?token={token}")
    other.submit(forms, "token", token)
    if not other.is_in():
        sys.exit("the link does not sign in")
    print("signed in with the link, in a browser that nobody knows")


{"open": open_all, "honest": honest, "ask": ask, "link": link}[sys.argv[1]](*sys.argv[2:])
