"""NDJSON, which schemathesis does not know: the schema describes each line, and each line is refused on its own."""

import json

import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection

NDJSON = "application/x-ndjson"


@schemathesis.serializer(NDJSON)
def lines(context, value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    values = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


@schemathesis.check
def invalid_data_is_refused(context, response, case):
    if case.media_type != NDJSON or response.status_code != 200:
        return negative_data_rejection(context, response, case)
    for line in response.content.splitlines():
        assert isinstance(json.loads(line), dict), line
