// The writer of a session's log: canonical lines, each holding the SHA-256 of the one before, in one file that only grows.
//
// Its rules:
// * No effect without its event: `written()` is called only after write(2) of the line has returned, in the order of the
//   appends, never inside `append`. All appends of one turn of the event loop are one write.
// * fdatasync follows in group, off the thread, within 5 ms; with durability `each` it comes before `written()`.
// * The first write or sync that fails ends the log: everything pending and everything later is `unwritten`, and what
//   part of a line was written is cut off again where the file system lets us. A sync is never tried twice, because
//   the kernel drops the pages whose write-back failed.
// * Time never goes back within a log: while the clock is behind the last event, events carry that event's time. The
//   order of events is `seq`, not `time`.

import { createHash, hash } from "node:crypto";
import { close, fdatasync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { Event } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import type { Subject } from "#core/subject.ts";
import { createLineWriter, type LineWriter, maxLine } from "./line.ts";

/** What waits for an event to be on disk. MUST NOT throw. Exactly one of the two is called, once, never inside `append`. */
export interface Written {
  written(): void;
  unwritten(error: Error): void;
}

/** How many actions were decided how. Names looked up are counted apart from what was asked of a host. */
export interface ActionCounts {
  readonly allowed: number;
  readonly denied: number;
  /** Of `allowed` and `denied`, those that were HTTP requests. */
  readonly requests: number;
  readonly dns_allowed: number;
  readonly dns_denied: number;
}

export interface EventLog {
  /** Gives the event its place and its `seq`; 0 when the log is broken or closed, and the event is nowhere. */
  append(event: Event, then?: Written): number;
  /** Writes and syncs what is pending, then closes the file. Never rejects: see `broken`. */
  close(): Promise<void>;
  /** What ended the log; null while it can be written. */
  readonly broken: Error | null;
  /** The `seq` of the last event appended. */
  readonly seq: number;
  /** SHA-256 (hex) of the last line appended, 64 zeros before the first. */
  readonly head: string;
  /** Bytes of the file that write(2) has taken. */
  readonly bytes: number;
  /** The subject of every event that is appended from now on. */
  subjectChanged(subject: Subject): void;
  readonly counts: ActionCounts;
  /** SHA-256 (hex) of those bytes, read back when the log was closed; MUST NOT be asked before. */
  digest(): string;
}

export interface EventLogOptions {
  /** Must not exist yet: a log has one writer, once. */
  readonly file: string;
  readonly subject: Subject;
  readonly durability: "group" | "each";
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Called once, when the log breaks, before anything is told `unwritten`. MUST NOT throw. */
  readonly onBroken?: (error: Error) => void;
}

const zeros = "0".repeat(64);
/** Bytes gathered before a write comes early, within the turn. Holds any line, at three bytes a UTF-16 unit. */
const slabSize = maxLine * 3 + 1;
const newSlabSize = 262_144;
/** Milliseconds; with the timer's own millisecond, a sync starts within 5 ms of the write. */
const syncDelay = 4;

/** @throws Failure log_unwritable when the file exists or cannot be made. */
export function openEventLog(options: EventLogOptions): EventLog {
  let fd: number;
  try {
    fd = openSync(options.file, "ax+", 0o600);
  } catch (cause) {
    throw logFailure("the log cannot be made", options.file, cause);
  }
  return new FileEventLog(fd, options);
}

class FileEventLog implements EventLog {
  broken: Error | null = null;
  seq = 0;
  head = zeros;
  bytes = 0;
  readonly #counts = { allowed: 0, denied: 0, requests: 0, dns_allowed: 0, dns_denied: 0 };
  readonly #options: EventLogOptions;
  #lines: LineWriter;
  readonly #flush = () => this.#endOfTurn();
  #fd: number;
  #slab = Buffer.allocUnsafeSlow(newSlabSize);
  #used = 0;
  /** Told at the end of this turn. */
  #pending: Written[] = [];
  /** With durability `each`: written, not yet synced. */
  #unsynced: Written[] = [];
  #scheduled = false;
  #time = Number.NEGATIVE_INFINITY;
  #timeText = "";
  #syncTimer: NodeJS.Timeout | null = null;
  #syncing = false;
  #dirty = false;
  #closed: Promise<void> | null = null;
  #settle: (() => void) | null = null;
  #digest = "";

  constructor(fd: number, options: EventLogOptions) {
    this.#fd = fd;
    this.#options = options;
    this.#lines = createLineWriter(options.subject);
  }

  subjectChanged(subject: Subject): void {
    this.#lines = createLineWriter(subject);
  }

  get counts(): ActionCounts {
    return { ...this.#counts };
  }

  append(event: Event, then?: Written): number {
    if (this.broken !== null || this.#closed !== null) {
      if (then !== undefined) this.#pend(then);
      return 0;
    }
    const seq = this.seq + 1;
    const end = this.#put(event, seq, this.#now());
    this.head = hash("sha256", this.#slab.subarray(this.#used, end), "hex");
    this.#slab[end] = 10;
    this.#used = end + 1;
    this.seq = seq;
    if (event.type === "action") this.#count(event.action.kind, event.decision.verdict);
    else if (event.type === "dns.summed") this.#counts.dns_allowed += Number(event.detail.count);
    if (then !== undefined) this.#pending.push(then);
    this.#schedule();
    return seq;
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#settle = resolve;
      if (!this.#scheduled) this.#endOfTurn();
    });
    return this.#closed;
  }

  digest(): string {
    return this.#digest;
  }

  /** Puts the line behind what is pending, and says where it ends. */
  #put(event: Event, seq: number, time: string): number {
    if (event.type === "action" && event.action.kind === "http") {
      this.#makeRoom(this.#lines.request.room);
      const { action, decision } = event;
      const end = this.#lines.request.write(this.#slab, this.#used, action, decision, seq, this.head, time);
      if (end >= 0) return end;
    }
    const line = this.#lines.line(event, seq, this.head, time);
    if (line.length > maxLine) throw new RangeError(`an event of ${line.length} characters`);
    this.#makeRoom(line.length * 3 + 1);
    return this.#used + this.#slab.write(line, this.#used, "utf8");
  }

  #count(kind: "connect" | "http" | "dns", verdict: "allow" | "deny"): void {
    const counts = this.#counts;
    if (kind === "dns") {
      if (verdict === "allow") counts.dns_allowed += 1;
      else counts.dns_denied += 1;
      return;
    }
    if (kind === "http") counts.requests += 1;
    if (verdict === "allow") counts.allowed += 1;
    else counts.denied += 1;
  }

  #now(): string {
    const now = Math.floor(this.#options.now());
    if (now > this.#time) {
      this.#time = now;
      this.#timeText = new Date(now).toISOString();
    }
    return this.#timeText;
  }

  #pend(then: Written): void {
    this.#pending.push(then);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  /** Sees that `size` more bytes fit. Writes early when they do not; that tells nobody anything yet. */
  #makeRoom(size: number): void {
    if (this.#used + size <= this.#slab.length) return;
    this.#write();
    if (size > this.#slab.length) this.#slab = Buffer.allocUnsafeSlow(Math.max(size, slabSize));
  }

  #endOfTurn(): void {
    this.#scheduled = false;
    if (this.#used > 0) this.#write();
    const batch = this.#pending;
    if (batch.length > 0) this.#pending = [];
    if (this.broken !== null || this.#fd === -1) tellUnwritten(batch, this.broken ?? new Error("the log is closed"));
    else if (this.#options.durability === "each") for (const then of batch) this.#unsynced.push(then);
    else tellWritten(batch);
    this.#arrangeSync();
    this.#finish();
  }

  #write(): void {
    const size = this.#used;
    this.#used = 0;
    if (this.broken !== null) return;
    let done = 0;
    try {
      while (done < size) {
        const taken = writeSync(this.#fd, this.#slab, done, size - done);
        if (taken === 0) throw new Error("write(2) took nothing");
        done += taken;
      }
    } catch (cause) {
      this.#break("the log cannot be written", cause, done > 0);
      return;
    }
    this.bytes += size;
    this.#dirty = true;
  }

  #arrangeSync(): void {
    if (!this.#dirty || this.#syncing || this.broken !== null) return;
    if (this.#options.durability === "each" || this.#closed !== null) {
      if (this.#syncTimer !== null) clearTimeout(this.#syncTimer);
      this.#sync();
    } else this.#syncTimer ??= setTimeout(() => this.#sync(), syncDelay);
  }

  #sync(): void {
    this.#syncTimer = null;
    this.#syncing = true;
    this.#dirty = false;
    const batch = this.#unsynced;
    if (batch.length > 0) this.#unsynced = [];
    fdatasync(this.#fd, (cause) => {
      this.#syncing = false;
      if (cause !== null) this.#break("the log cannot be synced", cause, false);
      if (this.broken !== null) tellUnwritten(batch, this.broken);
      else tellWritten(batch);
      this.#arrangeSync();
      this.#finish();
    });
  }

  /** The digest of the whole file, which costs a request more than the rest of its event when it is kept along the way. */
  #readBack(): void {
    const digest = createHash("sha256");
    let position = 0;
    try {
      while (position < this.bytes) {
        const size = readSync(this.#fd, this.#slab, 0, Math.min(this.#slab.length, this.bytes - position), position);
        if (size === 0) throw new Error("the file is shorter than what was written");
        digest.update(this.#slab.subarray(0, size));
        position += size;
      }
    } catch (cause) {
      this.#break("the log cannot be read back", cause, false);
    }
    this.#digest = digest.digest("hex");
  }

  #break(what: string, cause: unknown, torn: boolean): void {
    if (this.broken !== null) return;
    this.broken = logFailure(what, this.#options.file, cause);
    if (torn) this.#cutTorn();
    const waiting = this.#unsynced;
    this.#unsynced = [];
    // Told with the rest of the turn's, so that nobody hears inside `append`.
    for (const then of waiting) this.#pend(then);
    this.#options.onBroken?.(this.broken);
  }

  #cutTorn(): void {
    try {
      ftruncateSync(this.#fd, this.bytes);
    } catch (cause) {
      // The torn line stays: the verifier reads up to it and says so.
      this.broken = logFailure("the log cannot be written, nor its torn line cut off", this.#options.file, cause);
    }
  }

  #finish(): void {
    if (this.#settle === null || this.#syncing || this.#scheduled) return;
    if (this.broken === null && (this.#dirty || this.#unsynced.length > 0)) return;
    if (this.#syncTimer !== null) clearTimeout(this.#syncTimer);
    const settle = this.#settle;
    const fd = this.#fd;
    this.#settle = null;
    this.#readBack();
    this.#fd = -1;
    close(fd, (cause) => {
      if (cause !== null) this.#break("the log cannot be closed", cause, false);
      settle();
    });
  }
}

function tellWritten(batch: readonly Written[]): void {
  for (const then of batch) {
    try {
      then.written();
    } catch (error) {
      raise(error);
    }
  }
}

function tellUnwritten(batch: readonly Written[], error: Error): void {
  for (const then of batch) {
    try {
      then.unwritten(error);
    } catch (thrown) {
      raise(thrown);
    }
  }
}

/** One that throws, against its contract, must not keep the others from hearing; the process hears of it instead. */
function raise(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

function logFailure(what: string, file: string, cause: unknown): Failure {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Failure("log_unwritable", `${what}: ${why}`, {
    place: file,
    remedy: "Without its log nothing may leave: free the disk or mend the file system, and start again.",
    cause,
  });
}
