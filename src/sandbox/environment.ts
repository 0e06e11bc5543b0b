// The environment of the agent, made anew from an allow list; nothing of the caller's leaks through what was forgotten.
// Rules: no name that configures a proxy is ever in it, whoever asks; the variables that make runtimes trust the boundary's
// authority are set last.

import { trustPaths } from "./trust.ts";

const kept = new Set([
  "PATH",
  "SHELL",
  "LANG",
  "LANGUAGE",
  "TERM",
  "COLORTERM",
  "TERM_PROGRAM",
  "TERM_PROGRAM_VERSION",
  "TZ",
  "NO_COLOR",
  "FORCE_COLOR",
  "CLICOLOR",
  "CI",
  "COLUMNS",
  "LINES",
  "EDITOR",
  "VISUAL",
  "PAGER",
  "DEBIAN_FRONTEND",
  "SOURCE_DATE_EPOCH",
  "PYTHONUNBUFFERED",
  "PYTHONDONTWRITEBYTECODE",
  // Where toolchains are; their folders are in the view.
  "NVM_DIR",
  "NVM_BIN",
  "VOLTA_HOME",
  "PNPM_HOME",
  "BUN_INSTALL",
  "DENO_INSTALL",
  "PYENV_ROOT",
  "PYENV_VERSION",
  "VIRTUAL_ENV",
  "CONDA_PREFIX",
  "CONDA_DEFAULT_ENV",
  "RUSTUP_HOME",
  "RUSTUP_TOOLCHAIN",
  "GOROOT",
  "GOTOOLCHAIN",
  "JAVA_HOME",
  "SDKMAN_DIR",
  "RBENV_ROOT",
  "ASDF_DIR",
  "MISE_DATA_DIR",
  "DOTNET_ROOT",
]);

/** Where a cell's `sallyport` command is, in PATH before everything else; see inner-shim.ts. */
export const shimPath = "/run/sallyport-cli/bin";

const locale = /^LC_[A-Z_]+$/;
const proxy = /(^|_)proxy$/i;
const name = /^[A-Za-z_][A-Za-z0-9_]*$/;

export interface EnvironmentQuestion {
  /** The caller's environment. */
  readonly host: Readonly<Record<string, string | undefined>>;
  /** What `--env` and `[execution] env` add or change. */
  readonly extra: Readonly<Record<string, string>>;
  readonly home: string;
  readonly user: string;
  /** True when a CA bundle is in the view. */
  readonly trust: boolean;
  readonly terminal: boolean;
  /** The `sallyport` command of a cell is shown, so it is found. */
  readonly shim?: boolean;
}

export function cellEnvironment(question: EnvironmentQuestion): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [key, value] of Object.entries(question.host))
    if (value !== undefined && (kept.has(key) || locale.test(key))) env[key] = value;
  env.PATH ??= "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  if (question.shim) env.PATH = `${shimPath}:${env.PATH}`;
  if (question.terminal) env.TERM ??= "xterm-256color";
  Object.assign(env, {
    HOME: question.home,
    USER: question.user,
    LOGNAME: question.user,
    TMPDIR: "/tmp",
    SALLYPORT: "1",
    GIT_TERMINAL_PROMPT: "0", // a password typed there would be the agent's
  });
  env.SHELL ??= "/bin/sh";
  if (question.trust) Object.assign(env, trustVariables);
  for (const [key, value] of Object.entries(question.extra)) if (name.test(key)) env[key] = value;
  for (const key of Object.keys(env)) if (proxy.test(key) || env[key]?.includes("\0")) delete env[key];
  return env;
}

const trustVariables: Readonly<Record<string, string>> = {
  SSL_CERT_FILE: trustPaths.bundle, // OpenSSL, Go, Ruby, uv
  SSL_CERT_DIR: trustPaths.folder,
  CURL_CA_BUNDLE: trustPaths.bundle,
  REQUESTS_CA_BUNDLE: trustPaths.bundle,
  HTTPLIB2_CA_CERTS: trustPaths.bundle,
  PIP_CERT: trustPaths.bundle,
  AWS_CA_BUNDLE: trustPaths.bundle,
  CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE: trustPaths.bundle,
  GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: trustPaths.bundle,
  GIT_SSL_CAINFO: trustPaths.bundle,
  CARGO_HTTP_CAINFO: trustPaths.bundle,
  NIX_SSL_CERT_FILE: trustPaths.bundle,
  NODE_EXTRA_CA_CERTS: trustPaths.authority, // added to Node's and Bun's own list
  DENO_CERT: trustPaths.authority,
  DENO_TLS_CA_STORE: "mozilla,system",
};
