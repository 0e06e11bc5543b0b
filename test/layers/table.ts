// The architecture as data: who may import whom, who owns which package and which power of Node, what must not be
// reachable however indirectly, and why. A rule that turns out wrong is changed here, with its reason.

export interface Part {
  readonly name: string;
  /** Other parts that it may import besides itself, core and lib; `*` is all. */
  readonly may: readonly string[];
  readonly why: string;
}

const judge = "a judgement is a function of what it is handed";
const keeper = "it keeps state behind a small interface and knows nobody";
const mover = "it is handed a gate and never decides";

/** A part may import itself, `core`, `lib` and what stands here. Core imports nothing, lib only core. */
export const parts: readonly Part[] = [
  { name: "core", may: [], why: "everything speaks it" },
  { name: "lib", may: [], why: "small nouns that know no part" },
  { name: "policy", may: [], why: judge },
  { name: "identity", may: [], why: judge },
  { name: "scan", may: [], why: judge },
  { name: "budget", may: [], why: keeper },
  { name: "audit", may: [], why: keeper },
  { name: "secret", may: [], why: keeper },
  { name: "proxy", may: [], why: mover },
  { name: "mcp", may: [], why: mover },
  { name: "sandbox", may: [], why: mover },
  { name: "session", may: [], why: mover },
  { name: "telemetry", may: [], why: mover },
  {
    name: "enforce",
    may: ["policy", "identity", "scan", "budget", "audit", "secret"],
    why: "the one order of the checks: it knows the judges and the keepers' interfaces, and does nothing else",
  },
  { name: "supervisor", may: ["proxy", "mcp", "sandbox", "session"], why: "it runs movers under a gate it is handed" },
  { name: "extauthz", may: [], why: "it translates a protocol to the gate" },
  {
    name: "control",
    may: ["policy", "identity", "budget", "audit"],
    why: "never a mover: the control plane does not touch a workload",
  },
  { name: "cli", may: ["*"], why: "the wiring" },
];

/** What `bin/` may start. */
export const binMay: readonly string[] = ["cli", "sandbox"];

export interface Owned {
  readonly what: string;
  /** Parts, or single files, that may use it. */
  readonly owners: readonly string[];
  readonly why: string;
}

/** Each package of package.json's dependencies has one owning part. */
export const packages: readonly Owned[] = [
  { what: "commander", owners: ["cli"], why: "the command line's own" },
  { what: "age-encryption", owners: ["control"], why: "keys are sealed and opened in one place" },
  { what: "@biscuit-auth/biscuit-wasm", owners: ["identity"], why: "tokens are made and verified in one place" },
  { what: "koffi", owners: ["sandbox"], why: "system calls that Node lacks are made in one place" },
  { what: "smol-toml", owners: ["policy"], why: "policy text is read in one place" },
  { what: "yaml", owners: ["policy"], why: "policy text is read in one place" },
];

/** Powers of Node that only some parts have. A built-in that is not here is free to all but the pure (below). */
export const builtins: readonly Owned[] = [
  {
    what: "node:child_process",
    owners: ["sandbox", "supervisor", "bin/sallyport.ts"],
    why: "processes are started by who can end them; bin only to start again under a newer Node",
  },
  {
    what: "node:http",
    owners: ["supervisor/inner/server.ts", "sandbox/inner-shim.mjs"],
    why: "the boundary authorises the bytes that it sends; a library would rewrite them. What sallyport itself answers is sent nowhere",
  },
  {
    what: "node:https",
    owners: [],
    why: "the boundary authorises the bytes that it sends; a library would rewrite them",
  },
  { what: "node:http2", owners: [], why: "a peer in tests only" },
  { what: "node:cluster", owners: [], why: "one process owns one cell" },
  {
    what: "node:vm",
    owners: ["sandbox/freed-memory.ts"],
    why: "no text becomes code, but the one word that fetches the engine's collector",
  },
  { what: "node:inspector", owners: [], why: "no door that the gate does not know" },
  {
    what: "node:process",
    owners: ["cli", "sandbox/inner-shim.mjs"],
    why: "the environment is read by the wiring alone",
  },
  {
    what: "node:net",
    owners: ["proxy", "supervisor", "sandbox", "cli", "lib"],
    why: "sockets belong to movers; lib takes only the address functions",
  },
  { what: "node:tls", owners: ["proxy"], why: "TLS ends in the boundary" },
  { what: "node:dgram", owners: ["proxy", "supervisor", "sandbox"], why: "sockets belong to movers" },
  { what: "node:dns", owners: ["proxy"], why: "names are resolved by the boundary, after the decision" },
  { what: "node:dns/promises", owners: ["proxy"], why: "names are resolved by the boundary, after the decision" },
];

/** Ambient things that only some may touch. */
export const ambient: readonly Owned[] = [
  {
    what: "process.env",
    owners: ["cli", "bin/sallyport.ts", "sandbox/inner-shim.mjs"],
    why: "only the wiring reads the environment",
  },
  {
    what: "process.argv",
    owners: ["cli", "bin/sallyport.ts", "sandbox/inbound/socket-maker.mjs", "sandbox/inner-shim.mjs"],
    why: "only the wiring reads the command line; the maker of sockets is a program of its own",
  },
  {
    what: "process.getBuiltinModule",
    owners: ["sandbox/inner-shim.mjs"],
    why: "an import that this test cannot see",
  },
  {
    what: "process.dlopen",
    owners: ["sandbox/native.ts", "src/sandbox/inbound/socket-maker.mjs"],
    why: "native code is loaded in one place, and in programs that run as text in a cell's namespaces",
  },
  { what: "require", owners: [], why: "an import that this test cannot see" },
  { what: "eval", owners: [], why: "no text becomes code" },
  { what: "Function", owners: [], why: "no text becomes code" },
  { what: "fetch", owners: [], why: "the program opens no connection of its own" },
  { what: "WebSocket", owners: [], why: "the program opens no connection of its own" },
];

export interface Closure {
  readonly name: string;
  /** Files, or folders ending in `/`, whose whole runtime reach is meant. */
  readonly from: readonly string[];
  /** Not there yet: the rule waits for it. */
  readonly later?: true;
  /** Files, or folders ending in `/`, that must not be reached. */
  readonly neverFiles?: readonly string[];
  /** The only built-ins that may be reached, with the only names that may be taken from them. */
  readonly builtins?: Readonly<Record<string, readonly string[]>>;
  readonly neverBuiltins?: readonly string[];
  readonly neverPackages?: readonly string[];
  readonly neverAmbient?: readonly string[];
  readonly why: string;
}

const network = [
  "node:net",
  "node:tls",
  "node:dgram",
  "node:dns",
  "node:dns/promises",
  "node:http",
  "node:https",
  "node:http2",
];
const clock = [
  "Date.now",
  "new Date",
  "Date",
  "performance.now",
  "performance",
  "setTimeout",
  "setInterval",
  "setImmediate",
];
const randomness = ["Math.random", "crypto", "crypto.getRandomValues", "crypto.randomUUID", "crypto.subtle"];
const world = ["process", "process.*", "console", "console.*", "fetch", "WebSocket", "globalThis", "globalThis.*"];

/** Built-ins without clock, randomness or I/O, as far as these names go. */
const pure = {
  "node:crypto": ["createHash", "hash", "verify", "createPublicKey", "timingSafeEqual", "KeyObject"],
  "node:module": ["createRequire"],
  "node:net": ["isIP", "isIPv4", "isIPv6", "BlockList", "SocketAddress"],
  "node:path": ["posix", "matchesGlob"],
  "node:path/posix": ["normalize", "matchesGlob", "join", "relative", "dirname", "basename"],
  "node:url": ["domainToASCII", "domainToUnicode"],
  "node:util": ["isDeepStrictEqual", "inspect"],
  "node:buffer": ["Buffer", "isUtf8", "isAscii"],
} as const;

export const closures: readonly Closure[] = [
  {
    name: "the judgement of policy",
    from: ["src/policy/", "src/core/"],
    builtins: pure,
    neverAmbient: [...clock, ...randomness, ...world],
    why: "the same action under the same policy gets the same decision: time is an argument, and nothing is read or asked",
  },
  {
    name: "the verification of tokens",
    from: ["src/identity/token/verify.ts"],
    later: true,
    builtins: pure,
    neverAmbient: [...clock, ...randomness, ...world],
    why: "a token is valid or not at a time that the caller names, whoever looks",
  },
  {
    name: "the reader of the log",
    from: ["src/audit/verify/"],
    neverFiles: ["src/audit/log/event-log.ts", "src/session/", "src/enforce/", "src/proxy/", "src/sandbox/"],
    neverBuiltins: [...network, "node:child_process", "node:worker_threads"],
    neverPackages: ["koffi"],
    neverAmbient: ["fetch", "WebSocket"],
    why: "who verifies must not be able to write what it verifies, and needs nobody's answer",
  },
  {
    name: "the sidecar of a pod",
    from: ["bin/forwarder.ts"],
    later: true,
    neverFiles: ["src/policy/", "src/secret/", "src/identity/", "src/proxy/tls/", "src/enforce/"],
    neverBuiltins: ["node:tls", "node:crypto", "node:child_process"],
    why: "it holds no policy, key, secret or TLS key, so nothing can be taken from it",
  },
  {
    name: "the order of the checks",
    from: ["src/enforce/"],
    neverFiles: ["src/proxy/", "src/mcp/", "src/sandbox/", "src/session/", "src/supervisor/", "src/cli/"],
    neverBuiltins: [...network, "node:child_process"],
    why: "the gate decides and moves nothing",
  },
];

/** Words that must stand in no source file: the cell has no proxy variables, because nothing in it needs to cooperate. */
export const forbiddenWords: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  {
    pattern: /^(npm_config_)?(https?|ftp|all|no|socks)_proxy$/i,
    why: "no proxy variables: an agent that ignores them must be caught as well",
  },
];

/** Files that run when they are started, so may act at their top level. */
export const programs: readonly string[] = [
  "bin/",
  "src/sandbox/inbound/socket-maker.mjs",
  "src/sandbox/inner-shim.mjs",
];

/** Files that keep something at their top level between calls, each with the reason. */
export const keepers: Readonly<Record<string, string>> = {
  "src/sandbox/native.ts": "the C library is loaded once a process, by the first call",
  "src/identity/token/biscuit.ts": "the library is loaded once a process, by the first call",
};

/** Files that import what only running them would tell, each with the reason. */
export const unseenImports: Readonly<Record<string, string>> = {
  "src/identity/token/biscuit.ts": "the package's own entry cannot be loaded by Node, so its parts are",
};

/** Folder and file names that say nothing. */
export const emptyNames = /^(utils?|helpers?|common|managers?|misc|shared|stuff|types|index)$/;

/** A file with more lines needs an entry in `longFiles`; a test is a list of cases and may be longer. */
export const longFile = { source: 400, test: 600 };

/** Files over the limit, each with the reason why it reads better whole. */
export const longFiles: Readonly<Record<string, string>> = {
  "src/proxy/http/http-connection.ts":
    "one connection's conversation: what comes next, for both sides and in every state, is decided in one place",
};
