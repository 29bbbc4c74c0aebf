"""Takes documents in and asks about them with RAGFlow's official client, as a program of its users would.

Usage: ragflow_client.py http://127.0.0.1:PORT
"""

import json
import sys

from ragflow_sdk import RAGFlow

client = RAGFlow(api_key="none", base_url=sys.argv[1])


def check(what, holds):
    print(("ok    " if holds else "FAILED"), what)
    if not holds:
        sys.exit(1)


def refused(what, why, ask):
    try:
        ask()
    except Exception as error:
        check(f"{what}: {error}", why in str(error))
    else:
        check(what, False)


TEA = b"# Tea\n\nGreen tea is made with water at 80 degrees.\n\nBlack tea takes boiling water.\n"
COFFEE = b"# Coffee\n\nCoffee beans are roasted at 220 degrees.\n"

# Datasets.
dataset = client.create_dataset(name="drinks", description="What to drink", chunk_method="naive")
check("a dataset is made", len(dataset.id) == 32 and dataset.name == "drinks")
again = client.create_dataset(name="drinks")
check("a taken name gets a number", again.name == "drinks(1)")
client.delete_datasets(ids=[again.id])
check("datasets are listed", "drinks" in [it.name for it in client.list_datasets()])
check("a dataset is found by name", client.get_dataset("drinks").id == dataset.id)
dataset.update({"pagerank": 3, "parser_config": {"chunk_token_num": 128}})
check("and changed", client.get_dataset("drinks").parser_config.chunk_token_num == 128)
refused("a dataset needs a name", "Field: <name>", lambda: client.create_dataset(name=""))
refused("one of nobody is refused", "lacks permission", lambda: client.delete_datasets(ids=["0" * 32]))

# Documents.
documents = dataset.upload_documents(
    [{"display_name": "tea.md", "blob": TEA}, {"display_name": "coffee.md", "blob": COFFEE}]
)
check("documents are kept", [it.run for it in documents] == ["UNSTART", "UNSTART"])
ids = [it.id for it in documents]
finished = dataset.parse_documents(ids)
check(f"documents are parsed: {finished}", {it[1] for it in finished} == {"DONE"})
listed = dataset.list_documents(orderby="create_time", desc=False)
check("documents are listed", [it.name for it in listed] == ["tea.md", "coffee.md"])
check("with their chunks", all(it.chunk_count > 0 and it.token_count > 0 for it in listed))
tea = dataset.list_documents(keywords="tea")[0]
check("a document is downloaded as it was sent", tea.download() == TEA)
tea.update({"meta_fields": {"kind": "leaf"}, "name": "green tea.md"})
check("a document is renamed", dataset.list_documents(id=ids[0])[0].name == "green tea.md")

# Chunks.
chunks = tea.list_chunks()
check("chunks are listed", any("80 degrees" in it.content for it in chunks))
added = tea.add_chunk("White tea likes water at 75 degrees.", important_keywords=["pale"])
check("a chunk is added", len(added.id) == 32 and added.document_id == tea.id)
added.update({"content": "White tea likes water at 70 degrees."})
check("and changed", "70 degrees" in tea.list_chunks(id=added.id)[0].content)


def found(question, **options):
    return client.retrieve(dataset_ids=[dataset.id], question=question, similarity_threshold=0.0, **options)


check("it is found", found("How hot for white tea?")[0].id == added.id)
check("and by its keyword", found("pale")[0].id == added.id)
added.update({"available": False})
check("it can be taken out of searches", added.id not in [it.id for it in found("white tea")])
added.update({"available": True})
best = found("How hot is green tea?")[0]
check("a hit tells its scores", best.similarity > 0 and best.vector_similarity > 0 and best.term_similarity > 0)
condition = {"conditions": [{"name": "kind", "comparison_operator": "is", "value": "leaf"}]}
leaves = found("degrees", metadata_condition=condition)
check("metadata are filtered", leaves and {it.document_id for it in leaves} == {tea.id})
check("documents are chosen", {it.document_id for it in found("degrees", document_ids=[ids[1]])} == {ids[1]})
tea.delete_chunks(ids=[added.id])
check("a chunk is deleted", added.id not in [it.id for it in tea.list_chunks()])

# Chats.
chat = client.create_chat(name="barista", dataset_ids=[dataset.id])
check("a chat is made", chat.prompt.top_n == 8 and chat.prompt.show_quote)
refused("its name is taken", "Duplicated chat name", lambda: client.create_chat("barista", dataset_ids=[]))
chat.update({"name": "tea expert", "prompt": {"similarity_threshold": 0.05, "empty_response": "No idea."}})
chat = client.list_chats(name="tea expert")[0]
check("and changed", abs(chat.prompt.similarity_threshold - 0.05) < 1e-6)
check("its prompt is as it was", "{knowledge}" in chat.prompt.prompt)

# Sessions.
session = chat.create_session("How hot?")
check("a session opens", session.messages[0]["role"] == "assistant")
whole = next(session.ask("How hot is the water for green tea?", stream=False))
check(f"it answers: {whole.content!r}", "80 degrees" in whole.content and "[ID:" in whole.content)
check("with what the answer rests on", any("80 degrees" in it["content"] for it in whole.reference))
pieces = list(session.ask("How hot is the water for green tea?", stream=True))
check("a stream ends with the whole answer", "80 degrees" in pieces[-1].content and "[ID:" in pieces[-1].content)
grows = all(after.content.startswith(before.content) for before, after in zip(pieces, pieces[1:]))
check("and each event says all so far", grows)
check("its last event has the reference", len(pieces[-1].reference) > 0)
session.update({"name": "Hot water"})
sessions = chat.list_sessions(name="Hot water")
check("a session is renamed, with its messages", [len(it.messages) for it in sessions] == [5])
chat.delete_sessions(ids=[session.id])
check("and deleted", chat.list_sessions() == [])

# What is not spoken says so.
refused("agents are refused", "not supported", lambda: client.list_agents())
answer = client.post("/datasets", json={"name": 5, "colour": "red"}).json()
check(f"fields are named: {json.dumps(answer)}", answer["code"] == 101 and "Field: <colour>" in answer["message"])

client.delete_chats(ids=[chat.id])
check("chats are deleted", client.list_chats() == [])
dataset.delete_documents(ids=[ids[1]])
check("documents are deleted", [it.id for it in dataset.list_documents()] == [ids[0]])
client.delete_datasets(ids=[dataset.id])
check("datasets are deleted", "drinks" not in [it.name for it in client.list_datasets()])
