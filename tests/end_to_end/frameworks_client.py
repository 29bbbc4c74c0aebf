"""Asks a running server through LangChain, LlamaIndex and LiteLLM, as programs of its users would: a chat, a streamed one,
a tool that is run, an answer of a given form, embeddings.

Usage: frameworks_client.py http://127.0.0.1:PORT
"""

import os
import sys

# Nothing is fetched from elsewhere.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

base = sys.argv[1] + "/v1"
question = "Where was tea first drunk?"
answer = "Tea was first drunk in China."
texts = ["hot tea", "a hot cup of tea", "tax law"]


def check(what, holds):
    print(("ok    " if holds else "FAILED"), what)
    if not holds:
        sys.exit(1)


def near(vectors):
    similarity = lambda a, b: sum(x * y for x, y in zip(a, b))
    return similarity(vectors[0], vectors[1]) > similarity(vectors[0], vectors[2]) + 0.1


class Weather(BaseModel):
    city: str
    degrees: int


def multiply(a: int, b: int) -> int:
    """Multiplies two numbers."""
    return a * b


def langchain():
    model = lambda name: ChatOpenAI(model=name, base_url=base, api_key="none", max_retries=0, timeout=30)
    chat = model("fake/chat")
    check("LangChain: a chat", chat.invoke(question).content == answer)
    check("LangChain: a streamed chat", "".join(chunk.content for chunk in chat.stream(question)) == answer)

    asked = [("user", "What is 6 times 7?")]
    calculator = model("fake/calculator").bind_tools([tool(multiply)])
    call = calculator.invoke(asked)
    result = tool(multiply).invoke(call.tool_calls[0])
    check(f"LangChain: a tool is run: {result.content}", result.content == "42")
    check("LangChain: and its result is told", calculator.invoke([*asked, call, result]).content == "It is 42.")

    weather = model("fake/writer").with_structured_output(Weather).invoke("How is the weather?")
    check(f"LangChain: an answer of a given form: {weather}", weather == Weather(city="Oslo", degrees=7))
    cited = model("dialog/default").invoke("Which port does the server listen on by default?")
    check("LangChain: a dialog", "9380" in cited.content)
    # Texts, since numbers of tokens mean something to one tokenizer only.
    embeddings = OpenAIEmbeddings(
        model="local/static", base_url=base, api_key="none", check_embedding_ctx_length=False
    )
    check("LangChain: embeddings", near(embeddings.embed_documents(texts)))


def llama_index():
    def model(name):
        return OpenAILike(
            model=name, api_base=base, api_key="none", is_chat_model=True, is_function_calling_model=True, max_retries=0
        )

    asked = [ChatMessage(role="user", content=question)]
    check("LlamaIndex: a chat", model("fake/chat").chat(asked).message.content == answer)
    streamed = list(model("fake/chat").stream_chat(asked))
    check("LlamaIndex: a streamed chat", streamed[-1].message.content == answer)
    tools = [FunctionTool.from_defaults(multiply)]
    run = model("fake/calculator").predict_and_call(tools, user_msg="What is 6 times 7?")
    check(f"LlamaIndex: a tool is run: {run.response}", run.response == "42")


def lite_llm():
    to = lambda model: {"model": f"openai/{model}", "api_base": base, "api_key": "none", "num_retries": 0}
    asked = [{"role": "user", "content": question}]
    whole = litellm.completion(messages=asked, **to("fake/chat"))
    check("LiteLLM: a chat", whole.choices[0].message.content == answer)
    stream = litellm.completion(messages=asked, stream=True, **to("fake/chat"))
    check("LiteLLM: a streamed chat", "".join(chunk.choices[0].delta.content or "" for chunk in stream) == answer)
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
    tools = [{"type": "function", "function": {"name": "multiply", "parameters": parameters}}]
    called = litellm.completion(messages=asked, tools=tools, **to("fake/calculator")).choices[0].message
    result = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "42"}
    told = litellm.completion(messages=[*asked, called, result], tools=tools, **to("fake/calculator"))
    check("LiteLLM: a tool's result is told", told.choices[0].message.content == "It is 42.")
    written = litellm.completion(messages=asked, response_format=Weather, **to("fake/writer"))
    weather = Weather.model_validate_json(written.choices[0].message.content)
    check("LiteLLM: an answer of a given form", weather.city == "Oslo")
    vectors = litellm.embedding(input=texts, encoding_format="float", **to("local/static"))
    check("LiteLLM: embeddings", near([item["embedding"] for item in vectors.data]))


langchain()
llama_index()
lite_llm()
