// A run and the runs that its agents spawned, as one: what each did, in the order of its log, with what a spawned agent did at
// the place where it was spawned. What agents wrote themselves (notes) is marked as theirs.

import { Failure } from "#core/failure.ts";
import { innerApi } from "#lib/host-name.ts";
import { member } from "#lib/json.ts";
import { type LoggedEvent, readEvents } from "#session/events.ts";
import { openSession, type Session, sessionIds, terminationOf } from "#session/store.ts";
import { printable, printLine } from "../output.ts";
import { clip, commandText, durationText, exitText } from "./view.ts";

export interface TreeNode {
  readonly session: Session;
  readonly steps: readonly TreeStep[];
}

export type TreeStep =
  | { readonly kind: "note"; readonly seq: number; readonly text: string }
  /** The same action several times in a row is one step. */
  | {
      readonly kind: "action";
      readonly seq: number;
      readonly text: string;
      readonly verdict: string;
      readonly times: number;
    }
  | { readonly kind: "spawn"; readonly seq: number; readonly agent: string; readonly child: TreeNode | null };

/** Deeper than a token can be handed down, there is nothing. */
const deepest = 17;

/** `sessions`: the folder of them all. @throws Failure session_unknown */
export function sessionTree(sessions: string, id: string): TreeNode {
  const all = sessionIds(sessions).map((each) => openSession(sessions, each));
  const byParent = Map.groupBy(all, ({ record }) => record?.parent ?? "");
  return nodeOf(openSession(sessions, id), byParent, 0);
}

/** Every session of the tree, the root first. */
export function* treeSessions(node: TreeNode): Generator<Session> {
  yield node.session;
  for (const step of node.steps) if (step.kind === "spawn" && step.child !== null) yield* treeSessions(step.child);
}

function nodeOf(session: Session, byParent: ReadonlyMap<string, readonly Session[]>, depth: number): TreeNode {
  const children = new Map((byParent.get(session.folder.id) ?? []).map((child) => [child.folder.id, child]));
  const events = eventsOf(session);
  const returned = events
    .filter(({ type }) => type === "agent.returned")
    .map((event) => member(event.detail, "session"));
  const steps: TreeStep[] = [];
  const show = (child: Session | undefined) =>
    child === undefined || depth >= deepest ? null : nodeOf(child, byParent, depth + 1);
  for (const event of events) {
    const { seq } = event;
    if (event.type === "agent.noted") steps.push({ kind: "note", seq, text: String(member(event.detail, "text")) });
    else if (event.type === "agent.spawned") {
      const id = returned.shift();
      const child = typeof id === "string" ? children.get(id) : undefined;
      if (child !== undefined) children.delete(child.folder.id);
      steps.push({ kind: "spawn", seq, agent: String(member(event.detail, "agent_id")), child: show(child) });
    } else if (event.type === "action") addAction(steps, event);
  }
  // Those that never came back: they run still, or their parent was killed.
  for (const child of children.values())
    steps.push({ kind: "spawn", seq: 0, agent: child.record?.agent_id ?? "unknown", child: show(child) });
  return { session, steps };
}

function addAction(steps: TreeStep[], event: LoggedEvent): void {
  const host = String(member(event.action, "host"));
  if (member(event.action, "kind") === "dns" || host === innerApi) return;
  const reason = member(event.decision, "deny_reason");
  const verdict = typeof reason === "string" ? `denied (${reason})` : "allowed";
  const text = briefAction(event);
  const last = steps.at(-1);
  if (last?.kind === "action" && last.text === text && last.verdict === verdict)
    steps[steps.length - 1] = { ...last, times: last.times + 1 };
  else steps.push({ kind: "action", seq: event.seq, text, verdict, times: 1 });
}

/** `POST hooks.slack.com/services/x`, `CONNECT smtp.example.com:25`. */
export function briefAction({ action }: LoggedEvent): string {
  const [host, port] = [String(member(action, "host")), Number(member(action, "port"))];
  if (member(action, "kind") !== "http") return `CONNECT ${host}:${port}`;
  const where = port === 80 || port === 443 ? host : `${host}:${port}`;
  return `${String(member(action, "method"))} ${where}${String(member(action, "path"))}`;
}

function eventsOf({ folder }: Session): readonly LoggedEvent[] {
  const events: LoggedEvent[] = [];
  try {
    for (const { event } of readEvents(folder)) events.push(event);
  } catch (error) {
    if (!(error instanceof Failure)) throw error; // as far as it can be read; `audit verify` says the rest
  }
  return events;
}

export function printTree(node: TreeNode, indent = "", lead = ""): void {
  const { record, folder } = node.session;
  const ended = terminationOf(node.session)?.kind;
  const how =
    record === null
      ? "damaged"
      : record.state === "ended"
        ? `exit ${exitText(record)} · ${durationText(record.duration_ms)}${ended === undefined ? "" : ` · ended by ${ended}`}`
        : node.session.state;
  const what = record === null ? "" : `  ${record.agent_id}  ${clip(commandText(record.command), 80)}`;
  printLine(printable(`${lead}${folder.id}${what}  (${how})`));
  for (const [index, step] of node.steps.entries()) {
    const last = index === node.steps.length - 1;
    const [branch, below] = last ? ["└─ ", "   "] : ["├─ ", "│  "];
    if (step.kind === "spawn" && step.child !== null)
      printTree(step.child, `${indent}${below}`, `${indent}${branch}spawned `);
    else printLine(printable(`${indent}${branch}${stepText(step)}`));
  }
}

function stepText(step: TreeStep): string {
  switch (step.kind) {
    case "note":
      return `it says: ${clip(step.text, 160)}`;
    case "spawn":
      return `spawned ${step.agent}, whose session is not here`;
    case "action":
      return `${step.verdict} ${clip(step.text, 120)}${step.times > 1 ? ` ×${step.times}` : ""}`;
  }
}

/** As JSON: the same tree. */
export function treeJson({ session, steps }: TreeNode): object {
  const { folder, state, record } = session;
  return {
    id: folder.id,
    state,
    agent_id: record?.agent_id ?? null,
    command: record?.command ?? null,
    exit_code: record?.state === "ended" ? record.exit_code : null,
    termination: terminationOf(session),
    steps: steps.map((step) =>
      step.kind === "spawn" ? { ...step, child: step.child === null ? null : treeJson(step.child) } : step,
    ),
  };
}
