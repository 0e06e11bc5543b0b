// Alerts: each denial's event, sent to the webhook that the policy names (`[violation] alert_webhook`). The log is the queue: a file
// `alerts/<session>.json` says how far it was delivered, so nothing is lost with a process, and no decision waits for anybody.
// Whoever runs next delivers what was left.

import { createHmac, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createFile } from "#control/store/files.ts";
import { addressClass } from "#lib/address-class.ts";
import { member } from "#lib/json.ts";
import { writeWhole } from "#lib/whole-file.ts";
import type { CompiledPolicy } from "#policy/compile.ts";
import { type Posted, post } from "#proxy/upstream/post.ts";
import { createResolver, type Place, type ResolveUpstream } from "#proxy/upstream/resolve.ts";
import { openUpstreamTrust, type UpstreamTrust } from "#proxy/upstream/trust.ts";
import { type LoggedEvent, readEvents } from "#session/events.ts";
import { isSessionId, type SessionFolder } from "#session/folder.ts";
import { currentHolder, type Holder, isHeld } from "#session/metadata.ts";
import type { Home } from "./home.ts";
import { unkeptRuns } from "./run/unkept-run.ts";

/** How far a run's denials were delivered, and how whoever goes on with it is to deliver them: as the run itself would. */
interface Owed {
  readonly urls: readonly string[];
  /** `[upstream] resolve` and `ca` of the policy that names the webhook: another run's say nothing about it. */
  readonly resolve: { readonly [host: string]: readonly Place[] };
  readonly ca: readonly string[];
  /** The run while it lives: nobody else delivers what is its own. */
  readonly holder: Holder;
  /** Bytes of the log: every denial before is with every receiver. */
  readonly position: number;
}

export interface Alerts {
  /** A denial's event is in the log, or will be within this turn. Returns at once. */
  denied(): void;
  /** Gives what is left a last chance, `patience` milliseconds of it, and leaves the rest to the next run. */
  close(patience: number): Promise<void>;
}

interface Way {
  readonly resolve: ResolveUpstream;
  readonly trust: UpstreamTrust;
}

/** Milliseconds before another attempt; the last is repeated. */
const waits = [500, 1_000, 2_000, 5_000, 15_000, 60_000] as const;

/** For one run, under everything that holds for it. */
export function openAlerts(home: Home, session: string, { alertWebhooks, upstream }: CompiledPolicy): Alerts {
  const file = join(alertsFolder(home), `${session}.json`);
  mkdirSync(alertsFolder(home), { recursive: true, mode: 0o700 });
  let owed: Owed = {
    urls: alertWebhooks,
    resolve: Object.fromEntries(upstream.resolve),
    ca: upstream.caFiles,
    holder: currentHolder(),
    position: 0,
  };
  const way = wayOf(owed);
  let attempt = 0;
  let more = false;
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<boolean> | null = null;
  let closed = false;
  const pass = async () => {
    more = false;
    const all = await deliver(home, session, owed, way, (now) => {
      if (now.position > owed.position) attempt = 0;
      owed = now;
    });
    attempt += 1;
    return all && !more;
  };
  const start = (wait: number) => {
    if (timer !== null || running !== null || closed) return;
    timer = setTimeout(() => {
      timer = null;
      running = pass().catch(() => false); // what could not be read is owed, and tried again
      void running.then((all) => {
        running = null;
        if (!all) start(waits[Math.min(attempt, waits.length - 1)] ?? 60_000);
      });
    }, wait);
    timer.unref();
  };
  return {
    denied() {
      if (!existsSync(file)) keep(file, owed);
      more = true;
      start(50);
    },
    async close(patience) {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), patience).unref());
      const last = (running ?? Promise.resolve(false)).then(pass, () => false);
      if (await Promise.race([late, last])) rmSync(file, { force: true });
    },
  };
}

/** Delivers what runs owe that are over. Gives how many still owe. Never rejects. */
export async function deliverOwed(home: Home): Promise<number> {
  let left = 0;
  for (const session of owedSessions(home)) {
    try {
      const owed = readOwed(home, session);
      if (isHeld(owed.holder)) continue;
      const all = await deliver(home, session, owed, wayOf(owed), () => {});
      if (all) rmSync(join(alertsFolder(home), `${session}.json`), { force: true });
      else left += 1;
    } catch {
      left += 1; // a session that is gone or damaged; `sallyport alerts list` shows it
    }
  }
  return left;
}

export function owedSessions(home: Home): readonly string[] {
  const folder = alertsFolder(home);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => name.replace(/\.json$/, ""))
    .filter(isSessionId)
    .sort();
}

/** How many denials a session owes, and to whom. */
export function owedBy(home: Home, session: string): { readonly urls: readonly string[]; readonly alerts: number } {
  const owed = readOwed(home, session);
  let alerts = 0;
  for (const { event } of readEvents(folderOf(home, session), owed.position)) if (isAlert(event)) alerts += 1;
  return { urls: owed.urls, alerts };
}

function readOwed(home: Home, session: string): Owed {
  return JSON.parse(readFileSync(join(alertsFolder(home), `${session}.json`), "utf8")) as Owed;
}

/** The key that receivers check signatures with: 64 hex digits, made when it is first asked for. */
export function alertSecret(home: Home): string {
  const file = join(home.keys, "alerts.key");
  createFile(file, `${randomBytes(32).toString("hex")}\n`, 0o600);
  return readFileSync(file, "utf8").trim();
}

/** In their order, each to every receiver. False where one could not be delivered: it and those after it are owed. */
async function deliver(
  home: Home,
  session: string,
  owed: Owed,
  way: Way,
  onDelivered: (owed: Owed) => void,
): Promise<boolean> {
  const file = join(alertsFolder(home), `${session}.json`);
  let read = 0;
  for (const { event, text, next } of readEvents(folderOf(home, session), owed.position)) {
    const isOwed = isAlert(event);
    for (const url of isOwed ? owed.urls : []) {
      const posted = await send(home, url, text, way);
      if (!("status" in posted) || posted.status < 200 || posted.status > 299) return false;
    }
    read += 1;
    if (!isOwed && read % eventsAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
    const now = { ...owed, position: next };
    onDelivered(now);
    if (isOwed) keep(file, now);
  }
  return true;
}

/** Events that are read in one turn: the loop also serves the cell. */
const eventsAtOnce = 200;

function send(home: Home, url: string, body: string, { resolve, trust }: Way): Promise<Posted> {
  const t = Math.floor(Date.now() / 1000);
  const v1 = createHmac("sha256", Buffer.from(alertSecret(home), "hex"))
    .update(`${t}.${body}`)
    .digest("hex");
  return post(
    { resolve, trust },
    {
      url: new URL(url),
      headers: { "Content-Type": "application/json", "Sallyport-Signature": `t=${t},v1=${v1}` },
      body,
      // Who writes the policy says where its alerts go, into private space too; but never to a machine's metadata.
      reachable: (addresses) => addresses.filter((address) => !never.has(addressClass(address))),
    },
  );
}

const never: ReadonlySet<string> = new Set(["metadata", "unspecified", "multicast", "broadcast"]);

/** A denied name's connection is the denial that counts. */
function isAlert({ type, decision, action }: LoggedEvent): boolean {
  return type === "action" && member(decision, "decision") === "deny" && member(action, "kind") !== "dns";
}

/** Of a session, or of a run that is kept as none. */
function folderOf(home: Home, id: string): SessionFolder {
  const session = join(home.sessions, id);
  return { id, path: existsSync(session) ? session : join(unkeptRuns(home), id) };
}

function wayOf({ resolve, ca }: Owed): Way {
  return {
    resolve: createResolver({ placed: new Map(Object.entries(resolve)) }),
    trust: openUpstreamTrust({ caFiles: ca }),
  };
}

function keep(file: string, owed: Owed): void {
  writeWhole(file, JSON.stringify(owed), 0o600);
}

function alertsFolder(home: Home): string {
  return join(home.path, "alerts");
}
