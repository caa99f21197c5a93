"""One question about a token, asked with PyJWT: a JSON object on standard input, a JSON object as the answer.

{"op": "token", "url", "encoding": "json" | "form", "fields"[, "ca_file"]} asks for a token.
{"op": "verify", "token", "issuer", "audience", "algorithms"[, "secret"][, "typ"][, "ca_file"]} finds the keys by
discovery and checks the token. A refusal is an answer; anything else that goes wrong ends the program.
"""

import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

import jwt


def context(question):
    return ssl.create_default_context(cafile=question["ca_file"]) if question.get("ca_file") else None


def fetch(request, question):
    with urllib.request.urlopen(request, timeout=30, context=context(question)) as answer:
        return answer.status, dict(answer.headers.items()), json.load(answer)


def token(question):
    if question["encoding"] == "json":
        body, kind = json.dumps(question["fields"]), "application/json"
    else:
        body, kind = urllib.parse.urlencode(question["fields"]), "application/x-www-form-urlencoded"
    request = urllib.request.Request(question["url"], body.encode(), {"Content-Type": kind})
    try:
        status, headers, answer = fetch(request, question)
    except urllib.error.HTTPError as error:
        status, headers, answer = error.code, dict(error.headers.items()), json.load(error)
    return {"status": status, "headers": {name.lower(): value for name, value in headers.items()}, "body": answer}


def verify(question):
    issuer = question["issuer"]
    _, _, metadata = fetch(issuer + ".well-known/openid-configuration", question)
    if metadata["issuer"] != issuer:
        raise SystemExit(f"discovery names the issuer {metadata['issuer']}, not {issuer}")
    try:
        if "secret" in question:
            key = question["secret"]
        else:
            keys = jwt.PyJWKClient(metadata["jwks_uri"], ssl_context=context(question))
            key = keys.get_signing_key_from_jwt(question["token"])
        decoded = jwt.decode_complete(
            question["token"],
            key,
            algorithms=question["algorithms"],
            audience=question["audience"],
            issuer=issuer,
            options={"require": ["iss", "sub", "aud", "iat", "exp"]},
        )
    except jwt.PyJWKClientConnectionError:
        raise
    except jwt.PyJWTError as error:
        return {"accepted": False, "error": type(error).__name__}
    if "typ" in question and decoded["header"].get("typ") != question["typ"]:
        return {"accepted": False, "error": "typ"}
    return {"accepted": True, "header": decoded["header"], "claims": decoded["payload"]}


question = json.load(sys.stdin)
json.dump({"token": token, "verify": verify}[question["op"]](question), sys.stdout)
