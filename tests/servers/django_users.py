"""Django's own `auth_user` table in a database, with people whose passwords Django has hashed.

python django_users.py '{"ENGINE": "django.db.backends.sqlite3", "NAME": "/…/db.sqlite3"}'
"""

import json
import sys

import pymysql

# The version that Django asks of the driver that this one stands in for.
pymysql.version_info = (2, 2, 1, "final", 0)
pymysql.install_as_MySQLdb()

import django
from django.conf import settings

HASHERS = ["PBKDF2PasswordHasher", "PBKDF2SHA1PasswordHasher", "Argon2PasswordHasher",
           "BCryptSHA256PasswordHasher", "ScryptPasswordHasher"]

settings.configure(
    DATABASES={"default": json.loads(sys.argv[1])},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}" for name in HASHERS],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.core.management import call_command

if len(sys.argv) > 2:
    # Whether Django takes this name and password.
    print(authenticate(username=sys.argv[2], password=sys.argv[3]) is not None)
    sys.exit()

call_command("migrate", verbosity=0)
staff = Group.objects.create(name="staff")
for name, hasher in [("alice", "pbkdf2_sha256"), ("bob", "pbkdf2_sha1"), ("carol", "argon2"),
                     ("dora", "bcrypt_sha256"), ("Erik", "scrypt")]:
    user = User.objects.create(
        username=name, email=f"{name}@Example.com", first_name=name.title(), last_name="Ng",
        password=make_password(f"{name}-secret", hasher=hasher))
    user.groups.add(staff)
User.objects.create(username="frank", password=make_password("frank-secret"), is_active=False)
User.objects.create(username="gina", password=make_password(None))
User.objects.create(username="hugo", password="pbkdf2_sha256$damaged")
for twin in ("twin1", "twin2"):
    User.objects.create(username=twin, email="twins@example.com",
                        password=make_password("twin-secret"))
print(User.objects.count())
