"use strict";

// Reads /openapi.json and offers each operation as a small form. It talks to this server only; the token
// stays in the page and is gone when the tab is closed.

const VERBS = ["get", "post", "put", "patch", "delete"];
const byId = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function resolve(document_, schema) {
  let found = schema;
  for (let depth = 0; found && found.$ref && depth < 20; depth += 1) {
    found = found.$ref.split("/").slice(1).reduce((at, key) => at?.[key], document_);
  }
  return found ?? {};
}

function example(document_, schema, depth = 0) {
  const known = resolve(document_, schema);
  if (depth > 6) return null;
  if (known.default !== undefined) return known.default;
  if (known.enum) return known.enum[0];
  const choice = known.oneOf ?? known.anyOf;
  if (choice) return example(document_, choice.find((one) => one.type !== "null") ?? choice[0], depth + 1);
  const type = Array.isArray(known.type) ? known.type[0] : known.type;
  if (type === "object") {
    const wanted = known.required ?? Object.keys(known.properties ?? {});
    return Object.fromEntries(wanted.map((key) => [key, example(document_, known.properties?.[key], depth + 1)]));
  }
  if (type === "array") return [];
  if (type === "integer" || type === "number") return known.minimum ?? 0;
  if (type === "boolean") return false;
  return type === "string" ? "" : null;
}

function callerHeaders() {
  const headers = {};
  if (byId("token").value) headers.Authorization = `Bearer ${byId("token").value}`;
  if (byId("tenant").value) headers["X-Tenant-ID"] = byId("tenant").value;
  return headers;
}

async function send(verb, path, inputs, body, output) {
  let address = path;
  const query = new URLSearchParams();
  const headers = callerHeaders();
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value && parameter.in === "query") query.append(parameter.name, input.value);
    else if (input.value && parameter.in === "header") headers[parameter.name] = input.value;
  }
  if (query.size) address += `?${query}`;
  const options = { method: verb.toUpperCase(), headers };
  if (body) {
    headers["Content-Type"] = "application/json";
    options.body = body.value;
  }
  output.hidden = false;
  output.textContent = `${options.method} ${address} …`;
  const began = performance.now();
  try {
    const answer = await fetch(address, options);
    const text = await answer.text();
    const took = Math.round(performance.now() - began);
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
    output.textContent = `${answer.status} ${answer.statusText}  ${took} ms  request ${answer.headers.get("X-Request-ID") ?? "?"}\n\n${shown}`;
  } catch (error) {
    output.textContent = `no answer: ${error.message}`;
  }
}

function operationNode(document_, path, verb, operation) {
  const locked = (operation.security ?? []).length > 0;
  const node = make("details", {}, make("summary", {},
    make("span", { className: "verb", textContent: verb.toUpperCase() }),
    make("code", { textContent: path }), ` ${operation.summary ?? ""} `,
    make("span", { className: "lock", textContent: locked ? "token needed" : "public" })));
  node.dataset.search = `${verb} ${path} ${operation.summary ?? ""}`.toLowerCase();
  node.addEventListener("toggle", () => {
    if (!node.open || node.dataset.built) return;
    node.dataset.built = "yes";
    const form = make("form");
    const fields = make("div", { className: "fields" });
    const inputs = (operation.parameters ?? [])
      .map((one) => resolve(document_, one))
      .filter((one) => one.name !== "X-Tenant-ID")
      .map((parameter) => {
        const input = make("input", { required: parameter.in === "path" });
        fields.append(make("label", {}, `${parameter.name} (${parameter.in})`, input));
        return { parameter, input };
      });
    form.append(make("p", { textContent: operation.description ?? "" }), fields);
    const content = resolve(document_, operation.requestBody).content?.["application/json"];
    let body = null;
    if (content) {
      body = make("textarea", { value: JSON.stringify(example(document_, content.schema), null, 2), spellcheck: false });
      body.setAttribute("aria-label", "request body");
      form.append(body);
    }
    const output = make("pre", { hidden: true });
    form.append(make("button", { textContent: "Send" }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(verb, path, inputs, body, output);
    });
    node.append(form, output);
  });
  return node;
}

function show(document_) {
  byId("about").textContent = `${document_.info.description ?? ""} Version ${document_.info.version}.`;
  const groups = new Map();
  for (const [path, item] of Object.entries(document_.paths)) {
    for (const verb of VERBS.filter((one) => item[one])) {
      const tag = item[verb].tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationNode(document_, path, verb, item[verb]));
    }
  }
  const main = byId("operations");
  main.replaceChildren();
  for (const tag of [...groups.keys()].sort()) {
    main.append(make("section", {}, make("h2", { textContent: tag }), ...groups.get(tag)));
  }
}

byId("caller").addEventListener("submit", (event) => event.preventDefault());
byId("find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const node of document.querySelectorAll("details")) node.hidden = !node.dataset.search.includes(wanted);
});
fetch("/openapi.json")
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => { byId("operations").textContent = `The description cannot be read: ${error.message}`; });
