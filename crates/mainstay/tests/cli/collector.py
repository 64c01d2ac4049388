"""A collector of OpenTelemetry, made of the protocol's own definitions: `collector.py grpc|http FAILURES PORT [CERTIFICATES]`.

It listens on PORT, or on any if that is 0, with TLS if there is a directory of certificates. It prints its port, and then
each message that it takes as a line of JSON. The first FAILURES requests are answered as a collector that is overloaded
answers, and one whose header `x-unwanted` is `yes`, or names its signal, as a collector that never wants it.
"""

import json
import pathlib
import ssl
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

failures = int(sys.argv[2])
port = int(sys.argv[3])
certificates = pathlib.Path(sys.argv[4]) if len(sys.argv) > 4 else None
lock = threading.Lock()


def fails():
    global failures
    with lock:
        failures -= 1
        return failures >= 0


def unwanted(signal, headers):
    return headers.get("x-unwanted") in ("yes", signal)


def take(signal, headers, message):
    line = {"signal": signal, "headers": headers, "message": MessageToDict(message)}
    with lock:
        print(json.dumps(line), flush=True)


def export(signal, response):
    def answer(request, context):
        headers = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        if unwanted(signal, headers):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "unwanted")
        if fails():
            context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        take(signal, headers, request)
        return response

    return answer


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        return export("traces", trace_service_pb2.ExportTraceServiceResponse())(request, context)


class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def Export(self, request, context):
        return export("metrics", metrics_service_pb2.ExportMetricsServiceResponse())(request, context)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        kind = {
            "/v1/traces": ("traces", trace_service_pb2.ExportTraceServiceRequest),
            "/v1/metrics": ("metrics", metrics_service_pb2.ExportMetricsServiceRequest),
        }.get(self.path)
        if kind is None or headers.get("content-type") != "application/x-protobuf":
            status = 404
        elif unwanted(kind[0], headers):
            status = 403
        elif fails():
            status = 503
        else:
            signal, message = kind
            take(signal, headers, message.FromString(body))
            status = 200
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


if sys.argv[1] == "grpc":
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
    address = f"127.0.0.1:{port}"
    if certificates:
        pair = [(certificates / name).read_bytes() for name in ("server-key.pem", "server.pem")]
        print(server.add_secure_port(address, grpc.ssl_server_credentials([pair])), flush=True)
    else:
        print(server.add_insecure_port(address), flush=True)
    server.start()
    server.wait_for_termination()
else:
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if certificates:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()
