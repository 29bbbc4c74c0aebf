// Shows the description of the interface, by groups, and lets one try what it describes.

const METHODS = ["get", "post", "put", "patch", "delete"];
/** How deep types are shown within types. */
const DEEPEST = 6;
/** Bytes of an answer that are shown. */
const MOST_SHOWN = 200_000;

/** An element with attributes and children; texts are texts, never markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** A text whose parts in backticks are code. */
function prose(text = "") {
  const parts = text.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));
  return element("span", {}, ...parts);
}

let description;

function resolved(schema) {
  const name = schema?.$ref?.split("/").at(-1);
  return name ? { ...description.components.schemas[name], title: name } : schema ?? {};
}

/** A type in a few words. */
function words(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  const parts = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (parts) return parts.map(words).join(schema.allOf ? " & " : " | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = [schema.type ?? "any"].flat();
  const named = types.map((type) => (type === "array" ? `${words(schema.items ?? {})}[]` : type));
  return named.join(" | ") + bounds(schema);
}

function bounds(schema) {
  const said = [
    ["minimum", "≥"], ["maximum", "≤"], ["minLength", "length ≥"], ["maxLength", "length ≤"], ["minItems", "items ≥"],
    ["maxItems", "items ≤"], ["pattern", "matches"], ["format", ""], ["default", "default"],
  ].filter(([name]) => schema[name] !== undefined);
  return said.map(([name, sign]) => ` ${sign} ${schema[name]}`.replace("  ", " ")).join(",");
}

/** What a type is made of; objects open when they are asked to. */
function tree(schema, depth = 0) {
  const whole = resolved(schema);
  const inner = (whole.type === "array" || whole.type?.includes?.("array")) && whole.items;
  if (inner) return tree(inner, depth);
  const parts = whole.oneOf ?? whole.anyOf ?? whole.allOf;
  if (depth > DEEPEST) return element("span", {}, "…");
  if (parts) {
    const real = parts.filter((part) => part.type !== "null");
    const label = whole.allOf ? "all of" : "one of";
    if (real.length === 1) return tree(real[0], depth);
    return element("div", {}, label, element("ul", { class: "schema" },
      ...real.map((part) => element("li", {}, element("span", { class: "type" }, words(part)), tree(part, depth + 1)))));
  }
  if (!whole.properties) return element("span", {});
  const rows = Object.entries(whole.properties).map(([name, property]) => {
    const must = whole.required?.includes(name) ? element("span", { class: "must", title: "required" }, " *") : undefined;
    const row = element("li", {}, element("code", {}, name), must ?? "", " ",
      element("span", { class: "type" }, words(property)), " — ", prose(property.description ?? resolved(property).description));
    return nested(property) ? element("li", {}, lazily(row, () => tree(property, depth + 1))) : row;
  });
  return element("ul", { class: "schema" }, ...rows);
}

function nested(schema) {
  const whole = resolved(schema);
  return Boolean(whole.properties || whole.items && nested(whole.items) || (whole.oneOf ?? whole.anyOf ?? whole.allOf)?.some(nested));
}

function lazily(label, make) {
  const box = element("details", {}, element("summary", {}, ...label.childNodes));
  box.addEventListener("toggle", () => box.open && box.children.length === 1 && box.append(make()));
  return box;
}

/** Something that fits a type, to begin with. */
function example(schema, depth = 0) {
  const whole = resolved(schema);
  if (whole.example !== undefined) return whole.example;
  if (whole.default !== undefined) return whole.default;
  if (whole.enum) return whole.enum[0];
  const parts = whole.oneOf ?? whole.anyOf;
  if (parts) return example(parts.find((part) => part.type !== "null") ?? {}, depth);
  if (whole.allOf) return Object.assign({}, ...whole.allOf.map((part) => example(part, depth)));
  const type = [whole.type].flat().find((type) => type !== "null");
  if (type === "object") {
    const wanted = depth > DEEPEST ? [] : whole.required ?? [];
    return Object.fromEntries(wanted.map((name) => [name, example(whole.properties?.[name] ?? {}, depth + 1)]));
  }
  return { array: [], string: "", integer: whole.minimum ?? 0, number: whole.minimum ?? 0, boolean: false }[type] ?? null;
}

function parameters(list) {
  const rows = list.map((parameter) => element("tr", {},
    element("td", {}, element("code", {}, parameter.name), parameter.required ? element("span", { class: "must" }, " *") : "",
      element("small", {}, ` ${parameter.in}`)),
    element("td", {}, element("span", { class: "type" }, words(parameter.schema ?? {})), " ", prose(parameter.description)),
    element("td", {}, element("input", { "data-name": parameter.name, "data-in": parameter.in, "aria-label": parameter.name }))));
  return [element("h3", {}, "Parameters"), element("table", {}, ...rows)];
}

function responses(all) {
  const rows = Object.entries(all).map(([status, response]) => {
    const forms = Object.entries(response.content ?? {}).map(([form, { schema }]) =>
      element("div", {}, element("small", {}, form), " ", lazily(element("span", {}, words(schema ?? {})), () => tree(schema ?? {}))));
    return element("tr", {}, element("td", {}, element("code", {}, status)), element("td", {}, prose(response.description), ...forms));
  });
  return [element("h3", {}, "Answers"), element("table", {}, ...rows)];
}

function body(request) {
  const [form, content] = Object.entries(request.content)[0];
  const text = form === "application/json" ? JSON.stringify(content.example ?? example(content.schema), null, 2) : "";
  return [
    element("h3", {}, "Body ", element("small", {}, form, request.required ? "" : ", may be left out")),
    tree(content.schema),
    element("textarea", { "data-form": form, "aria-label": "Body", spellcheck: "false" }, text),
  ];
}

/** Sends what the fields of an operation say, and shows the answer as it comes. */
async function attempt(method, path, box, shown) {
  const url = new URL(path, location.origin);
  const headers = {};
  for (const input of box.querySelectorAll("input[data-name]")) {
    const { name, in: place } = input.dataset;
    if (place === "path") url.pathname = decodeURI(url.pathname).replace(`{${name}}`, () => encodeURIComponent(input.value));
    else if (input.value && place === "query") url.searchParams.set(name, input.value);
    else if (input.value) headers[name] = input.value;
  }
  const key = document.getElementById("key").value;
  if (key) headers.authorization = `Bearer ${key}`;
  const text = box.querySelector("textarea");
  if (text?.value) headers["content-type"] = text.dataset.form;
  shown.textContent = `${method.toUpperCase()} ${url.pathname}${url.search}\n`;
  try {
    const answer = await fetch(url, { method, headers, body: text?.value || undefined });
    shown.append(`${answer.status} ${answer.statusText}\n\n`);
    await read(answer, shown);
  } catch (error) {
    shown.append(String(error));
  }
}

async function read(answer, shown) {
  if (answer.headers.get("content-type")?.includes("json")) {
    const text = await answer.text();
    let parsed = text;
    try { parsed = JSON.stringify(JSON.parse(text), null, 2); } catch { /* It stays as it came. */ }
    shown.append(parsed.slice(0, MOST_SHOWN));
    return;
  }
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let length = 0; reader && length < MOST_SHOWN; ) {
    const { value, done } = await reader.read();
    if (done) return;
    length += value.length;
    shown.append(value);
  }
  await reader?.cancel();
}

function operation(method, path, said) {
  const box = element("details", { id: said.operationId },
    element("summary", {}, element("span", { class: `method ${method}` }, method), element("code", {}, path),
      element("span", { class: "about" }, said.summary ?? ""), said.security?.length === 0 ? "" : element("span", { title: "asks for a key where the server does" }, "🔒")));
  box.addEventListener("toggle", () => {
    if (!box.open || box.children.length > 1) return;
    const shown = element("pre", { "aria-live": "polite" });
    const inside = element("div", { class: "inside" }, element("p", {}, prose(said.description)),
      ...(said.parameters ? parameters(said.parameters) : []), ...(said.requestBody ? body(said.requestBody) : []),
      ...responses(said.responses));
    inside.append(element("h3", {}, "Try it"),
      element("button", { type: "button", onclick: () => attempt(method, path, inside, shown) }, "Send"), shown);
    box.append(inside);
  });
  return box;
}

function show() {
  document.getElementById("version").textContent = description.info.version;
  const main = document.getElementById("operations");
  main.replaceChildren(...(description.info.description ?? "").split("\n\n").map((text) => element("p", {}, prose(text))));
  for (const tag of description.tags) {
    const own = Object.entries(description.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]?.tags?.includes(tag.name)).map((method) => operation(method, path, item[method])));
    const id = `tag-${tag.name.replace(/\W+/g, "-")}`;
    main.append(element("section", {}, element("h2", { id }, tag.name), element("p", {}, prose(tag.description)), ...own));
    document.getElementById("tags").append(element("a", { href: `#${id}` }, tag.name));
  }
  main.removeAttribute("aria-busy");
  document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
}

function search(words) {
  const wanted = words.toLowerCase().split(/\s+/);
  for (const section of document.querySelectorAll("main section")) {
    let some = false;
    for (const box of section.querySelectorAll(":scope > details")) {
      const text = box.firstElementChild.textContent.toLowerCase();
      box.hidden = !wanted.every((word) => text.includes(word));
      some ||= !box.hidden;
    }
    section.hidden = !some;
  }
}

document.getElementById("search").addEventListener("input", (event) => search(event.target.value));
try {
  description = await (await fetch("/openapi.json")).json();
  show();
} catch (error) {
  document.getElementById("operations").replaceChildren(element("p", {}, `The description could not be read: ${error}`));
}
