// Reads /openapi.json and offers each operation with its fields, a body that works and a form to send it. It talks
// to this server only; the token stays in the page and is gone when the page is closed.

const VERBS = ["get", "post", "put", "patch", "delete"];
const byId = (id) => document.getElementById(id);
let description = {};

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function resolve(schema) {
  let found = schema;
  for (let depth = 0; found?.$ref && depth < 20; depth += 1) {
    found = found.$ref.split("/").slice(1).reduce((at, key) => at?.[key], description);
  }
  return found ?? {};
}

const nameOf = (reference) => reference.split("/").pop();

/** What kind of value a schema stands for, in a few words. */
function kindOf(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  const several = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (several) return several.map(kindOf).join(" or ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.type === "array") return `list of ${kindOf(schema.items ?? {})}`;
  if (schema.type === "object" && schema.additionalProperties?.type) return `object of ${kindOf(schema.additionalProperties)}`;
  return schema.format && !schema.format.startsWith("int") ? `${schema.type} (${schema.format})` : schema.type ?? "any";
}

/** The bounds of a text, a number or a list, in a few words. */
function boundsOf(schema) {
  const one = [schema, ...(schema.anyOf ?? [])].find((each) => each.type && each.type !== "null") ?? {};
  const from = one.minimum ?? one.exclusiveMinimum ?? one.minLength ?? one.minItems;
  const to = one.maximum ?? one.exclusiveMaximum ?? one.maxLength ?? one.maxItems;
  const unit = { string: " characters", array: " items" }[one.type] ?? "";
  const isSaid = to !== undefined && to < 2 ** 53 && !one.format?.startsWith("date") && !one.format?.startsWith("uuid");
  if (!isSaid) return from > 0 ? `${from}${unit} or more.` : "";
  return from > 0 ? `${from} to ${to}${unit}.` : `Up to ${to}${unit}.`;
}

/** A text whose parts between backticks are code. */
function rich(text) {
  return text.split("`").map((part, at) => (at % 2 ? make("code", { textContent: part }) : part));
}

const required = () => make("span", { className: "must", textContent: "required" });

function fieldTable(schema, caption, isAsked = false) {
  const known = resolve(schema);
  const rows = Object.entries(known.properties ?? {}).map(([name, field]) => make("tr", {},
    make("td", {}, make("code", { textContent: name }), ...(isAsked && known.required?.includes(name) ? [" ", required()] : [])),
    make("td", {}, make("code", { textContent: kindOf(field) })),
    make("td", {}, ...rich(field.description ?? ""), isAsked ? ` ${boundsOf(field)}` : "")));
  if (!rows.length) return [];
  const head = make("thead", {}, make("tr", {}, ...["Field", "Type", "Meaning"].map((text) => make("th", { scope: "col", textContent: text }))));
  return [make("h3", { textContent: caption }), make("table", {}, head, make("tbody", {}, ...rows))];
}

function callerHeaders() {
  const headers = {};
  const token = byId("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  if (byId("tenant").value.trim()) headers["X-Tenant-ID"] = byId("tenant").value.trim();
  return headers;
}

/** What is to be sent, as it stands in the form. */
function requestOf(verb, path, inputs, body) {
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
  return { address, options };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function asCurl({ address, options }) {
  return [
    `curl -sS -X ${options.method} ${quoted(location.origin + address)}`,
    ...Object.entries(options.headers).map(([name, text]) => `-H ${quoted(`${name}: ${text}`)}`),
    ...(options.body === undefined ? [] : [`--data-raw ${quoted(options.body)}`]),
  ].join(" \\\n  ");
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

async function send({ address, options }, output) {
  output.hidden = false;
  output.textContent = `${options.method} ${address} …`;
  const began = performance.now();
  try {
    const answer = await fetch(address, options);
    const shown = pretty(await answer.text());
    const took = Math.round(performance.now() - began);
    const where = answer.headers.get("Location");
    output.textContent = [
      `${answer.status} ${answer.statusText}  ${took} ms  request ${answer.headers.get("X-Request-ID") ?? "?"}`,
      ...(where ? [`Location: ${where}`] : []), "", shown,
    ].join("\n");
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
}

function parameterInputs(operation) {
  const inputs = (operation.parameters ?? []).map(resolve).filter((one) => one.name !== "X-Tenant-ID").map((parameter) => {
    const input = make("input", { required: parameter.in === "path" });
    const label = make("label", {}, make("span", {}, parameter.name, ...(input.required ? [" ", required()] : [])),
      make("small", {}, ...rich(parameter.description ?? "")), input);
    return { parameter, input, label };
  });
  return { inputs, node: make("div", { className: "inputs" }, ...inputs.map((one) => one.label)) };
}

function answerParts(operation) {
  const made = Object.entries(operation.responses).find(([status]) => status.startsWith("2"));
  const refusals = Object.keys(operation.responses).filter((status) => status >= "4").join(", ");
  const schema = made?.[1].content?.["application/json"]?.schema;
  const item = schema?.type === "array" ? schema.items : schema;
  const name = item?.$ref ? `: ${schema.items ? "a list of " : ""}${nameOf(item.$ref)}` : "";
  return [...(item ? fieldTable(item, `Answer ${made[0]}${name}`) : [make("h3", { textContent: `Answer ${made?.[0]}` }), make("p", { textContent: made?.[1].description ?? "" })]),
    make("p", { className: "dim" }, `Refusals: ${refusals}, as problems (RFC 9457).`)];
}

function build(node, verb, path, operation) {
  const id = operation.operationId;
  const { inputs, node: fields } = parameterInputs(operation);
  const content = resolve(operation.requestBody).content?.["application/json"];
  const body = content && make("textarea", { value: JSON.stringify(resolve(content.schema).examples?.[0] ?? {}, null, 2), spellcheck: false, rows: 8 });
  const output = make("pre", { hidden: true, tabIndex: 0, className: "output" });
  const curl = make("pre", { hidden: true, tabIndex: 0, className: "curl" });
  const told = make("span", { className: "dim" });
  told.setAttribute("role", "status");
  const copy = make("button", { type: "button", className: "second copy", textContent: "Copy as curl" });
  const form = make("form", {}, ...(inputs.length ? [fields] : []),
    ...(body ? [make("label", {}, "Body", body)] : []),
    make("div", { className: "actions" }, make("button", { textContent: "Send" }), copy, told));
  copy.addEventListener("click", async () => {
    if (!form.reportValidity()) return;
    curl.textContent = asCurl(requestOf(verb, path, inputs, body));
    curl.hidden = false;
    try {
      await navigator.clipboard.writeText(curl.textContent);
      told.textContent = "Copied.";
    } catch {
      // Not over plain HTTP from elsewhere.
      told.textContent = "Select the text below.";
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(requestOf(verb, path, inputs, body), output);
  });
  const about = (operation.description ?? "").split("\n\n").filter((part) => !part.startsWith("Raises:"));
  node.append(make("div", { className: "inside" },
    ...about.map((part) => make("p", {}, ...rich(part))),
    make("p", { className: "dim" },
      ...(operation["x-scope"] ? ["API keys need the scope ", make("code", { textContent: operation["x-scope"] }), ". "] : []),
      ...(operation["x-role"] ? ["Users need the role ", make("code", { textContent: operation["x-role"] }), ". "] : []),
      make("a", { href: `#${id}`, textContent: `Link to ${id}` })),
    ...(content ? fieldTable(content.schema, `Body: ${nameOf(content.schema.$ref ?? "/object")}`, true) : []),
    make("h3", { textContent: "Try it" }), form, curl, output, ...answerParts(operation)));
}

function operationNode(verb, path, operation) {
  const isLocked = (operation.security ?? []).length > 0;
  const node = make("details", { id: operation.operationId }, make("summary", {},
    make("span", { className: `verb ${verb}`, textContent: verb.toUpperCase() }),
    make("code", { textContent: path }),
    make("span", { className: "said", textContent: operation.summary ?? "" }),
    make("span", { className: "lock", textContent: isLocked ? "token" : "public" })));
  const content = resolve(operation.requestBody).content?.["application/json"];
  const names = Object.keys(resolve(content?.schema).properties ?? {}).join(" ");
  node.dataset.search = `${verb} ${path} ${operation.summary ?? ""} ${operation.operationId} ${names}`.toLowerCase();
  node.addEventListener("toggle", () => {
    if (!node.open || node.dataset.built) return;
    node.dataset.built = "yes";
    build(node, verb, path, operation);
  });
  return node;
}

function openAnchor() {
  const node = byId(decodeURIComponent(location.hash.slice(1)));
  if (node?.matches("details")) node.open = true;
  node?.scrollIntoView();
}

function show(document_) {
  description = document_;
  byId("about").textContent = `${document_.info.description ?? ""} Version ${document_.info.version}.`;
  const groups = new Map(document_.tags.map((tag) => [tag.name, []]));
  for (const [path, item] of Object.entries(document_.paths)) {
    for (const verb of VERBS.filter((one) => item[one])) {
      groups.get(item[verb].tags[0]).push(operationNode(verb, path, item[verb]));
    }
  }
  byId("operations").replaceChildren(...document_.tags.map((tag) => make("section", { className: "tag", id: `tag-${tag.name}` },
    make("h2", { textContent: tag.name }), make("p", { className: "dim", textContent: tag.description }), ...groups.get(tag.name))));
  byId("contents").replaceChildren(...document_.tags.map((tag) => make("li", {}, make("a", { href: `#tag-${tag.name}`, textContent: tag.name }))));
  openAnchor();
}

function find(event) {
  const wanted = event.target.value.trim().toLowerCase();
  for (const node of document.querySelectorAll("section.tag > details")) node.hidden = !node.dataset.search.includes(wanted);
  for (const section of document.querySelectorAll("section.tag")) section.hidden = !section.querySelector(":scope > details:not([hidden])");
}

async function logIn(event) {
  event.preventDefault();
  const [username, password] = [byId("username").value, byId("password").value];
  byId("session").textContent = "Logging in …";
  try {
    const answer = await fetch("/auth/login", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ username, password }) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.detail ?? answer.statusText);
    byId("token").value = told.token;
    byId("password").value = "";
    byId("session").textContent = `Logged in as ${username}, role ${told.role}${told.tenant ? `, tenant ${told.tenant}` : ""}, until ${told.expires_at}.`;
  } catch (error) {
    byId("session").textContent = `Not logged in: ${error.message}.`;
  }
}

/** A token behind `#token=` is taken and leaves the address: it was never sent anywhere. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  byId("token").value = given;
  byId("session").textContent = "The token came with the address that opened this page.";
  history.replaceState(null, "", location.pathname);
}

takeToken();
byId("sign-in").addEventListener("submit", logIn);
byId("caller").addEventListener("submit", (event) => event.preventDefault());
byId("find").addEventListener("input", find);
addEventListener("hashchange", () => { takeToken(); openAnchor(); });
fetch("/openapi.json")
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => { byId("operations").textContent = `The description cannot be read: ${error.message}`; });
