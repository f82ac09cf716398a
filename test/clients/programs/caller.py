"""Calls the broker in each way that Python knows. Arguments: the listener's port, that with h2c, that with TLS, a file with its CA.

One line for each call: its name, the status, and the body or what went wrong.
"""

import base64
import http.client
import sys
import urllib.error
import urllib.request

BODY = bytes(300_000)
PLAIN, _, TLS, CA = sys.argv[1:5]
URL = f"http://127.0.0.1:{PLAIN}/api/"
PROXIED = "http://orders.acme.example/v1"
BASIC = "Basic " + base64.b64encode(b"billing:secret").decode()


def pieces():
    for at in range(0, len(BODY), 50_000):
        yield BODY[at : at + 50_000]


def say(name, call):
    try:
        status, body = call()
        print(f"{name}: {status} {body if status == 200 else ''}")
    except Exception as error:  # Whatever it is, the test shows it.
        print(f"{name}: {error!r}")


def opened(opener, request):
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def with_urllib():
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, URL, "billing", "secret")
    asked = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    say("urllib, asked", lambda: opened(asked, URL))
    say("urllib, asked, POST", lambda: opened(asked, urllib.request.Request(URL, data=BODY)))
    proxy = urllib.request.build_opener(urllib.request.ProxyHandler({"http": f"http://billing:secret@127.0.0.1:{PLAIN}"}))
    say("urllib, proxy", lambda: opened(proxy, PROXIED))


def with_http_client():
    connection = http.client.HTTPConnection("127.0.0.1", int(PLAIN), timeout=10)

    def call(method, body=None, **options):
        connection.request(method, "/api/", body=body, headers={"Authorization": BASIC}, **options)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    say("http.client", lambda: call("GET"))
    say("http.client, chunked", lambda: call("POST", pieces(), encode_chunked=True))
    say("http.client, HEAD", lambda: call("HEAD"))


def with_requests():
    try:
        import requests
    except ImportError:
        print("requests: not installed")
        return
    session = requests.Session()
    session.auth = ("billing", "secret")

    def told(answer):
        return answer.status_code, answer.text

    say("requests", lambda: told(session.get(URL, timeout=10)))
    say("requests, POST", lambda: told(session.post(URL, data=BODY, timeout=10)))
    say("requests, of unknown length", lambda: told(session.post(URL, data=pieces(), timeout=10)))
    say("requests, file", lambda: told(session.post(URL, files={"file": ("name", BODY)}, timeout=10)))
    say("requests, TLS", lambda: told(session.get(f"https://localhost:{TLS}/api/", verify=CA, timeout=10)))
    say("requests, nobody", lambda: told(requests.post(URL, data=BODY, timeout=10)))
    proxies = {"http": f"http://billing:secret@127.0.0.1:{PLAIN}"}
    say("requests, proxy", lambda: told(requests.get(PROXIED, proxies=proxies, timeout=10)))


with_urllib()
with_http_client()
with_requests()
