"""Prints every event that a client of server-sent events dispatches, a line of JSON each."""

import json
import sys

import httpx


def httpx_sse(url, headers):
    from httpx_sse import connect_sse

    with httpx.Client() as client, connect_sse(client, "GET", url, headers=headers) as source:
        source.response.raise_for_status()
        for event in source.iter_sse():
            yield event.event, event.id, event.data


def sseclient(url, headers):
    from sseclient import SSEClient

    headers = {"accept": "text/event-stream", **headers}
    with httpx.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        for event in SSEClient(response.iter_bytes()).events():
            yield event.event, event.id, event.data


def main(client, url, last_event_id):
    clients = {"httpx-sse": httpx_sse, "sseclient-py": sseclient}
    headers = {"last-event-id": last_event_id} if last_event_id else {}
    for event, id, data in clients[client](url, headers):
        print(json.dumps({"event": event, "id": id, "data": data}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
