// A cell to try things in, without a boundary: for the tests of this part. Run as a program it starts one and prints what
// happened as one line of JSON, so that a test can run it as another user, or end it with kill -9.
//   node fixture.ts '{"command":["id"],"base":"/tmp/…"}'

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Restored } from "./additions.ts";
import { cellEnvironment } from "./environment.ts";
import type { Limits } from "./limits.ts";
import { originalDestination } from "./original-destination.ts";
import { type CellSpec, prepareCell } from "./process.ts";
import { buildTrust } from "./trust.ts";

export interface Trial {
  readonly command: readonly string[];
  /** A folder for everything: workspace, home, scratch. */
  readonly base: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly limits?: Partial<Limits>;
  readonly level?: "standard" | "strict";
  readonly nestedSandbox?: boolean;
  readonly terminal?: { readonly columns: number; readonly rows: number };
  readonly input?: string;
  /** How often the input is repeated. */
  readonly times?: number;
  readonly authority?: string;
  readonly path?: string;
}

export interface Outcome {
  readonly uid: number;
  readonly code: number | null;
  readonly signal: string | null;
  readonly outOfMemory: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** `address:port` of every connection that reached the door. */
  readonly dialled: readonly string[];
  readonly queries: number;
  readonly restored: readonly Restored[];
}

export function layOut(base: string): { workspace: string; home: string; scratch: string } {
  const folders = { workspace: join(base, "workspace"), home: join(base, "home"), scratch: join(base, "scratch") };
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
  return folders;
}

/** What such a cell runs, and sees. `user`: its name in the cell. */
export function trialSpec(trial: Trial, user: string): CellSpec {
  const { workspace, home, scratch } = layOut(trial.base);
  const trust = trial.authority === undefined ? null : buildTrust(join(trial.base, "trust"), trial.authority);
  return {
    command: trial.command,
    cwd: workspace,
    env: cellEnvironment({
      host: { PATH: trial.path ?? "/usr/local/bin:/usr/bin:/bin" },
      extra: trial.env ?? {},
      home: "/home/agent",
      user: user,
      trust: trust !== null,
      terminal: trial.terminal !== undefined,
    }),
    view: {
      workspace,
      home: { path: "/home/agent", folder: home },
      sallyportHome: join(trial.base, "none"),
      scratch,
      readOnly: [],
      note: join(trial.base, "running", "trial.json"),
      files: null,
      trust,
      measured: null,
      shim: null,
      agent: null,
    },
    ...(trial.limits && { limits: trial.limits }),
    ...(trial.level && { level: trial.level }),
    ...(trial.nestedSandbox !== undefined && { nestedSandbox: trial.nestedSandbox }),
  };
}

export async function tryCell(trial: Trial): Promise<Outcome> {
  const { workspace } = layOut(trial.base);
  const cell = prepareCell({ workspace, ...(trial.terminal && { terminal: trial.terminal }) });
  const doors = await cell.doors;
  const dialled: string[] = [];
  let queries = 0;
  doors.tcp.on("connection", (socket) => {
    const destination = originalDestination(socket);
    dialled.push(`${destination?.address}:${destination?.port}`);
    socket.on("error", () => socket.destroy());
    socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    socket.resume();
  });
  doors.dns.on("connection", (socket) => {
    queries++;
    socket.destroy();
  });
  for (const socket of doors.udp)
    socket.on("message", (query, from) => {
      queries++;
      const answer = Buffer.from(query);
      answer[2] = 0x81;
      answer[3] = 0x83; // NXDOMAIN
      socket.send(answer, from.port, from.address);
    });
  try {
    const running = await cell.run(trialSpec(trial, cell.user.name));
    // A terminal hears its keys once the agent has said something.
    if (trial.terminal === undefined) running.stdin.end((trial.input ?? "").repeat(trial.times ?? 1));
    else running.stdout.once("data", () => running.stdin.write(trial.input ?? ""));
    const [stdout, stderr, exit] = await Promise.all([text(running.stdout), text(running.stderr), running.exited]);
    return { uid: cell.user.uid, ...exit, stdout, stderr, dialled, queries, restored: running.restore() };
  } finally {
    await cell.abandon();
  }
}

if (import.meta.main) {
  const outcome = await tryCell(JSON.parse(process.argv[2] ?? "{}") as Trial);
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
