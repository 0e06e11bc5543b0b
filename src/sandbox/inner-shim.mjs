// `sallyport` inside a cell whose run is under a token: the in-cell API as a command. It runs in the cell, by the cell's own
// copy of Node, and knows nothing that curl would not: whatever it may do, any other program may.

import { readFileSync } from "node:fs";
import { request } from "node:http";

const usage = `sallyport (inside a cell): asks the sallyport that runs this cell

  sallyport whoami                       who this run is, as JSON
  sallyport budget                       what is left to it
  sallyport explain [SEQ]                why something was denied
  sallyport note TEXT                    a line for the session's record
  sallyport spawn --agent-id ID [OPTIONS] -- COMMAND...
      --allow HOST[:PORT]   a host that it may reach; may be repeated
      --file PATH           a file that is handed over, under this relative path; may be repeated
      --env NAME=VALUE      a variable that it has; may be repeated
      --policy FILE         a policy as JSON instead of --allow
      --task NAME --max-requests N --max-runtime SECONDS --spawn ID
      --stdin               hands over standard input
`;

const [verb = "", ...words] = process.argv.slice(2);
const lists = new Set(["allow", "file", "env", "spawn"]);
const single = new Set(["agent-id", "policy", "task", "max-requests", "max-runtime"]);

if (verb === "whoami" || verb === "budget") await tell("GET", `/v1/${verb}`);
else if (verb === "explain") await tell("GET", `/v1/explain${words[0] ? `?seq=${encodeURIComponent(words[0])}` : ""}`);
else if (verb === "note" && words.length > 0) await tell("POST", "/v1/notes", { text: words.join(" ") });
else if (verb === "spawn") await spawn(words);
else {
  const asked = verb === "--help" || verb === "-h" || verb === "help";
  (asked ? process.stdout : process.stderr).write(usage);
  process.exitCode = asked ? 0 : 2;
}

async function tell(method, path, body) {
  const response = await ask(method, path, body);
  let text = "";
  for await (const chunk of response) text += chunk;
  if (response.statusCode === 200) process.stdout.write(text);
  else failed(text);
}

async function spawn(args) {
  const flags = readFlags(args);
  const response = await ask("POST", "/v1/spawn", flags);
  if (response.statusCode !== 200) {
    let text = "";
    for await (const chunk of response) text += chunk;
    return failed(text);
  }
  let partial = "";
  for await (const chunk of response) {
    const lines = (partial + chunk).split("\n");
    partial = lines.pop() ?? "";
    for (const line of lines) {
      const said = JSON.parse(line);
      if ("stream" in said) process[said.stream].write(Buffer.from(said.data, "base64"));
      else process.exitCode = said.exit_code ?? 125;
    }
  }
}

function readFlags(args) {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  const found = { allow: [], file: [], env: [], spawn: [] };
  let stdin = false;
  for (let at = 0; at < own.length; at += 1) {
    const name = own[at].replace(/^--/, "");
    const value = own[at + 1];
    if (own[at] === "--stdin") stdin = true;
    else if (own[at].startsWith("--") && value !== undefined && (lists.has(name) || single.has(name))) {
      if (lists.has(name)) found[name].push(value);
      else found[name] = value;
      at += 1;
    } else wrong(`${own[at]} is no option, or lacks its value`);
  }
  if (end < 0 || args.length === end + 1) wrong("no command was named, after --");
  const number = (name) => (found[name] === undefined ? {} : { [name.replace("-", "_")]: Number(found[name]) });
  return {
    agent_id: found["agent-id"] ?? wrong("--agent-id is missing"),
    command: args.slice(end + 1),
    ...(found.policy === undefined
      ? { allow: found.allow }
      : { policy: JSON.parse(readFileSync(found.policy, "utf8")) }),
    files: Object.fromEntries(found.file.map((file) => [file, readFileSync(file).toString("base64")])),
    env: Object.fromEntries(found.env.map((entry) => entry.split(/=(.*)/s).slice(0, 2))),
    spawn: found.spawn,
    ...(stdin ? { stdin: readFileSync(0).toString("base64") } : {}),
    ...(found.task === undefined ? {} : { task: found.task }),
    ...number("max-requests"),
    ...(found["max-runtime"] === undefined ? {} : { max_runtime_seconds: Number(found["max-runtime"]) }),
  };
}

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers =
      body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const asked = request({ host: "sallyport.internal", port: 80, method, path, headers }, resolve);
    asked.on("error", reject);
    asked.end(text);
  });
}

function failed(text) {
  process.stderr.write(text);
  process.exitCode = 1;
}

function wrong(what) {
  process.stderr.write(`sallyport: ${what}\n\n${usage}`);
  process.exit(2);
}
