// Git's own smart HTTP server (`git http-backend`, a CGI program) behind TLS: clone, fetch and push as a real forge serves them.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import type { Leaf } from "./certificate-authority.ts";
import { startServer, type TestServer } from "./https-server.ts";

export interface GitServer extends TestServer {
  /** Runs git in the bare repository of that name, for looking at what arrived. */
  git(repository: string, ...args: string[]): string;
}

/** Serves bare repositories `<name>.git` made under `root`, each with one commit on `main` holding README.md. */
export async function startGitServer(o: {
  leaf: Leaf;
  root: string;
  repositories: readonly string[];
}): Promise<GitServer> {
  const run = (cwd: string, ...args: string[]): string =>
    execFileSync(
      "git",
      ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main", ...args],
      {
        cwd,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      },
    ).trim();

  for (const name of o.repositories) {
    const bare = join(o.root, `${name}.git`);
    mkdirSync(bare, { recursive: true });
    run(bare, "init", "--quiet", "--bare");
    run(bare, "config", "http.receivepack", "true");
    const tree = run(bare, "hash-object", "-w", "-t", "tree", "/dev/null");
    const commit = run(bare, "commit-tree", "-m", "first", tree);
    run(bare, "update-ref", "refs/heads/main", commit);
  }

  const seen: TestServer["requests"] = [];
  const server = await startServer({
    leaf: o.leaf,
    listener: (request, response) => {
      const [path = "/", query = ""] = (request.url ?? "/").split("?");
      seen.push({
        method: request.method ?? "",
        url: request.url ?? "",
        host: request.headers.host ?? "",
        headers: request.headers,
        body: "",
      });
      const backend = spawn("git", ["http-backend"], {
        env: {
          PATH: process.env.PATH,
          GIT_PROJECT_ROOT: o.root,
          GIT_HTTP_EXPORT_ALL: "1",
          // the repositories belong to whoever runs the test, root included
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: "safe.directory",
          GIT_CONFIG_VALUE_0: "*",
          PATH_INFO: path,
          QUERY_STRING: query,
          REQUEST_METHOD: request.method,
          CONTENT_TYPE: request.headers["content-type"] ?? "",
          GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
          REMOTE_USER: "test",
          REMOTE_ADDR: "127.0.0.1",
        },
        stdio: ["pipe", "pipe", "inherit"],
      });
      const body = request.headers["content-encoding"] === "gzip" ? request.pipe(createGunzip()) : request;
      body.pipe(backend.stdin);
      // git may answer before it has read everything
      backend.stdin.on("error", () => request.unpipe());

      let head = Buffer.alloc(0);
      let started = false;
      backend.stdout.on("data", (chunk: Buffer) => {
        if (started) {
          response.write(chunk);
          return;
        }
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf("\r\n\r\n");
        if (end < 0) return;
        started = true;
        for (const line of head.subarray(0, end).toString("latin1").split("\r\n")) {
          const colon = line.indexOf(":");
          const name = line.slice(0, colon);
          const value = line.slice(colon + 1).trim();
          if (name.toLowerCase() === "status") response.statusCode = Number.parseInt(value, 10);
          else response.setHeader(name, value);
        }
        response.write(head.subarray(end + 4));
      });
      backend.stdout.on("end", () => response.end());
    },
  });
  return { ...server, requests: seen, git: (repository, ...args) => run(join(o.root, `${repository}.git`), ...args) };
}
