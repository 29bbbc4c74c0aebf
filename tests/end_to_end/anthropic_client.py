"""Asks a running server with Anthropic's official client, as a program of its users would.

Usage: anthropic_client.py http://127.0.0.1:PORT
"""

import sys

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="none", max_retries=0, timeout=30)


def check(what, holds):
    print(("ok    " if holds else "FAILED"), what)
    if not holds:
        sys.exit(1)


question = [{"role": "user", "content": "Which port does the server listen on by default?"}]

whole = client.messages.create(model="dialog/default", max_tokens=500, messages=question)
text = "".join(block.text for block in whole.content if block.type == "text")
check("a message names the port", "9380" in text)
check("it ended by itself", whole.stop_reason == "end_turn")

with client.messages.stream(model="dialog/default", max_tokens=500, messages=question) as stream:
    streamed = "".join(stream.text_stream)
    final = stream.get_final_message()
check("a streamed message says the same", streamed == text)
check("and ends in the same way", final.stop_reason == "end_turn")

count = client.messages.count_tokens(model="dialog/default", messages=question)
check(f"tokens are counted: {count.input_tokens}", 5 < count.input_tokens < 40)

try:
    client.messages.create(model="no/such", max_tokens=5, messages=question)
    check("an unknown model is refused", False)
except anthropic.NotFoundError as error:
    check("an unknown model is refused, by its name", "no/such" in str(error))
