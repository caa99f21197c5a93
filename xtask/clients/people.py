"""A person logs in to an application that was made with Authlib.

Reads one question, prints one line for each case. For https, REQUESTS_CA_BUNDLE names the authority's certificate.
"""

import json
import os
import re
import sys
import traceback
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken, UserInfo
from joserfc import jwt
from joserfc.jwk import KeySet

CALLBACK = "http://localhost:3000/callback"
HOME = "http://localhost:3000"
PATIENCE = 30

question = json.load(sys.stdin)
issuer, person = question["issuer"], question["person"]
if issuer.startswith("http:"):
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
metadata = requests.get(issuer + ".well-known/openid-configuration", timeout=PATIENCE).json()
assert metadata["issuer"] == issuer, metadata["issuer"]
visitor = requests.Session()
count = 0
# How many times a password was asked for.
logins = 0


def visit(address, end=CALLBACK):
    """Goes where an application sends it; returns the address at which the application hears the answer."""
    global logins
    answer = visitor.get(address, allow_redirects=False, timeout=PATIENCE)
    for _ in range(12):
        if "location" in answer.headers:
            address = urljoin(answer.url, answer.headers["location"])
            if address.startswith(end):
                return address
            answer = visitor.get(address, allow_redirects=False, timeout=PATIENCE)
            continue
        form = re.search(r'<form method="post" action="([^"]+)"', answer.text)
        if answer.status_code != 200 or not form:
            raise AssertionError(f"{urlsplit(answer.url).path} answers {answer.status_code}: {answer.text[-600:]}")
        fields = {"action": "accept"}
        if 'name="password"' in answer.text:
            logins += 1
            fields = {**person, "action": "default"}
        address = urljoin(answer.url, unescape(form[1]))
        answer = visitor.post(address, data=fields, allow_redirects=False, timeout=PATIENCE)
    raise AssertionError("the pages come to no end")


def session(client_id, secret, method):
    return OAuth2Session(
        client_id,
        secret,
        token_endpoint_auth_method=method,
        scope="openid profile email offline_access",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    )


def begin(application):
    verifier, nonce = generate_token(48), generate_token(20)
    address, state = application.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce, audience="api.calendar"
    )
    back = visit(address)
    # Authlib's client does not look at it (RFC 9207).
    assert parse_qs(urlsplit(back).query)["iss"] == [issuer], back
    return back, state, verifier, nonce


def exchange(application, back, state, verifier):
    return application.fetch_token(
        metadata["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier, timeout=PATIENCE
    )


def tokens(application):
    back, state, verifier, nonce = begin(application)
    token = exchange(application, back, state, verifier)
    # What Authlib's framework clients do with an ID token.
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=PATIENCE).json())
    algorithms = metadata["id_token_signing_alg_values_supported"]
    decoded = jwt.decode(token["id_token"], keys, algorithms=algorithms)
    parameters = {"nonce": nonce, "client_id": application.client_id, "access_token": token["access_token"]}
    claims = CodeIDToken(decoded.claims, decoded.header, {"iss": {"values": [issuer]}}, parameters)
    claims.validate(leeway=0)
    answer = application.get(metadata["userinfo_endpoint"], timeout=PATIENCE)
    answer.raise_for_status()
    userinfo = UserInfo(answer.json())
    assert userinfo.sub == claims["sub"], userinfo
    assert userinfo.email == person["username"] and userinfo.email_verified is True, userinfo
    renewed = application.refresh_token(metadata["token_endpoint"], timeout=PATIENCE)
    assert renewed["access_token"] != token["access_token"], "a new token"
    return back, state, verifier


def refused(application, back, state, verifier):
    refuses(lambda: exchange(application, back, state, verifier))


def refuses(ask):
    try:
        token = ask()
    except OAuthError as error:
        assert error.error == "invalid_grant", error
    else:
        raise AssertionError(f"got {sorted(token)}")


def case(name, run):
    global count
    count += 1
    line = {"name": name, "ok": True}
    try:
        run()
    except Exception:
        line = {"name": name, "ok": False, "why": traceback.format_exc()}
    print(json.dumps(line), flush=True)


def ends(application):
    """Ends what a login gave: the refresh token first, then the session of the browser."""
    tokens(application)
    id_token, refresh_token = application.token["id_token"], application.token["refresh_token"]
    parameters = {"token": refresh_token, "token_type_hint": "refresh_token", "timeout": PATIENCE}
    application.revoke_token(metadata["revocation_endpoint"], **parameters).raise_for_status()
    refuses(lambda: application.refresh_token(metadata["token_endpoint"], refresh_token, timeout=PATIENCE))
    fields = {"id_token_hint": id_token, "post_logout_redirect_uri": HOME, "state": "a state"}
    address = requests.Request("GET", metadata["end_session_endpoint"], params=fields).prepare().url
    before = logins
    assert parse_qs(urlsplit(visit(address, HOME)).query)["state"] == ["a state"]
    assert logins == before, "to log out takes no password"
    begin(application)
    assert logins == before + 1, "the session is over"


def public():
    return session("calendar-spa", None, "none")


def used_code():
    application = public()
    refused(application, *tokens(application))


def wrong_verifier():
    application = public()
    back, state, _, _ = begin(application)
    refused(application, back, state, generate_token(48))


case("a_public_client_gets_tokens_for_a_code", lambda: tokens(public()))
case("a_code_that_was_used_is_refused", used_code)
case("a_wrong_verifier_is_refused", wrong_verifier)
for method in ["client_secret_post", "client_secret_basic"]:
    case(
        f"a_confidential_client_gets_tokens_by_{method}",
        lambda method=method: tokens(session("calendar-web", question["secret"], method)),
    )
case("a_public_client_revokes_and_logs_out", lambda: ends(public()))
case(
    "a_confidential_client_revokes_and_logs_out",
    lambda: ends(session("calendar-web", question["secret"], "client_secret_basic")),
)
print(json.dumps({"done": count}))
