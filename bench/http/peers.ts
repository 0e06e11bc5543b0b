// The other programs of the measurement, and where they run: core 0 has the origin and the load, core 1 what is measured.
// Everything is made in one folder, and everything started is stopped again.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";

export const ports = { originPlain: 18_080, origin: 18_443, haproxy: 19_443, sallyport: 19_444, mitmproxy: 19_445 };

export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly process: ChildProcess;
  /** Lines of stdout so far. */
  readonly output: () => string;
}

const answer = JSON.stringify({
  id: "msg_01",
  type: "message",
  role: "assistant",
  model: "m",
  content: [{ type: "text", text: "The quick brown fox jumps over the lazy dog. ".repeat(22) }],
  usage: { input_tokens: 12, output_tokens: 220 },
});

function nginxConfiguration(folder: string): string {
  return `worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.err error;
events { worker_connections 16384; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s; default_type application/json; tcp_nodelay on;
  client_body_temp_path ${folder}/t1; proxy_temp_path ${folder}/t2; fastcgi_temp_path ${folder}/t3;
  uwsgi_temp_path ${folder}/t4; scgi_temp_path ${folder}/t5;
  server {
    listen 127.0.0.1:${ports.originPlain} backlog=4096;
    listen 127.0.0.1:${ports.origin} ssl backlog=4096;
    ssl_certificate ${folder}/leaf.pem; ssl_certificate_key ${folder}/leaf.key;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:S:4m;
    location / {
      add_header request-id req_011CXyz; add_header x-ratelimit-remaining 998;
      return 200 '${answer}';
    }
  }
}
`;
}

function haproxyConfiguration(folder: string): string {
  return `global
  nbthread 1
  maxconn 8000
  ssl-server-verify required
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  mode http
  option http-keep-alive
  http-reuse always
  retries 0
frontend in
  bind 127.0.0.1:${ports.haproxy} ssl crt ${folder}/both.pem
  acl method_ok method GET POST
  acl host_ok req.hdr(host) -m beg localhost
  acl path_ok path_beg /v1/
  http-request deny unless method_ok host_ok path_ok
  http-request del-header x-api-key
  http-request set-header authorization "Bearer sk-real-credential-0123456789abcdef0123456789abcdef"
  default_backend out
backend out
  server s 127.0.0.1:${ports.origin} ssl verify required ca-file ${folder}/ca.pem sni str(localhost) verifyhost localhost
`;
}

/** Certificates of an authority made for this run's origin. */
function makeCertificates(folder: string): void {
  if (existsSync(join(folder, "both.pem"))) return;
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=bench authority");
  openssl("req", ...key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost");
  writeFileSync(join(folder, "names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "names"];
  openssl("x509", "-req", "-in", "leaf.csr", ...signed, "-out", "leaf.pem");
  const both = readFileSync(join(folder, "leaf.pem"), "utf8") + readFileSync(join(folder, "leaf.key"), "utf8");
  writeFileSync(join(folder, "both.pem"), both);
}

/** mitmproxy in an environment of its own below the cache; null where pip cannot have it. */
function installMitmproxy(cache: string): string | null {
  const program = join(cache, "mitmproxy/bin/mitmdump");
  if (existsSync(program)) return program;
  try {
    execFileSync("python3", ["-m", "venv", join(cache, "mitmproxy")], { stdio: "inherit" });
    execFileSync(join(cache, "mitmproxy/bin/pip"), ["install", "-q", "mitmproxy"], { stdio: "inherit" });
    return program;
  } catch (error) {
    process.stderr.write(`mitmproxy is not measured: ${String(error)}\n`);
    return null;
  }
}

async function listening(port: number, child: ChildProcess, name: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    const socket = connect(port, "127.0.0.1");
    const up = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (up) return;
    await after(50);
  }
  throw new Error(`${name} does not listen on ${port}`);
}

export class Stage {
  readonly folder: string;
  readonly log: string;
  readonly #children: ChildProcess[] = [];
  readonly #mitmproxy: string | null;

  constructor(cache: string, withMitmproxy: boolean) {
    this.folder = join(cache, "http");
    mkdirSync(this.folder, { recursive: true });
    makeCertificates(this.folder);
    this.#mitmproxy = withMitmproxy ? installMitmproxy(cache) : null;
    this.log = join(this.folder, `events-${process.pid}.jsonl`);
  }

  /** Keeps both cores from idling down, which costs more on virtual machines than anything measured here. */
  spin(): void {
    for (const core of ["0", "1"])
      this.#start(["chrt", "-i", "0", "taskset", "-c", core, "sh", "-c", "while :; do :; done"]);
  }

  async origin(): Promise<Peer> {
    const file = join(this.folder, "nginx.conf");
    writeFileSync(file, nginxConfiguration(this.folder));
    return this.#peer("nginx", ports.origin, ["taskset", "-c", "0", "nginx", "-p", this.folder, "-c", file]);
  }

  async haproxy(): Promise<Peer> {
    const file = join(this.folder, "haproxy.cfg");
    writeFileSync(file, haproxyConfiguration(this.folder));
    return this.#peer("haproxy", ports.haproxy, ["taskset", "-c", "1", "haproxy", "-f", file, "-db", "-q"]);
  }

  async sallyport(flags: readonly string[] = []): Promise<Peer> {
    const template = readFileSync(join(import.meta.dirname, "policy.toml"), "utf8");
    const policy = join(this.folder, "policy.toml");
    const filled = template
      .replace("PORT", String(ports.sallyport))
      .replace("UPSTREAM", String(ports.origin))
      .replace("CA", join(this.folder, "ca.pem"));
    writeFileSync(policy, filled);
    const program = [process.execPath, ...flags, join(import.meta.dirname, "sut.ts")];
    const paths = ["--policy", policy, "--home", join(this.folder, "home"), "--log", this.log];
    const command = ["taskset", "-c", "1", ...program, "--port", String(ports.sallyport), ...paths];
    return this.#peer("sallyport", ports.sallyport, command);
  }

  async mitmproxy(): Promise<Peer | null> {
    if (this.#mitmproxy === null) return null;
    return this.#peer("mitmproxy", ports.mitmproxy, [
      ...["taskset", "-c", "1", this.#mitmproxy, "-q", "--mode", `reverse:https://localhost:${ports.origin}`],
      ...["--listen-host", "127.0.0.1", "-p", String(ports.mitmproxy), "--set", "keep_host_header=true"],
      ...["--set", `ssl_verify_upstream_trusted_ca=${join(this.folder, "ca.pem")}`],
      ...["--set", `confdir=${join(this.folder, "mitmproxy")}`],
    ]);
  }

  async stop(peer: Peer): Promise<string> {
    if (peer.process.exitCode === null) {
      const ended = once(peer.process, "exit");
      peer.process.kill("SIGTERM");
      await ended;
    }
    return peer.output();
  }

  /** Asks everything to end, and waits: nginx killed outright would leave its worker. */
  async close(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        await ended;
      }),
    );
  }

  #start(command: readonly string[]): ChildProcess {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#children.push(child);
    return child;
  }

  async #peer(name: string, port: number, command: readonly string[]): Promise<Peer> {
    const child = this.#start(command);
    let output = "";
    child.stdout?.on("data", (more: Buffer) => {
      output += more.toString();
    });
    await listening(port, child, name);
    return { name, port, process: child, output: () => output };
  }
}
