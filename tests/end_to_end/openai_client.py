"""Asks a running server with the official client, as a program of its users would.

Usage: openai_client.py http://127.0.0.1:PORT
"""

import json
import os
import sys
import urllib.request

import openai

url = sys.argv[1]
client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30)


def get(path):
    with urllib.request.urlopen(url + path, timeout=10) as reply:
        return reply.status, reply.read().decode()


def check(what, holds):
    print(("ok    " if holds else "FAILED"), what)
    if not holds:
        sys.exit(1)


check("healthz", get("/healthz")[0] == 200)
check("readyz", get("/readyz")[0] == 200)
check("the chat page", "<title>" in get("/")[1])

models = [model.id for model in client.models.list()]
check(f"models: {models}", {"dialog/default", "local/static", "local/extractive"} <= set(models))

question = [{"role": "user", "content": "Which port does the server listen on by default?"}]
answer = client.chat.completions.create(model="dialog/default", messages=question)
message = answer.choices[0].message
print("   ", message.content)
check("a whole answer names the port", "9380" in message.content)
annotations = message.model_extra.get("annotations") or message.annotations
citation = json.loads(json.dumps(annotations, default=lambda value: value.model_dump()))[0]
print("   ", json.dumps(citation))
cited = citation["file_citation"]
check("its citation is of a file", citation["type"] == "file_citation" and cited["filename"].endswith(".md"))
check("its quote names the port", "9380" in cited["quote"])
span = message.content[cited["start_index"] : cited["end_index"]]
check(f"its span of the answer does: {span!r}", "9380" in span)
check("no marker is left in the text", "[ID" not in message.content)

text, citations, finish, usage = "", [], None, None
stream = client.chat.completions.create(
    model="dialog/default", messages=question, stream=True, stream_options={"include_usage": True}
)
for chunk in stream:
    usage = chunk.usage or usage
    for choice in chunk.choices:
        text += choice.delta.content or ""
        citations += (choice.delta.model_extra or {}).get("annotations") or []
        finish = choice.finish_reason or finish
check("a streamed answer says the same", text == message.content)
check("with citations", len(citations) >= 1)
check("finish reason and usage", finish == "stop" and usage.completion_tokens > 0)

response = client.responses.create(model="dialog/default", input=question)
check("a response says the same", response.output_text == message.content)
cited = response.output[-1].content[0].annotations
check("with citations of files", len(cited) >= 1 and cited[0].type == "file_citation")
with client.responses.stream(model="dialog/default", input=question) as stream:
    text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    final = stream.get_final_response()
check("a streamed response, too", text == message.content == final.output_text)

first = client.responses.create(model="fake/chat", input="Which tea?", instructions="Be brief.")
second = client.responses.create(model="fake/chat", input="And why?", previous_response_id=first.id)
check("a response goes on from another", second.previous_response_id == first.id and second.store)
with client.responses.stream(model="fake/chat", input="Go on.", previous_response_id=second.id) as stream:
    third = stream.until_done().get_final_response()
check("a streamed one, too", third.status == "completed")
kept = client.responses.retrieve(third.id)
check("it can be read later", kept.output_text == third.output_text and kept.previous_response_id == second.id)
items = list(client.responses.input_items.list(third.id, order="asc", limit=2))
texts = [item.content[0].text for item in items]
answer = first.output_text
check(f"what it answered: {texts}", texts == ["Which tea?", answer, "And why?", answer, "Go on."])
client.responses.delete(first.id)
for what, call, code in [
    ("a deleted response", lambda: client.responses.retrieve(first.id), "not_found"),
    (
        "what went on from it",
        lambda: client.responses.create(model="fake/chat", input="Hm?", previous_response_id=second.id),
        "previous_response_not_found",
    ),
]:
    try:
        call()
        check(f"{what} is gone", False)
    except openai.APIStatusError as error:
        check(f"{what}: {error.status_code} {error.code}", error.code == code)

vectors = client.embeddings.create(model="local/static", input=["hot tea", "a hot cup of tea", "tax law"])
similarity = lambda a, b: sum(x * y for x, y in zip(a, b))
a, b, c = (item.embedding for item in vectors.data)
check("embeddings: near is nearer than far", similarity(a, b) > similarity(a, c) + 0.1)
same = client.embeddings.create(model="local/static", input="hot tea", encoding_format="float").data[0].embedding
check("float and base64 are the same", max(abs(x - y) for x, y in zip(a, same)) < 1e-6)

spoken = "Tea was first drunk in China."
with client.audio.speech.with_streaming_response.create(
    model="fake/voice", voice="alloy", input="Where is tea from?", response_format="mp3"
) as speech:
    check("speech is of its type", speech.headers["content-type"] == "audio/mpeg")
    check("speech comes as it is", b"".join(speech.iter_bytes()).decode() == spoken)

sound = ("talk.mp3", b"not really sound", "audio/mpeg")
heard = client.audio.transcriptions.create(model="fake/ear", file=sound, language="en")
check("a transcript", heard.text == spoken)
subtitles = client.audio.transcriptions.create(model="fake/ear", file=sound, response_format="srt")
check("subtitles", subtitles.startswith("1\n00:00:00,000 --> 00:00:01,000\nTea\n"))
heard = client.audio.transcriptions.create(model="fake/ear", file=sound, response_format="verbose_json")
check("segments with times", heard.text == spoken and heard.segments[1].start == 1 and heard.duration == 6)
events = list(client.audio.transcriptions.create(model="fake/ear", file=sound, stream=True))
check("a streamed transcript", events[-1].type == "transcript.text.done" and events[-1].text == spoken)
translated = client.audio.translations.create(model="fake/ear", file=sound)
check("a translation", translated.text == spoken)

for what, call, status in [
    ("an unknown model", lambda: client.chat.completions.create(model="nobody/nothing", messages=question), 404),
    ("an unknown voice model", lambda: client.audio.speech.create(model="no/voice", voice="v", input="Hi"), 404),
    ("no sound", lambda: client.audio.transcriptions.create(model="fake/ear", file=("a.mp3", b"")), 400),
    ("no messages", lambda: client.chat.completions.create(model="dialog/default", messages=[]), 400),
]:
    try:
        call()
        check(f"{what} is refused", False)
    except openai.APIStatusError as error:
        check(f"{what}: {error.status_code} {error.message}", error.status_code == status)

metrics = get("/metrics")[1]
check("metrics count requests", "colloquy_http_requests_total" in metrics)
if os.environ.get("EXPECT_UNCHANGED"):
    ingested = [line for line in metrics.splitlines() if line.startswith("colloquy_ingested_documents_total")]
    check(f"nothing was ingested again: {ingested}", all(float(line.split()[-1]) == 0 for line in ingested if "outcome=\"added\"" in line))
