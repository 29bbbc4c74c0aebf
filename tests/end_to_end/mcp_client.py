"""Uses a running server's tools with the official MCP client, as a program of its users would.

Usage: mcp_client.py http://127.0.0.1:PORT
"""

import asyncio
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

QUESTION = "Which port does the server listen on by default?"


def check(what, holds):
    print(("ok    " if holds else "FAILED"), what)
    if not holds:
        sys.exit(1)


async def main(url):
    async with streamable_http_client(f"{url}/mcp") as (read, write, *_):
        async with ClientSession(read, write) as session:
            await use(session)


async def use(session):
    greeting = await session.initialize()
    info = getattr(greeting, "server_info", None) or greeting.serverInfo
    check(f"the server is {info.name} {info.version}", info.name == "colloquy")
    tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    check(f"tools: {sorted(tools)}", set(tools) == {"list_datasets", "search", "ask", "read_document"})

    async def call(tool, arguments, **more):
        result = await session.call_tool(tool, arguments, **more)
        dumped = result.model_dump(by_alias=True)
        return dumped["structuredContent"], dumped["content"][0]["text"], dumped["isError"]

    data, text, _ = await call("list_datasets", {})
    check(f"datasets: {text.strip()}", data["datasets"][0]["name"] == "default")

    data, text, _ = await call("search", {"query": QUESTION, "top": 3})
    check("passages", len(data["passages"]) == 3 and "9380" in text)

    steps = []

    async def hear(progress, total, message):
        steps.append(message)

    data, text, _ = await call("ask", {"question": QUESTION}, progress_callback=hear)
    print("   ", data["answer"])
    citation = data["citations"][0]
    check("an answer names the port", "9380" in data["answer"])
    check("its citation is of a file", citation["document_name"].endswith(".md") and "9380" in citation["quote"])
    check(f"it tells of its progress: {steps}", "answering" in steps)

    document = {"dataset": "default", "document": citation["document"]}
    data, _, _ = await call("read_document", {**document, "limit": 1})
    check("a document's first passage", data["passages"][0]["passage"] == 0)
    if data["next_offset"] is not None:
        data, _, _ = await call("read_document", {**document, "offset": data["next_offset"], "limit": 1})
        check("and its second", data["passages"][0]["passage"] == 1)

    _, text, failed = await call("read_document", {"dataset": "default", "document": "nothing"})
    check(f"a document that is not there: {text}", failed)


asyncio.run(main(sys.argv[1].rstrip("/")))
