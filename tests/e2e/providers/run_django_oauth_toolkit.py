"""A Django site with Django OAuth Toolkit: two people, their groups and one client. People sign in on Django's own login page."""

import sys

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings as of_django
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from driver import read_settings, serve

settings = read_settings()
# Django looks the names of classes and URLs up in modules, so this file is known as one.
sys.modules["site_of_the_test"] = sys.modules[__name__]


key = rsa.generate_private_key(65537, 2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
of_django.configure(
    SECRET_KEY=settings["random"],
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="site_of_the_test",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "context_processors": ["django.template.context_processors.request"],
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {"registration/login.html": '<form method="post">{% csrf_token %}{{ form }}<button>Sign in</button></form>'},
                    ),
                    "django.template.loaders.app_directories.Loader",
                ],
            },
        }
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{settings['folder']}/django.sqlite", "OPTIONS": {"timeout": 20}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    LOGIN_URL="/accounts/login/",
    # Only to be quick.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": key.decode(),
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "OAUTH2_VALIDATOR_CLASS": "site_of_the_test.Claims",
        "SCOPES": {"openid": "Who you are", "profile": "Your name", "email": "Your address", "groups": "Your groups"},
        "ACCESS_TOKEN_EXPIRE_SECONDS": settings["lifetime"],
    },
)
django.setup()

# These read the settings when they are imported.
from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from oauth2_provider.models import get_application_model  # noqa: E402
from oauth2_provider.oauth2_validators import OAuth2Validator  # noqa: E402


class Claims(OAuth2Validator):
    # Which scope lets a claim be sent: the toolkit knows those of OpenID Connect, and nothing about groups.
    oidc_claim_scope = OAuth2Validator.oidc_claim_scope | {"groups": "groups"}

    def get_additional_claims(self):
        return {
            "preferred_username": lambda request: request.user.username,
            "name": lambda request: request.user.get_full_name(),
            "email": lambda request: request.user.email,
            "groups": lambda request: sorted(group.name for group in request.user.groups.all()),
        }


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("accounts/", include("django.contrib.auth.urls")),
]


def fill():
    call_command("migrate", verbosity=0)
    for login, person in settings["people"].items():
        given, family = person["name"].split(" ")
        user = User.objects.create_user(login, person["email"], person["password"], first_name=given, last_name=family)
        user.groups.set([Group.objects.get_or_create(name=name)[0] for name in person["groups"]])
    application = get_application_model()
    application.objects.create(
        name="The gateway",
        client_id=settings["client_id"],
        client_secret=settings["client_secret"],
        client_type=application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=" ".join(settings["redirect_uris"]),
        post_logout_redirect_uris=" ".join(settings["post_logout_redirect_uris"]),
        algorithm=application.RS256_ALGORITHM,
    )


fill()
serve(get_wsgi_application(), settings["port"])
