// `POST /v1/spawn`: an agent begins another, as a run of its own: its own cell, session and token, and of what the first may
// do and hand on exactly what is named here. Nothing is inherited: not the environment, not the files, not a host.
//
//   {agent_id, command: [...], allow: ["host:port", …], policy?, files?: {name: base64}, env?: {NAME: VALUE}, stdin?: base64,
//    task?, max_requests?, max_runtime_seconds?, spawn?: [...]}
//   answered by lines: {session}, {stream, data: base64}…, {exit_code, session}

import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { EventLog } from "#audit/log/event-log.ts";
import type { JsonValue } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import type { LendingGate } from "#enforce/gate.ts";
import type { Narrowing } from "#identity/token/claims.ts";
import { longestToken } from "#identity/token/verify.ts";
import { policyFromFlags } from "#policy/extend.ts";
import { hostNarrowing, narrowingPolicy } from "#policy/narrow.ts";
import type { PolicyDocument } from "#policy/policy.ts";
import { type Child, spawnChild } from "#supervisor/child.ts";
import { type InnerAnswer, InnerRefusal, type InnerRequest } from "#supervisor/inner/server.ts";
import type { HeldToken } from "./held-token.ts";
import { handedEnvironment, spawnedFolder } from "./lifeline.ts";
import type { Run } from "./recorded-run.ts";
import { readSpawnWish, type SpawnWish } from "./spawn-wish.ts";

export interface Spawning {
  spawn(request: InnerRequest): Promise<InnerAnswer>;
  /** Ends every spawned run and waits for its end. */
  close(): Promise<void>;
}

/** Spawned runs of one run at a time. */
const mostChildren = 16;

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

export interface SpawningOptions {
  readonly run: Run;
  readonly gate: LendingGate;
  readonly log: EventLog;
  readonly owner: FileOwner;
  /** Infinity where there is no limit. */
  readonly secondsLeft: () => number;
}

export function openSpawning({ run, gate, log, owner, secondsLeft }: SpawningOptions): Spawning {
  const children = new Set<Child>();
  let closed = false;
  // All from here to the started child happens in one turn, so that many who ask at once are counted one after another.
  const begin = (request: InnerRequest, wish: SpawnWish, narrowing: PolicyDocument, token: string): InnerAnswer => {
    maySpawn(run, closed, children.size);
    if (request.gone.aborted) throw ending();
    const requests = narrowing.execution?.max_requests ?? null;
    if (requests !== null && requests > gate.requestsLeft) throw exhausted(gate.requestsLeft);
    const workspace = makeWorkspace(wish, owner);
    let child: Child;
    try {
      log.append({
        type: "agent.spawned",
        detail: {
          agent_id: wish.agent_id,
          command: wish.command,
          files: Object.keys(wish.files),
          policy: narrowing as unknown as JsonValue,
        },
      });
      child = spawnChild(commandOf(run, wish, workspace, token));
    } catch (error) {
      rmSync(workspace, { recursive: true, force: true });
      throw error;
    }
    if (requests !== null) gate.lend(requests);
    children.add(child);
    request.gone.addEventListener("abort", () => child.end());
    return linesOf(child, log, wish, (used) => {
      children.delete(child);
      rmSync(workspace, { recursive: true, force: true });
      // Who could not say what it used has used what it was given.
      if (requests !== null) gate.giveBack(Math.max(0, requests - (used ?? requests)));
    });
  };
  return {
    async spawn(request) {
      const held = maySpawn(run, closed, children.size);
      const wish = readSpawnWish(request.body);
      const narrowing = narrowingOf(wish, held, gate, secondsLeft());
      const token = await handDown(held, run.folder.id, wish, narrowing);
      return begin(request, wish, narrowing, token);
    },
    async close() {
      closed = true;
      for (const child of children) child.end();
      await Promise.all([...children].map((child) => child.ended));
    },
  };
}

/** @throws InnerRefusal */
function maySpawn({ held }: Run, closed: boolean, children: number): HeldToken {
  if (closed) throw ending();
  if (held === null) {
    throw new InnerRefusal(
      403,
      "token_invalid",
      "this run is under no token, so it has nothing to hand down",
      "Start it under one: sallyport auth issue-token.",
    );
  }
  if (children >= mostChildren)
    throw new InnerRefusal(429, "requests_exhausted", `${mostChildren} agents run already`, "Wait for one to end.");
  return held;
}

function ending(): InnerRefusal {
  return new InnerRefusal(503, "internal_error", "this run is ending", "Spawn nothing more.");
}

function exhausted(left: number): InnerRefusal {
  return new InnerRefusal(429, "requests_exhausted", `${left} requests are left`, "Ask for fewer.");
}

/** What is asked for, in the form that can only take away. @throws InnerRefusal */
function narrowingOf(wish: SpawnWish, held: HeldToken, gate: LendingGate, secondsLeft: number): PolicyDocument {
  if (!held.spawnable.includes(wish.agent_id)) {
    throw new InnerRefusal(
      403,
      "agent_unknown",
      `this agent may not spawn ${wish.agent_id}`,
      held.spawnable.length === 0
        ? "Name the agents that it may spawn in the policy: [execution] spawn."
        : `It may spawn ${held.spawnable.join(", ")}.`,
    );
  }
  const left = gate.requestsLeft;
  const base = wish.policy === null ? allowed(wish.allow) : asked(wish.policy);
  const wished = least(wish.max_requests, base.execution?.max_requests);
  const requests = wished ?? (Number.isFinite(left) ? left : null);
  if (requests !== null && (requests > left || requests < 1)) throw exhausted(left);
  const runtime = Math.min(
    least(wish.max_runtime_seconds, base.execution?.max_runtime_seconds) ?? Number.POSITIVE_INFINITY,
    secondsLeft,
  );
  const execution = {
    ...base.execution,
    ...(requests === null ? {} : { max_requests: requests }),
    ...(Number.isFinite(runtime) ? { max_runtime_seconds: Math.max(1, Math.floor(runtime)) } : {}),
    spawn: wish.spawn,
    // Nothing is inherited: what the parent's policy puts into its environment is the parent's.
    env: base.execution?.env ?? [],
  };
  const policy: PolicyDocument = { ...base, network: base.network ?? { default: "deny" }, execution };
  return asked(policy);
}

function least(one: number | null, other: number | undefined): number | null {
  return one === null ? (other ?? null) : Math.min(one, other ?? one);
}

/** @throws InnerRefusal */
function allowed(allow: readonly string[]): PolicyDocument {
  return refusing(() => hostNarrowing(policyFromFlags(allow).document.network?.allow ?? []));
}

/** @throws InnerRefusal */
function asked(policy: unknown): PolicyDocument {
  return refusing(() => narrowingPolicy(policy, "policy").document);
}

function refusing<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new InnerRefusal(400, error.code, error.message, error.remedy ?? "Name hosts as host or host:port.");
  }
}

async function handDown(held: HeldToken, session: string, wish: SpawnWish, policy: PolicyDocument): Promise<string> {
  const narrowing: Narrowing & { agent: string } = {
    v: 1,
    agent: wish.agent_id,
    policy: policy as unknown as JsonValue,
    ...(wish.task === null ? {} : { task: wish.task }),
  };
  try {
    const token = await held.childToken(session, narrowing);
    if (token.length <= longestToken) return token;
    throw new RangeError("the policies of all hands together are longer than a token may be");
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InnerRefusal(403, "token_invalid", error.message, "Spawn from an agent further up.");
  }
}

/** A folder with the files that were handed over, and nothing else; as root it is the agent's own user's. */
function makeWorkspace({ files }: SpawnWish, owner: FileOwner): string {
  const folder = mkdtempSync(join(tmpdir(), spawnedFolder));
  try {
    fillWorkspace(folder, files, owner);
    return folder;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    const why = (error as Error).message;
    throw new InnerRefusal(400, "usage", `the files cannot be written: ${why}`, "Hand over fewer, or shorter names.");
  }
}

function fillWorkspace(folder: string, files: SpawnWish["files"], owner: FileOwner): void {
  const made = new Set([folder]);
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name);
    for (let at = dirname(file); !made.has(at); at = dirname(at)) made.add(at);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { flag: "wx", mode: 0o755 });
    made.add(file);
  }
  if (process.geteuid?.() === 0) for (const at of made) chownSync(at, owner.uid, owner.gid);
}

function commandOf(run: Run, wish: SpawnWish, cwd: string, token: string) {
  const words = ["run", "--quiet", "--no-tty", "--no-profile", "--spawned-by", run.folder.id, "--"];
  return {
    program: process.execPath,
    args: [...process.execArgv, process.argv[1] ?? "", ...words, ...wish.command],
    cwd,
    env: {
      PATH: process.env.PATH ?? "",
      HOME: process.env.HOME ?? "",
      SALLYPORT_HOME: run.home.path,
      SALLYPORT_TOKEN: token,
      // Not as words: those are seen by everybody on the machine.
      [handedEnvironment]: JSON.stringify(wish.env),
    },
    input: wish.stdin,
  };
}

async function* linesOf(
  child: Child,
  log: EventLog,
  wish: SpawnWish,
  done: (requests: number | null) => void,
): AsyncIterable<{ readonly [key: string]: JsonValue }> {
  let code: number | null = null;
  try {
    for await (const line of child.lines) {
      if ("exit" in line) code = line.exit;
      else yield { stream: line.stream, data: line.data.toString("base64") };
    }
    yield { exit_code: code, session: child.said().session };
  } finally {
    child.end();
    await child.ended;
    log.append({
      type: "agent.returned",
      detail: { agent_id: wish.agent_id, session: child.said().session, exit_code: code },
    });
    done(child.said().requests);
  }
}
