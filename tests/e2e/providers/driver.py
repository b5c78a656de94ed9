"""What the providers in Python share: the settings that a test gives them, and how they are served.

A driver reads one line of JSON from its standard input. It ends when that input is closed, which also happens if the tests are killed. It listens on
the loopback interface only, and keeps what it must keep in the folder that the settings name.
"""

import json
import os
import sys
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


def read_settings():
    return json.loads(sys.stdin.readline())


def serve(application, port):
    """Serves a WSGI application until the tests end."""
    server = make_server("127.0.0.1", port, application, server_class=Server, handler_class=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    # The name of a client's address is not looked up, and requests are not logged.
    def address_string(self):
        return self.client_address[0]

    def log_request(self, *_):
        pass
