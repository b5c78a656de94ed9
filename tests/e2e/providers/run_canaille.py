"""Canaille with SQLite: two people, their groups and one client. (Its memory backend finds an authorization code by any of its fields, and so mixes codes up.)"""

from driver import read_settings, serve

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend

settings = read_settings()
application = create_app(
    {
        "SECRET_KEY": settings["random"],
        "SERVER_NAME": f"127.0.0.1:{settings['port']}",
        "PREFERRED_URL_SCHEME": "http",
        "OAUTH2_TOKEN_EXPIRES_IN": {grant: settings["lifetime"] for grant in ("authorization_code", "refresh_token")},
        "CANAILLE": {"DATABASE": "sql", "JAVASCRIPT": False, "CAPTCHA_ENABLED": False, "SMTP": None},
        "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{settings['folder']}/canaille.sqlite"},
        # Without a trusted domain, each client needs a person's consent.
        "CANAILLE_OIDC": {"TRUSTED_DOMAINS": []},
    }
)


def fill():
    people = {}
    for login, person in settings["people"].items():
        given, family = person["name"].split(" ")
        people[login] = models.User(
            user_name=login, formatted_name=person["name"], given_name=given, family_name=family, display_name=login,
            emails=[person["email"]], password=person["password"],
        )
        Backend.instance.save(people[login])
    for group in sorted({group for person in settings["people"].values() for group in person["groups"]}):
        members = [people[login] for login, person in settings["people"].items() if group in person["groups"]]
        Backend.instance.save(models.Group(display_name=group, members=members))
    client = models.Client(
        client_id=settings["client_id"], client_secret=settings["client_secret"], client_name="The gateway",
        client_uri="http://gateway.example", redirect_uris=settings["redirect_uris"], post_logout_redirect_uris=settings["post_logout_redirect_uris"],
        grant_types=["authorization_code", "refresh_token"], response_types=["code"], token_endpoint_auth_method="client_secret_basic",
        scope=["openid", "profile", "email", "groups"],
    )
    Backend.instance.save(client)
    client.audience = [client]
    Backend.instance.save(client)


with application.app_context(), Backend.instance.session():
    fill()
serve(application, settings["port"])
