// The program as a user has it: `bin/sallyport` as a process, its exit code, its streams, and the files it leaves in its home.
// Nothing of the source is imported: what these tests know is what an outsider can know.

import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const program = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "bin", "sallyport");

export interface Ran {
  /** What a shell would see in `$?`. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: { readonly stdout: Buffer; readonly stderr: Buffer };
}

/** A home, a workspace and a folder for fixtures, side by side; removed by `close`. */
export interface Place {
  readonly root: string;
  readonly home: string;
  readonly workspace: string;
  /** Writes a policy beside the workspace and returns its path. */
  policy(text: string): string;
  run(args: readonly string[], o?: RunOptions): Promise<Ran>;
  start(args: readonly string[], o?: RunOptions): ChildProcess;
  /** Ids of the sessions in the home, oldest first. */
  sessions(): readonly string[];
  /** The events of a session; of the newest when none is named. */
  events(session?: string): readonly LoggedEvent[];
  file(session: string, name: string): Buffer;
  record(session?: string): { readonly [key: string]: unknown };
  close(): void;
}

export interface RunOptions {
  readonly env?: { readonly [name: string]: string | undefined };
  readonly cwd?: string;
  readonly input?: string | Buffer;
}

/** A line of events.jsonl, as far as tests read it. */
export interface LoggedEvent {
  readonly seq: number;
  readonly time: string;
  readonly type: string;
  readonly session: string;
  readonly prev: string;
  readonly action?: {
    readonly kind: string;
    readonly host?: string;
    readonly path?: string;
    readonly method?: string;
    readonly port?: number;
  };
  readonly decision?: { readonly decision: string; readonly deny_reason?: string; readonly rule?: string | null };
  readonly subject?: { readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

export function openPlace(name: string, parent = tmpdir()): Place {
  const root = mkdtempSync(join(parent, `sallyport-${name}-`));
  const home = join(root, "home");
  const workspace = join(root, "workspace");
  mkdirSync(home, { mode: 0o700 });
  mkdirSync(workspace);
  let policies = 0;

  const start = (args: readonly string[], o: RunOptions = {}): ChildProcess => {
    return spawn(program, args, {
      cwd: o.cwd ?? workspace,
      env: { ...process.env, SALLYPORT_HOME: home, NO_COLOR: "1", FORCE_COLOR: undefined, ...o.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
  };

  // ids are ordered by their second only
  const sessions = (): readonly string[] => {
    const folder = join(home, "sessions");
    if (!existsSync(folder)) return []; // a run that was refused early has made none
    const started = (id: string): string => {
      const file = join(folder, id, "session.json");
      return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { started: string }).started : "";
    };
    return readdirSync(folder).sort((a, b) => (started(a) < started(b) ? -1 : 1));
  };
  const newest = (): string => {
    const id = sessions().at(-1);
    if (id === undefined) throw new Error("the home has no session");
    return id;
  };
  const file = (session: string, file_: string): Buffer => readFileSync(join(home, "sessions", session, file_));

  return {
    root,
    home,
    workspace,
    policy(text) {
      policies += 1;
      const path = join(root, `policy-${policies}.toml`);
      writeFileSync(path, text.startsWith("#") ? text : `# zero_trust.runtime.v1\n${text}`);
      return path;
    },
    start,
    run(args, o = {}) {
      const child = start(args, o);
      return collect(child, o.input);
    },
    sessions,
    events: (session = newest()) =>
      file(session, "events.jsonl")
        .toString("utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as LoggedEvent),
    file,
    record: (session = newest()) =>
      JSON.parse(file(session, "session.json").toString("utf8")) as { [key: string]: unknown },
    close() {
      // ended sessions are read-only, also for the user who made them
      for (const id of sessions()) chmodSync(join(home, "sessions", id), 0o700);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Feeds a child its input and waits for its end and the end of its streams. */
export function collect(child: ChildProcess, input?: string | Buffer): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
    child.once("error", reject);
    child.once("close", (code, signal) => {
      const stdout = Buffer.concat(out);
      const stderr = Buffer.concat(err);
      resolve({
        code: code ?? 128 + (signalNumbers[signal ?? ""] ?? 0),
        stdout: stdout.toString("utf8"),
        stderr: stderr.toString("utf8"),
        bytes: { stdout, stderr },
      });
    });
    // a command that does not read its input closes it: not the test's concern
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

const signalNumbers: { readonly [name: string]: number } = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGTERM: 15,
};

/** The decisions of a log on a host, e.g. `["allow http GET /x", "deny dns"]`. */
export function decisionsOn(events: readonly LoggedEvent[], host: string): readonly LoggedEvent[] {
  return events.filter((event) => event.type === "action" && event.action?.host === host);
}
