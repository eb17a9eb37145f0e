"""Django with django-oauth-toolkit: an OpenID Provider that is not Node, and a plain OAuth 2.0 server.

    DJANGO_PROVIDER='{"port": 9452, "data": "/tmp/x", "clients": [...], "accounts": {...}}' \
        gunicorn -k gthread --threads 8 -b 127.0.0.1:9452 provider:application

The issuer is http://django.localhost:PORT/o. `clients` have `client_id`, `client_secret`,
`redirect_uris`, and `plain: true` where they get no ID token. `accounts` are logins, each with its
`email` and `groups`; every password is `password`. `/api/me` is the profile of a plain OAuth 2.0
server, with a number for the person, and /api/emails is a list beside it.
"""

import json
import os

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

told = json.loads(os.environ["DJANGO_PROVIDER"])
issuer = f"http://django.localhost:{told['port']}/o"


def new_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


settings.configure(
    ALLOWED_HOSTS=["django.localhost", "127.0.0.1"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(told["data"], "db.sqlite3"),
            "OPTIONS": {"timeout": 20},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    LOGIN_URL="/login",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    OAUTH2_PROVIDER={
        "ALLOWED_SCHEMES": ["http"],
        "OAUTH2_VALIDATOR_CLASS": __name__ + ".Validator",
        "OIDC_ENABLED": True,
        "OIDC_ISS_ENDPOINT": issuer,
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
        "OIDC_RSA_PRIVATE_KEY": new_key(),
        "PKCE_REQUIRED": True,
        "ROTATE_REFRESH_TOKEN": True,
        "ACCESS_TOKEN_EXPIRE_SECONDS": told.get("access_token_ttl", 600),
        "SCOPES": {"openid": "who you are", "email": "your address", "profile": "your name", "read": "your profile"},
    },
    # a secret is checked at every call for a token, and its strength is not what is tested
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests on loopback, 50 characters or longer",
    TEMPLATES=[
        {
            "APP_DIRS": True,
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [os.path.join(os.path.dirname(__file__), "templates")],
        }
    ],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402
from oauth2_provider.oauth2_validators import OAuth2Validator  # noqa: E402
from oauth2_provider.views.generic import ScopedProtectedResourceView  # noqa: E402


class Validator(OAuth2Validator):
    """What an ID token and the userinfo endpoint say of a user, by scope."""

    oidc_claim_scope = {
        **OAuth2Validator.oidc_claim_scope,
        "groups": "profile",
    }

    def get_additional_claims(self, request):
        user = request.user
        return {
            # the primary key, as its manual says: a user may be renamed
            "sub": str(user.pk),
            "email": user.email,
            "email_verified": True,
            "groups": [group.name for group in user.groups.all()],
            "name": user.get_full_name(),
            "preferred_username": user.username,
        }


class Me(ScopedProtectedResourceView):
    """The profile of a server that knows no OpenID Connect: the person's number is the identity."""

    required_scopes = ["read"]

    def get(self, request):
        user = request.resource_owner
        return JsonResponse({"id": user.pk, "login": user.username, "name": user.get_full_name()})


class Emails(ScopedProtectedResourceView):
    """The person's addresses, of which one is the main one."""

    required_scopes = ["read"]

    def get(self, request):
        email = request.resource_owner.email
        addresses = [
            {"email": "old@example.org", "primary": False, "verified": True},
            {"email": email, "primary": True, "verified": True},
        ]
        return JsonResponse(addresses, safe=False)


def fill():
    """Writes the clients and the accounts of the settings."""
    call_command("migrate", verbosity=0)
    for login, said in told.get("accounts", {}).items():
        user = User.objects.create_user(login, said.get("email", f"{login}@example.org"), "password")
        user.first_name, user.last_name = "User", login
        user.save()
        for name in said.get("groups", []):
            user.groups.add(Group.objects.get_or_create(name=name)[0])
    for client in told["clients"]:
        Application.objects.create(
            algorithm="" if client.get("plain") else Application.RS256_ALGORITHM,
            authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
            client_id=client["client_id"],
            client_secret=client["client_secret"],
            client_type=Application.CLIENT_CONFIDENTIAL,
            post_logout_redirect_uris=" ".join(client.get("post_logout_redirect_uris", [])),
            redirect_uris=" ".join(client["redirect_uris"]),
            skip_authorization=True,
        )


urlpatterns = [
    path("login", LoginView.as_view(template_name="login.html")),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("api/me", Me.as_view()),
    path("api/emails", Emails.as_view()),
]

fill()
application = get_wsgi_application()
