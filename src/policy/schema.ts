// The schema `zero_trust.runtime.v1` as data. This one table drives the parser and its nearest-key hints, the JSON Schema
// for editors (schema/policy.schema.json), the reference page (docs/reference/policy.md) and `not_enforced_yet`.

/** How a string is checked and brought to normal form: read.ts has one function for each. */
export type Format =
  | "version"
  | "endpoint"
  | "host"
  | "path"
  | "method"
  | "cidr"
  | "environment"
  | "rule-id"
  | "upstream"
  | "file"
  | "place"
  | "user"
  | "url"
  | "text";

export type Shape =
  | { readonly type: "string"; readonly format: Format }
  | { readonly type: "boolean" }
  | { readonly type: "integer"; readonly least: number; readonly most: number }
  /** Dollars and the like. */
  | { readonly type: "number"; readonly least: number }
  /** Whole bytes, or a text such as `50MB`. */
  | { readonly type: "size" }
  /** Whole seconds, or a text such as `5m`. */
  | { readonly type: "duration" }
  | { readonly type: "choice"; readonly of: readonly string[] }
  | { readonly type: "list"; readonly of: Shape }
  /** One value or a list of them; always a list once parsed. */
  | { readonly type: "some"; readonly of: Shape }
  | { readonly type: "table"; readonly keys: Keys; readonly required?: readonly string[] }
  /** A table whose keys the writer chooses: hosts. */
  | { readonly type: "map"; readonly key: "host"; readonly of: Shape };

export interface Key {
  readonly shape: Shape;
  /** One or two sentences for the reference page and for editors. */
  readonly doc: string;
  /** What holds when the key is absent, as text. */
  readonly absent?: string;
  /** False where this build cannot enforce the key; a list where it can enforce only these values. Absent: enforced. */
  readonly enforced?: false | readonly (string | boolean)[];
  /** True for what only an operator should say; the reference page marks it. */
  readonly operator?: true;
}

export interface Keys {
  readonly [key: string]: Key;
}

const text = (format: Format): Shape => ({ type: "string", format });
const list = (of: Shape): Shape => ({ type: "list", of });
const some = (of: Shape): Shape => ({ type: "some", of });
const boolean: Shape = { type: "boolean" };
const count: Shape = { type: "integer", least: 1, most: Number.MAX_SAFE_INTEGER };
const choice = (...of: string[]): Shape => ({ type: "choice", of });
const table = (keys: Keys, required: readonly string[] = []): Shape => ({ type: "table", keys, required });

export const schemaVersion = "zero_trust.runtime.v1";

const rule: Keys = {
  id: {
    shape: text("rule-id"),
    doc: "The rule's name, in events, budgets and queries. Unique in the file. An over-broad host needs one that begins with `unsafe_`.",
    absent: "`network.rule[N]`",
  },
  host: {
    shape: some(text("host")),
    doc: "The hosts: names, literal addresses, `*.example.com` (exactly one label), `**.example.com` (one or more).",
  },
  port: { shape: some({ type: "integer", least: 1, most: 65535 }), doc: "The ports.", absent: "80 and 443" },
  method: {
    shape: some(text("method")),
    doc: "The HTTP methods, upper case. HEAD is not implied by GET.",
    absent: "every method",
  },
  path: {
    shape: some(text("path")),
    doc: "The paths: `*` is one whole segment, `**` at the end one or more. Compared in normal form and without the query.",
    absent: "every path",
  },
  protocol: {
    shape: choice("any", "http", "tls", "tcp"),
    doc: 'What must be spoken. `any` is what the port\'s habit says; `http` is HTTP, in TLS or in the clear; `tls` is HTTP in TLS (or, with `tls = "pass"`, any TLS); `tcp` is bytes of any kind, tunnelled unread.',
    absent: "`any`",
  },
  tls: {
    shape: choice("terminate", "pass"),
    doc: "`terminate` reads the HTTP inside. `pass` leaves TLS untouched and judges by name only, so it goes with neither method nor path.",
    absent: "`terminate`",
    operator: true,
  },
  private: {
    shape: some(text("cidr")),
    doc: "Private ranges that these hosts may lead to. A name opens none by itself. A metadata, unspecified or multicast address is opened only by a range of exactly that one address.",
    absent: "none",
    operator: true,
  },
  delegate_only: {
    shape: boolean,
    doc: "What this rule allows is not for the agent itself: it may only be handed to agents that it spawns.",
    absent: "`false`",
  },
  body_on_get: {
    shape: boolean,
    doc: "Lets a body pass on GET or HEAD, which some servers read as the next request.",
    absent: "`false`",
  },
  credential: { shape: text("text"), doc: "The credential that is lent to these requests.", enforced: false },
  budget: { shape: text("text"), doc: "The budget that these requests spend.", enforced: false },
  ask: { shape: boolean, doc: "Whether a person is asked first.", absent: "`false`", enforced: [false] },
  body: { shape: some(text("text")), doc: "Conditions on the request's body.", enforced: false },
};

export const schema: Keys = {
  version: {
    shape: text("version"),
    doc: `The schema's name, \`"${schemaVersion}"\`. A first line \`# ${schemaVersion}\` says the same; one of the two must be there.`,
  },
  extendable: { shape: boolean, doc: "Whether `--allow` may add to this policy.", absent: "`false`" },
  identity: {
    doc: "Who the agent must prove to be.",
    shape: table({
      require_attestation: {
        shape: boolean,
        doc: "Whether a run starts only for an agent that was measured, and is still what was measured.",
        absent: "`false`",
      },
      allowed_issuers: {
        shape: list(text("text")),
        doc: "Whose attestations count, by name: a run starts only where one of them vouches for what the agent was measured to be. `sallyport auth add-issuer` says who they are.",
        absent: "nobody need vouch",
      },
    }),
  },
  network: {
    doc: "Where the agent may go. Deny wins over allow, order never matters, and an empty list allows nothing.",
    shape: table({
      default: {
        shape: choice("deny", "allow"),
        doc: "What happens to hosts that nothing names. `allow` opens every public name, address and port; private space stays closed.",
        absent: "`deny`",
      },
      allow: {
        shape: list(text("endpoint")),
        doc: "Hosts, as `host` (ports 80 and 443 of exactly that name) or `host:port`; patterns and literal addresses (`[v6]:port`) as in a rule's `host`. A literal private address is opened by being named; a metadata, unspecified or multicast one is not.",
        absent: "none",
      },
      deny: {
        shape: list(text("endpoint")),
        doc: "Hosts that stay closed whatever allows them, as `host` (every port) or `host:port`. Any pattern, `**` included.",
        absent: "none",
      },
      dns_deny: {
        shape: choice("answer", "nxdomain"),
        doc: "How DNS answers for a name that no rule allows: with an address, so that its connection is refused with the reason, or that it does not exist.",
        absent: "`answer`",
      },
      max_inspect_bytes: {
        shape: { type: "size" },
        doc: "The longest body that is held for a rule that must see it; a longer one is denied.",
        absent: "1 MiB",
      },
      rule: {
        shape: list(table(rule, ["host"])),
        doc: "What may be done with a host, in detail. Rules only add: what any rule or `allow` entry lets pass, passes.",
      },
    }),
  },
  upstream: {
    doc: "Where names lead, and whom to trust there.",
    shape: table({
      resolve: {
        shape: { type: "map", key: "host", of: some(text("upstream")) },
        doc: 'Where a name is: `"10.1.2.3"` or `"10.1.2.3:8443"`, instead of asking the system\'s resolver. A private address must also stand in a rule\'s `private`.',
        operator: true,
      },
      ca: {
        shape: some(text("file")),
        doc: "PEM files of certificate authorities that upstreams may use besides the system's.",
        operator: true,
      },
    }),
  },
  filesystem: {
    doc: "What the agent sees of the machine's files.",
    shape: table({
      default: {
        shape: choice("deny", "allow"),
        doc: "What happens to paths that nothing names: they are not there. What every cell shows (the system's programs, toolchains, the workspace) stays.",
        absent: "`deny`",
        enforced: ["deny"],
      },
      allow_read: {
        shape: list(text("place")),
        doc: "Paths shown read-only, with all that lies below: absolute, `~/…` or `./…` (the workspace). `/**` or `/*` at the end is the whole folder, now and later; a wildcard before that is what it finds when the run starts. A path that leads through a symbolic link is refused.",
        absent: "none",
        operator: true,
      },
      allow_write: {
        shape: list(text("place")),
        doc: "The same, to be written too. It must exist. In a workspace that is read-only, `./…` opens a part of it.",
        absent: "none",
        operator: true,
      },
      deny: {
        shape: list(text("place")),
        doc: "Paths that stay closed whatever shows them, the workspace included, with all that lies below: a folder is empty, a file cannot be opened. Any wildcard; what does not exist when the run starts is not closed.",
        absent: "none",
      },
      workspace: {
        shape: choice("write", "read", "copy"),
        doc: "How the working folder is shown.",
        absent: "`write`; `read` where `level` is `strict`",
        enforced: ["write", "read"],
      },
    }),
  },
  execution: {
    doc: "How the agent runs, and when it is stopped. Where a flag says otherwise, the tighter holds.",
    shape: table({
      level: {
        shape: choice("standard", "strict"),
        doc: "`strict`: the workspace is read-only unless allowed, nothing nested, no ptrace, the first violation ends the run.",
        absent: "`standard`",
      },
      max_runtime_seconds: {
        shape: { type: "duration" },
        doc: "The longest run: seconds, or `300s`, `5m`, `1h`.",
        absent: "no limit",
      },
      max_output_bytes: {
        shape: { type: "size" },
        doc: "The most that standard output and standard error together may carry: bytes, or `50MB`, `50MiB`.",
        absent: "no limit",
      },
      max_output_lines: { shape: count, doc: "The same in lines.", absent: "no limit" },
      max_requests: {
        shape: count,
        doc: "The most requests; the next is denied and ends the run.",
        absent: "no limit",
      },
      max_memory: { shape: { type: "size" }, doc: "The most memory.", absent: "4 GiB" },
      max_processes: { shape: count, doc: "The most processes and threads at a time.", absent: "1,024" },
      user: {
        shape: text("user"),
        doc: "Who the agent is in the cell, and on the host when sallyport was started by root: a user's name.",
        operator: true,
      },
      terminate_on_policy_violation: {
        shape: boolean,
        doc: "Whether the first denied action other than DNS ends the run.",
        absent: "`false`",
      },
      audit_all_actions: {
        shape: boolean,
        doc: "Whether every action is an event of its own. When it is not, allowed DNS answers and file reads may be summed.",
        absent: "`true`",
      },
      isolation: {
        shape: choice("process", "gvisor", "microvm", "wasm"),
        doc: "The cell's tier.",
        absent: "`process`",
        enforced: ["process"],
      },
      nested_sandbox: {
        shape: choice("deny", "allow"),
        doc: "Whether the agent may make sandboxes of its own.",
        absent: "`deny`",
      },
      spawn: {
        shape: list(text("rule-id")),
        doc: "Agents that a run under this policy's token may spawn, each with a part of what the policy allows.",
        absent: "none",
      },
      env: {
        shape: list(text("environment")),
        doc: "Environment variables that the agent is given: `NAME` as it is, or `NAME=VALUE`.",
        operator: true,
      },
      durability: {
        shape: choice("group", "each"),
        doc: "Whether events are synced to disk in groups within 5 ms, or each before its effect.",
        absent: "`group`",
      },
    }),
  },
  budget: {
    doc: "What may be spent.",
    shape: table({
      max_spend_usd: { shape: { type: "number", least: 0 }, doc: "The most dollars.", enforced: false },
      max_requests: { shape: count, doc: "The most metered requests.", enforced: false },
    }),
  },
  tools: {
    doc: "Which tools may be called over MCP.",
    shape: table({
      default: { shape: choice("deny", "allow"), doc: "What happens to tools that nothing names.", enforced: false },
      allow: { shape: list(text("text")), doc: "Tools that may be called.", enforced: false },
      deny: { shape: list(text("text")), doc: "Tools that may not.", enforced: false },
    }),
  },
  content: {
    doc: "What is looked for in requests and answers.",
    shape: table({
      scan: { shape: list(text("text")), doc: "Scanners that look.", enforced: false },
      redact: { shape: list(text("text")), doc: "Findings that are cut out.", enforced: false },
      block: { shape: list(text("text")), doc: "Findings that deny.", enforced: false },
    }),
  },
  approval: {
    doc: "Who is asked, and for how long.",
    shape: table({
      approvers: { shape: list(text("text")), doc: "Who may approve.", enforced: false },
      timeout_seconds: {
        shape: { type: "duration" },
        doc: "How long an action waits before it is denied.",
        enforced: false,
      },
    }),
  },
  label: {
    doc: "Names for kinds of data.",
    shape: list(
      table(
        {
          name: { shape: text("text"), doc: "The label.", enforced: false },
          match: { shape: some(text("text")), doc: "What bears it.", enforced: false },
        },
        ["name"],
      ),
    ),
  },
  hook: {
    doc: "Policy servers that are asked too.",
    shape: list(
      table({
        id: { shape: text("rule-id"), doc: "The hook's name.", enforced: false },
        rego: { shape: text("file"), doc: "A Rego module, or a bundle.", enforced: false },
        url: { shape: text("url"), doc: "A server that decides.", enforced: false },
        timeout_seconds: {
          shape: { type: "duration" },
          doc: "How long it may take before the action is denied.",
          enforced: false,
        },
      }),
    ),
  },
  violation: {
    doc: "What a denial does besides denying.",
    shape: table({
      action: {
        shape: choice("deny", "kill_process_group"),
        doc: "`kill_process_group` is `terminate_on_policy_violation = true` in other words.",
        absent: "`deny`",
      },
      on_revoke: {
        shape: choice("kill", "cut"),
        doc: "What happens to a run whose token was revoked or has expired: `kill` ends its processes at once, `cut` closes everything it has open and lets nothing more pass.",
        absent: "`kill`",
      },
      alert_webhook: {
        shape: text("url"),
        doc: "Where each denial's event is sent: a POST of its JSON, signed (`Sallyport-Signature`), tried again until it is taken.",
        absent: "nowhere",
        operator: true,
      },
    }),
  },
};

/** The form operators write in `/etc`, key by key, as the same schema. `constraints` takes the keys of `[execution]` too. */
export const operatorForm: { readonly [path: string]: string } = {
  "security_context.level": "execution.level",
  "security_context.user": "execution.user",
  "constraints.max_runtime": "execution.max_runtime_seconds",
  ...Object.fromEntries(
    ["max_output_bytes", "max_output_lines", "max_requests", "max_memory", "max_processes"].map((key) => [
      `constraints.${key}`,
      `execution.${key}`,
    ]),
  ),
  "constraints.network.allow_domains": "network.allow",
  "constraints.network.deny_domains": "network.deny",
  "constraints.network.default_policy": "network.default",
  "violation_protocol.action": "violation.action",
  "violation_protocol.alert_webhook": "violation.alert_webhook",
};
