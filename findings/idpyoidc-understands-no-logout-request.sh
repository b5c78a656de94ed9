#!/bin/sh
# idpyoidc, a certified OpenID library of Python, as a provider: its end-session endpoint understands no logout request.
#
# Expected         the endpoint takes a request with or without parameters, all of which are optional (RP-Initiated Logout 1.0, section 2), and asks the
#                  person, or redirects.
# What happens     every request ends in a `KeyError`, also one without any parameter. Whoever sends it is taken for a client that has authenticated
#                  itself (by the method "none"), and the token by which such a client proves itself is looked for in vain. If the endpoint is allowed
#                  another method only, every request is an authorization that failed: browsers send no client's secret.
# Who is affected  operators of providers made of this library: people who sign out at an application stay signed in at the provider, on an error page.
#                  Authors of relying parties, who look for the fault in their own parameters.
#
# It needs Python 3 with pip, and access to its registry. It prints packages, versions and the verdicts, and fails when they change.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check idpyoidc==5.0.0 cryptojwt==1.11.0

cat >verdicts.py <<'PYTHON'
from importlib.metadata import version

from idpyoidc.server import Server

ISSUER, CLIENT, HOME = "https://op.example", "app", "https://app.example/"
SIGNING = [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}]
TOKENS = [{"type": "oct", "bytes": 24, "use": ["enc"], "kid": kid} for kid in ("code", "refresh")]


def verdict(request, **methods):
    session = {"logout_verify_url": f"{ISSUER}/verify_logout", "post_logout_uri_path": "post_logout", "signing_alg": "ES256", **methods}
    server = Server(
        {
            "issuer": ISSUER,
            "key_conf": {"key_defs": SIGNING, "uri_path": "jwks"},
            "endpoint": {"session": {"path": "session", "class": "idpyoidc.server.oidc.session.Session", "kwargs": session}},
            "token_handler_args": {"jwks_def": {"read_only": False, "key_defs": TOKENS}},
        }
    )
    client = {"client_id": CLIENT, "redirect_uris": [(f"{HOME}callback", "")], "post_logout_redirect_uri": [(HOME, "")]}
    server.get_context().cdb[CLIENT] = client
    try:
        answer = server.get_endpoint("session").parse_request(request)
        return "an error: " + answer["error"] if "error" in answer else "understood"
    except Exception as error:
        return f"{type(error).__name__} {error}"


print("idpyoidc", version("idpyoidc"), "cryptojwt", version("cryptojwt"))
print("no parameter:", verdict({}))
print("post_logout_redirect_uri:", verdict({"post_logout_redirect_uri": HOME}))
print("client_id and post_logout_redirect_uri:", verdict({"client_id": CLIENT, "post_logout_redirect_uri": HOME}))
print("no parameter, methods [client_secret_basic]:", verdict({}, client_authn_method=["client_secret_basic"]))
PYTHON
venv/bin/python verdicts.py 2>/dev/null | tee seen

cat >expected <<'SEEN'
idpyoidc 5.0.0 cryptojwt 1.11.0
no parameter: KeyError 'token'
post_logout_redirect_uri: KeyError 'token'
client_id and post_logout_redirect_uri: KeyError 'token'
no parameter, methods [client_secret_basic]: UnAuthorizedClient Authorization failed
SEEN
cmp -s seen expected || { echo "this has changed"; exit 1; }
