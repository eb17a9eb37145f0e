"""Django as its manual says to put it behind a login proxy: RemoteUserMiddleware on X-Remote-User.

    DJANGO_DATA=/tmp/x gunicorn -k gthread --threads 8 -b 127.0.0.1:9451 app:application

/who tells what arrived, /sse?n=3 streams server-sent events, /admin/ is Django's own.
"""

import os
import time

import django
from django.conf import settings

APPS = ["admin", "auth", "contenttypes", "messages", "sessions"]
settings.configure(
    ALLOWED_HOSTS=["*"],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(os.environ["DJANGO_DATA"], "db.sqlite3"),
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[f"django.contrib.{app}" for app in APPS],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        __name__ + ".HeaderUser",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests on loopback, 50 characters or longer",
    STATIC_URL="/static/",
    TEMPLATES=[
        {
            "APP_DIRS": True,
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    USE_TZ=True,
)
django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.middleware import RemoteUserMiddleware  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


class HeaderUser(RemoteUserMiddleware):
    header = "HTTP_X_REMOTE_USER"


def who(request):
    return JsonResponse(
        {
            "body_len": len(request.body),
            "db_id": request.user.pk,
            "headers": dict(request.headers),
            "user": request.user.username,
        }
    )


def sse(request):
    def events():
        for number in range(int(request.GET.get("n", 3))):
            yield f"event: tick\ndata: {request.user.username} {number}\n\n"
            time.sleep(0.3)

    return StreamingHttpResponse(events(), content_type="text/event-stream")


urlpatterns = [path("who", who), path("sse", sse), path("admin/", admin.site.urls)]
call_command("migrate", verbosity=0)
application = get_wsgi_application()
