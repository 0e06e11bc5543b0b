// What `sallyport run` does first: begins the cell, finds the home and the policy, and fixes who runs under which caps.
// The cell's namespaces come up while all else is loaded, because they take the longest.

import { homedir, userInfo } from "node:os";
import { Failure } from "#core/failure.ts";
import type { Subject } from "#core/subject.ts";
import type { CompiledPolicy } from "#policy/compile.ts";
import { type BegunCell, beginCell } from "#sandbox/begin.ts";
import { takeCell } from "#sandbox/process.ts";
import { type HostUser, hostUser } from "#sandbox/user.ts";
import { checkWorkspace } from "#sandbox/workspace.ts";
import { createSessionFolder } from "#session/folder.ts";
import { createEnding } from "#supervisor/ending.ts";
import { type Home, homePath, openHome } from "../home.ts";
import { findPolicy } from "../policy/source.ts";
import { profileNameOf } from "../profile/names.ts";
import type { RunProfile } from "../profile/source.ts";
import type { RunSummary } from "../summary/summary.ts";
import type { Attested } from "./attestation.ts";
import { closeCell } from "./closed-cell.ts";
import type { HeldToken, TokenText } from "./held-token.ts";
import { nothingNoted } from "./interrupted-runs.ts";
import type { Caps, Run } from "./recorded-run.ts";
import type { Attempt } from "./refused-run.ts";
import { createRunReport } from "./run-report.ts";
import { terminalSize, wantsTerminal } from "./terminal.ts";

export interface RunFlags {
  readonly policy?: string;
  readonly token?: string;
  readonly allow: readonly string[];
  /** seconds */
  readonly maxRuntime?: number;
  readonly maxOutputLines?: number;
  /** bytes */
  readonly maxOutputBytes?: number;
  readonly maxRequests?: number;
  /** seconds */
  readonly grace: number;
  readonly env: readonly string[];
  /** False with `--no-profile`. */
  readonly profile?: string | false;
  readonly publish: readonly string[];
  readonly observe?: boolean;
  /** False with `--no-session`. */
  readonly session: boolean;
  readonly summary?: readonly string[];
  readonly detach?: boolean;
  /** This is the run that `--detach` has started: the size of its terminal, should it have one. */
  readonly detached?: string;
  /** An agent of this session has spawned this run. */
  readonly spawnedBy?: string;
  readonly tty?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/**
 * Runs the command to its end and gives sallyport's exit code. `early` is the cell that could begin before the policy was
 * read; another is made when the policy names another user.
 * @throws Failure when nothing of it could be started.
 */
export async function startRun(command: readonly string[], flags: RunFlags, early: BegunCell | null): Promise<number> {
  if (flags.spawnedBy !== undefined) return startSpawned(command, flags, early);
  if (flags.summary === undefined) return start(command, flags, early, null);
  const { summarizeRun } = await import("../summary/summary.ts");
  return summarizeRun(flags.summary, command, flags.json === true, (summary) => start(command, flags, early, summary));
}

/** What an agent has spawned: its environment was handed over, and its workspace was made for it alone. */
async function startSpawned(command: readonly string[], flags: RunFlags, early: BegunCell | null): Promise<number> {
  const { handedVariables, removeSpawnedWorkspace } = await import("./lifeline.ts");
  const workspace = process.cwd();
  try {
    return await start(command, { ...flags, env: handedVariables(process.env) }, early, null);
  } finally {
    removeSpawnedWorkspace(workspace);
  }
}

async function start(
  command: readonly string[],
  flags: RunFlags,
  early: BegunCell | null,
  summary: RunSummary | null,
): Promise<number> {
  refuseManyWords(command);
  const workspace = checkWorkspace(process.cwd(), {
    home: process.env.HOME ?? homedir(),
    sallyportHome: homePath(process.env),
  });
  if (flags.publish.length > 0) (await import("./publish.ts")).checkPublish(flags.publish);
  const home = openHome(process.env);
  const profile = await findProfile(command, flags, home.path, workspace);
  const token = tokenText(flags);
  const held = token && (await (await import("./held-token.ts")).holdToken(home, token, { command, workspace }));
  const asked = { policy: flags.policy, allow: flags.allow, token: held };
  const source = findPolicy(asked, home.path, workspace, profile?.policy);
  const attested = await findAttested(home, held, source.policy, { command, workspace });
  const observing = flags.observe ? (await import("./observe.ts")).openObserving(source, held !== null) : null;
  const records = flags.session ? home.sessions : (await import("./unkept-run.ts")).openUnkeptRuns(home, source.policy);
  const user = cellUser(source.policy, workspace);
  const terminal = wantsTerminal(flags.tty);
  const detached = flags.detached === undefined ? null : (await import("./detach.ts")).enterDetached(flags.detached);
  const screen = terminal ? (await import("./screen.ts")).createScreen() : null;
  const begun = begunCell(early, user, workspace);
  const cell = takeCell(begun, terminal ? (detached?.size ?? terminalSize()) : undefined);
  const under = { source, profile, held, attested, observing, summary };
  try {
    const run = prepareRun({ command, flags, workspace, home, terminal, screen, detached, ...under }, records);
    const closing = nothingNoted(home) ? closeCell(cell, run) : null;
    if (closing !== null) await nextTurn(closing);
    const { recordRun } = await import("./recorded-run.ts");
    return await recordRun(cell, run, closing);
  } finally {
    await cell.abandon();
  }
}

/** Null where nobody named one; an empty one that was named is no token, and refused as such. */
function tokenText({ token }: RunFlags): TokenText | null {
  if (token !== undefined) return { text: token, place: "--token" };
  const text = process.env.SALLYPORT_TOKEN ?? "";
  return text === "" ? null : { text, place: "SALLYPORT_TOKEN" };
}

/** The early cell where it is of the user whom the policy means; another one otherwise. */
function begunCell(early: BegunCell | null, user: HostUser, workspace: string): BegunCell {
  if (early !== null && early.user.uid === user.uid && early.user.gid === user.gid) return early;
  return beginCell({ workspace, user });
}

/** Waits until `begun` is done and what had arrived by then is taken; its failure is told by who needs it. */
async function nextTurn(begun: Promise<unknown>): Promise<void> {
  await begun.catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
}

/** Null for who was never measured and need not be: nothing is read for them. */
async function findAttested(
  home: Home,
  held: HeldToken | null,
  policy: CompiledPolicy,
  attempt: Attempt,
): Promise<Attested | null> {
  const { required, issuers } = policy.identity;
  if (held?.agent.measurement === undefined && !required && issuers === null) return null;
  const { attestRun } = await import("./attestation.ts");
  return attestRun(home, held, policy, { ...attempt, path: process.env.PATH ?? "" });
}

/** The profile that the flags or the program mean; read only where one is meant. */
async function findProfile(
  command: readonly string[],
  flags: RunFlags,
  home: string,
  workspace: string,
): Promise<RunProfile | null> {
  const path = process.env.PATH ?? "";
  const name = profileNameOf({ command, asked: flags.profile, home, workspace, path });
  if (name === null) return null;
  return (await import("../profile/source.ts")).runProfile(name, { home, env: process.env, allow: flags.allow });
}

/** bubblewrap takes 9000 words, its own among them. */
const mostWords = 8000;

function refuseManyWords(command: readonly string[]): void {
  if (command.length <= mostWords) return;
  throw new Failure("usage", `the command has ${command.length} words, and a cell takes ${mostWords}`, {
    remedy: "Put the command into a script, or let a shell inside expand its pattern: sallyport run -- sh -c '...'",
  });
}

/** Who the cell is on the host. @throws Failure where the policy names somebody whom the cell cannot be. */
function cellUser(policy: CompiledPolicy, workspace: string): HostUser {
  return hostUser({
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    sudoUid: process.env.SUDO_UID,
    sudoGid: process.env.SUDO_GID,
    user: policy.execution.user ?? undefined,
    workspace,
  });
}

/** The user of the machine; in a container the id may have no account, and is then its own name. */
function owner(): string {
  try {
    return userInfo().username;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SYSTEM_ERROR") throw error;
    return `uid ${process.geteuid?.()}`;
  }
}

type Asked = Omit<Run, "caps" | "subject" | "folder" | "report" | "ending">;

/** `records`: the folder that the run's own is made in. */
function prepareRun(asked: Asked, records: string): Run {
  const { flags, source, screen, held } = asked;
  const folder = createSessionFolder(records, Date.now);
  const who = held?.who ?? { agent_id: "local", owner: owner(), policy_id: "local", policy_version: 1, token: null };
  const subject: Subject = { ...who, policy_digest: source.policy.digest, session: folder.id };
  const told = createRunReport(flags, screen);
  const report = asked.summary?.watch(told) ?? told;
  const ending = createEnding(flags.grace * 1000, ({ kind }, grace) => {
    if (grace > 0) report.waiting(`asked to end (${kind}), ${grace / 1000} s grace`);
  });
  return { ...asked, caps: capsOf(source.policy, flags), subject, folder, report, ending };
}

function capsOf({ execution }: CompiledPolicy, flags: RunFlags): Caps {
  const least = (one: number | null, other: number | undefined) =>
    one === null ? (other ?? null) : Math.min(one, other ?? one);
  return {
    runtime: least(execution.maxRuntimeSeconds, flags.maxRuntime),
    lines: least(execution.maxOutputLines, flags.maxOutputLines),
    bytes: least(execution.maxOutputBytes, flags.maxOutputBytes),
    requests: least(execution.maxRequests, flags.maxRequests),
  };
}
