"""A provider made of idpyoidc: two people, their groups and one client.

The library has no server of its own. This one passes requests to the library's endpoints, and answers the library's exceptions as the example server of its
authors does: whatever is wrong with a request is 400 `invalid_request`.
"""

import json
import os
from html import escape
from urllib.parse import parse_qsl
from wsgiref.util import request_uri

from driver import read_settings, serve
from idpyoidc.message.oauth2 import ResponseMessage
from idpyoidc.message.oidc import AccessTokenRequest, AuthorizationRequest
from idpyoidc.server import Server
from idpyoidc.server.exception import FailedAuthentication
from idpyoidc.server.oidc.token import Token
from idpyoidc.server.util import JSONDictDB

settings = read_settings()
os.chdir(settings["folder"])

PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:InternetProtocolPassword"
TO_CLIENTS = {"client_authn_method": ["client_secret_basic", "client_secret_post"]}
TO_PEOPLE = {"client_authn_method": None}
ENDPOINTS = {
    "provider_config": (".well-known/openid-configuration", "oidc.provider_config.ProviderConfiguration", TO_PEOPLE),
    "authorization": ("authorization", "oidc.authorization.Authorization", {**TO_PEOPLE, "response_types_supported": ["code"]}),
    "token": ("token", "oidc.token.Token", TO_CLIENTS),
    "userinfo": ("userinfo", "oidc.userinfo.UserInfo", {"add_claims_by_scope": True}),
    "introspection": ("introspection", "oauth2.introspection.Introspection", TO_CLIENTS),
    "session": (
        "session",
        "oidc.session.Session",
        {"logout_verify_url": f"{settings['issuer']}/verify_logout", "post_logout_uri_path": "post_logout", "signing_alg": "ES256"},
    ),
}


def a_key(kind, use, **more):
    return {"type": kind, "use": [use], **more}


PEOPLE = {
    login: {"name": person["name"], "preferred_username": login, "email": person["email"], "groups": person["groups"]}
    for login, person in settings["people"].items()
}
with open("passwords.json", "w") as file:
    json.dump({login: person["password"] for login, person in settings["people"].items()}, file)
os.mkdir("templates")
with open("templates/user_pass.jinja2", "w") as file:
    file.write(
        '<form method="post" action="/{{ action }}"><input type="hidden" name="token" value="{{ token }}">'
        '<input name="username"><input type="password" name="password"><button>Sign in</button></form>'
    )

server = Server(
    {
        "issuer": settings["issuer"],
        "base_url": settings["issuer"],
        "key_conf": {"key_defs": [a_key("RSA", "sig"), a_key("EC", "sig", crv="P-256")], "uri_path": "jwks"},
        "httpc_params": {"verify": False},
        "template_dir": "templates",
        "cookie_handler": {
            "class": "idpyoidc.server.cookie_handler.CookieHandler",
            "kwargs": {
                "keys": {"key_defs": [a_key("OCT", "enc", kid="enc"), a_key("OCT", "sig", kid="sig")], "read_only": False},
                "name": {"session": "oidc_op", "register": "oidc_op_rp", "session_management": "sman"},
            },
        },
        "add_on": {"pkce": {"function": "idpyoidc.server.oauth2.add_on.pkce.add_support", "kwargs": {"essential": True, "code_challenge_method": "S256"}}},
        "endpoint": {
            name: {"path": path, "class": f"idpyoidc.server.{kind}", "kwargs": more} for name, (path, kind, more) in ENDPOINTS.items()
        },
        "scopes_to_claims": {
            "openid": ["sub"],
            "profile": ["name", "preferred_username"],
            "email": ["email"],
            "groups": ["groups"],
            "offline_access": [],
        },
        "authentication": {
            "user": {
                "acr": PASSWORD,
                "class": "idpyoidc.server.user_authn.user.UserPassJinja2",
                "kwargs": {
                    "verify_endpoint": "verify/user",
                    "template": "user_pass.jinja2",
                    "db": {"class": JSONDictDB, "kwargs": {"filename": "passwords.json"}},
                },
            }
        },
        "authz": {
            "class": "idpyoidc.server.authz.AuthzHandling",
            "kwargs": {
                "grant_config": {
                    "usage_rules": {
                        "authorization_code": {"supports_minting": ["access_token", "refresh_token", "id_token"], "max_usage": 1, "expires_in": 120},
                        "access_token": {"expires_in": settings["lifetime"]},
                        "refresh_token": {"supports_minting": ["access_token", "refresh_token", "id_token"], "expires_in": 86400},
                    },
                    "expires_in": 86400,
                }
            },
        },
        "token_handler_args": {
            "jwks_def": {"private_path": "token_keys.json", "read_only": False, "key_defs": [a_key("oct", "enc", kid=kid, bytes=24) for kid in ("code", "refresh")]},
            "code": {"kwargs": {"lifetime": 120}},
            "token": {
                "class": "idpyoidc.server.token.jwt_token.JWTToken",
                "kwargs": {"lifetime": settings["lifetime"], "add_claims_by_scope": True, "aud": [settings["client_id"]]},
            },
            "refresh": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": {"lifetime": 86400}},
            "id_token": {"class": "idpyoidc.server.token.id_token.IDToken", "kwargs": {"add_claims_by_scope": True}},
        },
        "userinfo": {"class": "idpyoidc.server.user_info.UserInfo", "kwargs": {"db": PEOPLE}},
    },
)
context = server.get_context()
context.cdb[settings["client_id"]] = {
    "client_id": settings["client_id"],
    "client_secret": settings["client_secret"],
    "redirect_uris": [(uri, "") for uri in settings["redirect_uris"]],
    "post_logout_redirect_uri": [(uri, "") for uri in settings["post_logout_redirect_uris"]],
    "token_endpoint_auth_method": "client_secret_basic",
    "response_types_supported": ["code"],
    "allowed_scopes": ["openid", "profile", "email", "groups", "offline_access"],
}
# The secret is also a key: with it the library would verify tokens that are signed by HMAC.
server.keyjar.add_symmetric(settings["client_id"], settings["client_secret"])

PATHS = {f"/{path}": name for name, (path, _, _) in ENDPOINTS.items()}


class Answer:
    def __init__(self, status, body, headers=()):
        self.status, self.body, self.headers = status, body, list(headers)


def refusal(error, description):
    return Answer("400 Bad Request", json.dumps({"error": error, "error_description": description}), [("content-type", "application/json")])


def page(body):
    return Answer("200 OK", body, [("content-type", "text/html; charset=utf-8")])


def redirection(address, headers=()):
    return Answer("302 Found", "", [("location", address), *headers])


def cookie(spec):
    age = f"; Max-Age={spec['max-age']}" if "max-age" in spec else ""
    return ("set-cookie", f"{spec['name']}={spec['value']}{age}; Path=/; HttpOnly; SameSite=Lax")


def of_endpoint(endpoint, request, arguments):
    """What an endpoint says by these arguments, as an HTTP answer."""
    if "redirect_location" in arguments:
        return redirection(arguments["redirect_location"])
    if "http_response" in arguments:
        return page(arguments["http_response"])
    info = endpoint.do_response(request=request, **arguments)
    headers = [*info["http_headers"], *(cookie(spec) for spec in info.get("cookie", []))]
    if info.get("response_placement", endpoint.response_placement) == "body":
        failed = "error" in arguments
        return Answer(f"{info.get('response_code', 400 if failed else 200)} {'Bad Request' if failed else 'OK'}", info["response"], headers)
    return redirection(info["response"], headers)


def ask(name, parameters, http_info):
    endpoint = server.get_endpoint(name)
    try:
        request = endpoint.parse_request(parameters, http_info=http_info)
        if isinstance(request, ResponseMessage) and "error" in request:
            return Answer("400 Bad Request", request.to_json(), [("content-type", "application/json")])
        arguments = endpoint.process_request(AccessTokenRequest(**request) if isinstance(endpoint, Token) else request, http_info=http_info)
        return of_endpoint(endpoint, request, arguments)
    except Exception as error:
        return refusal("invalid_request", str(error))


def sign_in(parameters):
    method = context.authn_broker.get_method_by_id("user")
    try:
        login = method.verify(**parameters)
    except FailedAuthentication as error:
        return Answer("403 Forbidden", escape(str(error)), [("content-type", "text/html")])
    begun = method.unpack_token(parameters["token"])
    request = AuthorizationRequest().from_urlencoded(begun["query"])
    endpoint = server.get_endpoint("authorization")
    session = endpoint.create_session(request, login, begun["authn_class_ref"], begun["iat"], method)
    return of_endpoint(endpoint, request, endpoint.authz_part2(request=request, session_id=session))


def sign_out(parameters):
    endpoint = server.get_endpoint("session")
    asked = endpoint.unpack_signed_jwt(parameters["sjwt"])
    endpoint.do_verified_logout(alla=True, **asked)
    return redirection(asked["redirect_uri"], [cookie(spec) for spec in endpoint.kill_cookies()])


def respond(environ):
    path, query = environ["PATH_INFO"], dict(parse_qsl(environ.get("QUERY_STRING", "")))
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    parameters = query if environ["REQUEST_METHOD"] == "GET" else dict(parse_qsl(body))
    cookies = [pair.split("=", 1) for pair in environ.get("HTTP_COOKIE", "").split("; ") if pair]
    http_info = {
        "headers": {"authorization": environ["HTTP_AUTHORIZATION"]} if "HTTP_AUTHORIZATION" in environ else {},
        "method": environ["REQUEST_METHOD"],
        "url": request_uri(environ),
        "cookie": [{"name": name, "value": value} for name, value in cookies],
    }
    if path == "/jwks":
        return Answer("200 OK", server.keyjar.export_jwks_as_json(), [("content-type", "application/json")])
    if path == "/verify/user":
        return sign_in(parameters)
    if path == "/verify_logout":
        return page(f'<form method="post" action="/rp_logout"><input type="hidden" name="sjwt" value="{escape(query["sjwt"])}"><button>Sign out</button></form>')
    if path == "/rp_logout":
        return sign_out(parameters)
    if path in PATHS:
        return ask(PATHS[path], parameters, http_info)
    return Answer("404 Not Found", "", [])


def application(environ, start_response):
    answer = respond(environ)
    body = answer.body.encode()
    start_response(answer.status, [*answer.headers, ("content-length", str(len(body)))])
    return [body]


serve(application, settings["port"])
