#!/bin/sh
# idpyoidc, a certified OpenID library of Python, as a relying party: no authorization response (implicit or hybrid flow) whose ID token is signed
# with EdDSA is accepted.
#
# Expected         an ID token signed by an Ed25519 key is accepted if its `at_hash` is made with SHA-512, which Ed25519 uses itself and most
#                  libraries take; perhaps another hash is expected, because OpenID Connect Core names none for EdDSA.
# What happens     it is refused with either hash. The name of the hash is taken from the last three letters of `alg`: `DSA` is no hash, so that
#                  nothing compares as equal. ES256 works.
# Who is affected  operators who let a provider sign with EdDSA for all its clients: those that use this library and these flows sign nobody in any
#                  more. (Of a token response, the library compares no hash unless it is asked to.)
#                  Authors of providers, who hear "Failed to verify access_token hash" and look for the fault in their own `at_hash`.
#
# It needs Python 3 with pip, and access to its registry. It prints packages, versions and the verdicts, and fails when they change.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check idpyoidc==5.0.0 cryptojwt==1.11.0

cat >verdicts.py <<'PYTHON'
import base64, hashlib, json, time
from importlib.metadata import version

from cryptojwt import KeyJar
from cryptojwt.jwk.ec import new_ec_key
from cryptojwt.jwk.okp import new_okp_key
from cryptojwt.jws.jws import JWS
from idpyoidc.message.oidc import AuthorizationResponse

ISSUER, CLIENT, ACCESS_TOKEN = "https://op.example", "app", "an access token"
okp, ec = new_okp_key("Ed25519", kid="okp"), new_ec_key("P-256", kid="ec")
published = KeyJar()
published.import_jwks({"keys": [okp.serialize(), ec.serialize()]}, ISSUER)


def half(hash):
    digest = hash(ACCESS_TOKEN.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def verdict(key, alg, at_hash):
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "alice", "aud": [CLIENT], "exp": now + 300, "iat": now, "at_hash": at_hash}
    id_token = JWS(json.dumps(claims), alg=alg).sign_compact([key])
    answer = AuthorizationResponse(access_token=ACCESS_TOKEN, token_type="Bearer", id_token=id_token)
    try:
        answer.verify(keyjar=published, iss=ISSUER, client_id=CLIENT, sigalg=alg)
        return "accepted"
    except Exception as error:
        return type(error).__name__


print("idpyoidc", version("idpyoidc"), "cryptojwt", version("cryptojwt"))
print("ES256, at_hash by SHA-256:", verdict(ec, "ES256", half(hashlib.sha256)))
print("EdDSA, at_hash by SHA-512:", verdict(okp, "EdDSA", half(hashlib.sha512)))
print("EdDSA, at_hash by SHA-256:", verdict(okp, "EdDSA", half(hashlib.sha256)))
PYTHON
venv/bin/python verdicts.py 2>/dev/null | tee seen

cat >expected <<'SEEN'
idpyoidc 5.0.0 cryptojwt 1.11.0
ES256, at_hash by SHA-256: accepted
EdDSA, at_hash by SHA-512: AtHashError
EdDSA, at_hash by SHA-256: AtHashError
SEEN
cmp -s seen expected || { echo "this has changed"; exit 1; }
