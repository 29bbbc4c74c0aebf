"""Holds a running server against its own description: `python run.py URL KEY SCHEMATHESIS`.

Makes a few things first, so that more than refusals is seen, and runs Schemathesis twice: over everything but what deletes
all of something, then over that.
"""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

url, key, schemathesis = sys.argv[1:]
here = Path(__file__).parent

# These delete whatever is meant, which may be all there is.
ALL_AT_ONCE = "^delete_api_v1_(datasets|chats|datasets_dataset_documents|datasets_dataset_documents_document_chunks|chats_chat_sessions)$"
# It does not end by itself.
ENDLESS = "/api/v2/ingest/events"


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(url + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def ragflow(method, path, body=None):
    answer = call(method, "/api/v1" + path, body)
    assert answer["code"] == 0, answer
    return answer["data"]


dataset = call("GET", "/api/v2/datasets/default")["id"]
document = call("GET", "/api/v2/datasets/default/documents")["documents"][0]["id"]
turn = call("POST", "/api/v2/dialogs/default/turns", {"question": "What is a dialog?", "stream": False})
chunk = ragflow("GET", f"/datasets/{dataset}/documents/{document}/chunks")["chunks"][0]["id"]
chat = ragflow("POST", "/chats", {"name": "Contract", "dataset_ids": [dataset]})["id"]
said = ragflow("POST", f"/chats/{chat}/completions", {"question": "What is a dialog?", "stream": False})

things = {
    "KEY": key,
    "DATASET": dataset,
    "DOCUMENT": document,
    "SESSION": turn["session"],
    "TURN": turn["id"],
    "CHUNK": chunk,
    "CHAT": chat,
    "CHAT_SESSION": said["session_id"],
    "MESSAGE": said["id"],
}
environment = os.environ | {f"CONTRACT_{name}": value for name, value in things.items()}
common = [schemathesis, "--config-file", here / "schemathesis.toml", "run", f"{url}/openapi.json", "--no-color"]
everything_else = ["--exclude-operation-id-regex", ALL_AT_ONCE, "--exclude-path", ENDLESS]
codes = [
    subprocess.run([*common, *chosen], env=environment, check=False).returncode
    for chosen in (everything_else, ["--include-operation-id-regex", ALL_AT_ONCE])
]
sys.exit(max(codes))
