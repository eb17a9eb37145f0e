"""Writes users as Auth0's bulk import takes them, a JSON array on standard output.

auth0_users.py MANY: ten bcrypt hashes are shared by all; nothing is hashed when they are imported."""

import json
import sys

LETTERS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def user(number):
    salt = "".join(LETTERS[(number % 10 * 7 + at * 5) % 64] for at in range(21)) + "u"
    digest = "".join(LETTERS[(number % 10 * 11 + at * 3) % 64] for at in range(30)) + "y"
    return {
        "user_id": f"auth0|{number:024x}",
        "email": f"person-{number}@example.com",
        "email_verified": number % 3 > 0,
        "username": f"person-{number}",
        "name": f"Person {number}",
        "given_name": "Person",
        "family_name": str(number),
        "password_hash": f"$2b$10${salt}{digest}",
        "app_metadata": {"plan": ["free", "team"][number % 2]},
        "user_metadata": {"theme": "dark"},
    }


def main():
    many = int(sys.argv[1])
    write = sys.stdout.write
    write("[\n")
    for number in range(many):
        write(json.dumps(user(number)))
        write(",\n" if number + 1 < many else "\n")
    write("]\n")


main()
