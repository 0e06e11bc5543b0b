import assert from "node:assert/strict";
import { hash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { canonicalJson } from "#lib/canonical-json.ts";
import { temporaryFolder, writeSample } from "#test/log/sample.ts";
import type { FindingCode, Status } from "./finding.ts";
import { verifySession } from "./session.ts";

/** A sample session whose files may be changed. */
async function sample(end = true, now = Date.now): Promise<string> {
  const { path } = await writeSample(temporaryFolder(), { end, now });
  chmodSync(path, 0o700);
  for (const name of ["session.json", "events.jsonl", "stdout.log", "stderr.log"]) chmodSync(join(path, name), 0o600);
  return path;
}

type Lines = string[];

/** Changes the lines of the log. */
function edit(change: (lines: Lines) => Lines): (folder: string) => void {
  return (folder) => {
    const file = join(folder, "events.jsonl");
    const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
    writeFileSync(
      file,
      change(lines)
        .map((line) => `${line}\n`)
        .join(""),
    );
  };
}

/** Changes one line as a value, and writes it canonically: nothing but the chain can tell. */
function editLine(at: number, change: (event: Record<string, object>) => object): (folder: string) => void {
  return edit((lines) =>
    lines.with(at, canonicalJson({ ...JSON.parse(lines.at(at) ?? ""), ...change(JSON.parse(lines.at(at) ?? "")) })),
  );
}

/** Hashes the chain again from line `from` on, and numbers it. */
function rehash(lines: Lines, from: number): Lines {
  const fresh = [...lines];
  for (let at = from; at < fresh.length; at++) {
    const prev = at === 0 ? "0".repeat(64) : hash("sha256", fresh[at - 1] ?? "", "hex");
    fresh[at] = canonicalJson({ ...JSON.parse(fresh[at] ?? ""), prev, seq: at + 1 });
  }
  return fresh;
}

function editSession(change: (record: Record<string, object>) => object): (folder: string) => void {
  return (folder) => {
    const file = join(folder, "session.json");
    const record = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...record, ...change(record) }));
  };
}

function text(name: string, change: (text: string) => string): (folder: string) => void {
  return (folder) => writeFileSync(join(folder, name), change(readFileSync(join(folder, name), "latin1")), "latin1");
}

interface Case {
  readonly title: string;
  readonly tamper: (folder: string) => void;
  readonly status: Status;
  /** One finding of this code, at this place, must be there. */
  readonly finds: FindingCode;
  readonly place?: string;
  /** The session was killed before it ended. */
  readonly killed?: boolean;
}

// The sample's lines: 1–4 stages, 5 allowed request, 6 denied name, 7 denied request, 8 and 9 output, 10 session.ended.
const cases: readonly Case[] = [
  {
    title: "a denial turned into an allowance",
    tamper: editLine(6, () => ({ decision: { decision: "allow", rule: "x" } })),
    status: "broken",
    finds: "link_broken",
    place: "events.jsonl:8",
  },
  {
    title: "a path changed by one byte",
    tamper: text("events.jsonl", (log) => log.replace('"/a"', '"/b"')),
    status: "broken",
    finds: "link_broken",
    place: "events.jsonl:6",
  },
  {
    title: "the last event edited",
    tamper: editLine(9, (event) => ({ detail: { ...event.detail, exit_code: 0 } })),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "the first event edited",
    tamper: editLine(0, () => ({ detail: { a: 1 } })),
    status: "broken",
    finds: "link_broken",
    place: "events.jsonl:2",
  },
  {
    title: "an event deleted",
    tamper: edit((lines) => lines.toSpliced(6, 1)),
    status: "broken",
    finds: "events_missing",
    place: "events.jsonl:7",
  },
  {
    title: "the first event deleted",
    tamper: edit((lines) => lines.slice(1)),
    status: "broken",
    finds: "beginning_wrong",
  },
  {
    title: "an event repeated",
    tamper: edit((lines) => lines.toSpliced(6, 0, lines[5] ?? "")),
    status: "broken",
    finds: "events_repeated_or_reordered",
  },
  {
    title: "two events exchanged",
    tamper: edit((lines) => lines.with(5, lines[6] ?? "").with(6, lines[5] ?? "")),
    status: "broken",
    finds: "events_repeated_or_reordered",
  },
  {
    title: "an event deleted and the rest hashed again",
    tamper: edit((lines) => rehash(lines.toSpliced(6, 1), 6)),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "an event added and the rest hashed again",
    tamper: edit((lines) => rehash(lines.toSpliced(5, 0, lines[4] ?? ""), 5)),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "an event renumbered without hashing again",
    tamper: editLine(4, () => ({ seq: 6 })),
    status: "broken",
    finds: "events_missing",
  },
  {
    title: "a seq that is a fraction",
    tamper: editLine(4, () => ({ seq: 5.5 })),
    status: "broken",
    finds: "member_wrong",
  },
  {
    title: "the tail cut off",
    tamper: edit((lines) => lines.slice(0, 7)),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "the tail cut off in the middle of a line",
    tamper: (folder) => truncateSync(join(folder, "events.jsonl"), 1000),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "the log emptied",
    tamper: (folder) => truncateSync(join(folder, "events.jsonl"), 0),
    status: "broken",
    finds: "log_empty",
  },
  {
    title: "the log deleted",
    tamper: (folder) => unlinkSync(join(folder, "events.jsonl")),
    status: "broken",
    finds: "file_unreadable",
    place: "events.jsonl",
  },
  {
    title: "the log replaced by a link to its copy",
    tamper(folder) {
      renameSync(join(folder, "events.jsonl"), join(folder, "elsewhere"));
      symlinkSync("elsewhere", join(folder, "events.jsonl"));
    },
    status: "broken",
    finds: "file_unreadable",
  },
  {
    title: "an event after the end",
    tamper: edit((lines) => rehash([...lines, lines[4] ?? ""], 10)),
    status: "broken",
    finds: "after_the_end",
  },
  {
    title: "bytes after the end",
    tamper: (folder) => appendFileSync(join(folder, "events.jsonl"), "x"),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "a second beginning",
    tamper: edit((lines) => rehash(lines.toSpliced(7, 0, lines[0] ?? ""), 7)),
    status: "broken",
    finds: "stage_wrong",
  },
  {
    title: "a space between members",
    tamper: text("events.jsonl", (log) => log.replace('","port"', '", "port"')),
    status: "broken",
    finds: "line_not_canonical",
    place: "events.jsonl:5",
  },
  {
    title: "a member twice",
    tamper: text("events.jsonl", (log) => log.replace('"port":443', '"port":444,"port":443')),
    status: "broken",
    finds: "line_not_canonical",
  },
  {
    title: "a number spelled otherwise",
    tamper: text("events.jsonl", (log) => log.replace('"port":443', '"port":443.0')),
    status: "broken",
    finds: "line_not_canonical",
  },
  {
    title: "lines that end like on Windows",
    tamper: text("events.jsonl", (log) => log.replaceAll("\n", "\r\n")),
    status: "broken",
    finds: "line_not_canonical",
  },
  {
    title: "a line that is no JSON",
    tamper: edit((lines) => lines.with(3, "{")),
    status: "broken",
    finds: "line_unreadable",
    place: "events.jsonl:4",
  },
  {
    title: "a line that is no object",
    tamper: edit((lines) => lines.with(3, "[]")),
    status: "broken",
    finds: "line_unreadable",
  },
  {
    title: "an empty line",
    tamper: edit((lines) => lines.toSpliced(3, 0, "")),
    status: "broken",
    finds: "line_unreadable",
  },
  {
    title: "bytes that are not UTF-8",
    tamper: text("events.jsonl", (log) => log.replace("example.com", "ex\xffmple.com")),
    status: "broken",
    finds: "line_unreadable",
  },
  {
    title: "a line of nested arrays without end",
    tamper: edit((lines) => lines.with(3, `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)),
    status: "broken",
    finds: "line_not_canonical",
  },
  {
    title: "a line longer than any event",
    tamper: edit((lines) => lines.with(3, "x".repeat(2_000_000))),
    status: "broken",
    finds: "line_overlong",
  },
  {
    title: "zeros, as a file system leaves after a crash",
    tamper: (folder) => appendFileSync(join(folder, "events.jsonl"), Buffer.alloc(4096)),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "an event of another session",
    tamper: editLine(5, () => ({ session: "20261121-124652-000000" })),
    status: "broken",
    finds: "member_wrong",
  },
  {
    title: "another agent within the run",
    tamper: editLine(5, () => ({ subject: { agent_id: "x", owner: "x", policy_id: "x", policy_version: 1 } })),
    status: "broken",
    finds: "member_wrong",
  },
  {
    title: "the clock set back",
    tamper: edit((lines) =>
      rehash(lines.with(8, canonicalJson({ ...JSON.parse(lines[8] ?? ""), time: "2001-01-01T00:00:00.000Z" })), 8),
    ),
    status: "broken",
    finds: "time_backwards",
  },
  {
    title: "output changed",
    tamper: text("stdout.log", () => "hallo\n"),
    status: "broken",
    finds: "output_mismatch",
    place: "stdout.log",
  },
  {
    title: "output cut",
    tamper: (folder) => truncateSync(join(folder, "stderr.log"), 3),
    status: "broken",
    finds: "output_mismatch",
    place: "stderr.log",
  },
  {
    title: "output added",
    tamper: (folder) => appendFileSync(join(folder, "stdout.log"), "more"),
    status: "broken",
    finds: "output_mismatch",
    place: "stdout.log",
  },
  {
    title: "output deleted",
    tamper: (folder) => unlinkSync(join(folder, "stdout.log")),
    status: "broken",
    finds: "file_unreadable",
    place: "stdout.log",
  },
  {
    title: "output exchanged between the streams",
    tamper: (folder) => copyFileSync(join(folder, "stdout.log"), join(folder, "stderr.log")),
    status: "broken",
    finds: "output_mismatch",
  },
  {
    title: "an output event of absurd length",
    tamper: editLine(7, () => ({ length: 1e15 })),
    status: "broken",
    finds: "output_mismatch",
  },
  {
    title: "another exit code in session.json",
    tamper: editSession(() => ({ exit_code: 0 })),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "another command in session.json",
    tamper: editSession(() => ({ command: ["true"] })),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "another owner in session.json",
    tamper: editSession(() => ({ owner: "me" })),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "a termination taken out of session.json",
    tamper: editSession(() => ({ termination: { kind: "killed", threshold: null, observed: null } })),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "fewer denials in session.json",
    tamper: editSession((record) => ({ counts: { ...record.counts, denied: 0 } })),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "another policy in session.json",
    tamper: editSession(() => ({ policy: { id: "none", version: 1, digest: "sha256:00" } })),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "session.json of another session",
    tamper: editSession(() => ({ id: "20261121-124652-000000" })),
    status: "broken",
    finds: "session_mismatch",
  },
  {
    title: "session.json deleted",
    tamper: (folder) => unlinkSync(join(folder, "session.json")),
    status: "broken",
    finds: "file_unreadable",
    place: "session.json",
  },
  {
    title: "session.json that is no JSON",
    tamper: text("session.json", () => "{"),
    status: "broken",
    finds: "file_unreadable",
  },
  {
    title: "session.json that is something else",
    tamper: text("session.json", () => "[null]"),
    status: "broken",
    finds: "session_mismatch",
  },
  { title: "a sallyport that was killed", tamper: () => {}, status: "cut_tail", finds: "end_missing", killed: true },
  {
    title: "a sallyport that was killed within a line",
    tamper: (folder) => appendFileSync(join(folder, "events.jsonl"), '{"action":{"bo'),
    status: "cut_tail",
    finds: "line_incomplete",
    killed: true,
  },
  {
    title: "a killed session's log emptied",
    tamper: (folder) => truncateSync(join(folder, "events.jsonl"), 0),
    status: "broken",
    finds: "log_empty",
    killed: true,
  },
  {
    title: "a killed session's event deleted",
    tamper: edit((lines) => lines.toSpliced(6, 1)),
    status: "broken",
    finds: "events_missing",
    killed: true,
  },
  {
    title: "a killed session's output changed",
    tamper: text("stdout.log", () => "hallo\n"),
    status: "broken",
    finds: "output_mismatch",
    killed: true,
  },
];

for (const { title, tamper, status, finds, place, killed } of cases) {
  test(`${title}: ${status.replace("_", " ")}`, async () => {
    const folder = await sample(!killed);
    tamper(folder);
    const found = verifySession(folder);
    const told = JSON.stringify(found, null, 1);
    assert.equal(found.status, status, told);
    assert.ok(
      found.findings.some((finding) => finding.code === finds && (place === undefined || finding.place === place)),
      told,
    );
  });
}

test("a session that nobody touched is intact", async () => {
  const found = verifySession(await sample());
  assert.equal(found.status, "intact", JSON.stringify(found.findings));
  assert.equal(found.events, 10);
  assert.equal(found.policy, `sha256:${"ab".repeat(32)}`);
});

test("a session is intact although the clock went back while it ran", async () => {
  let time = Date.parse("2026-11-21T12:00:00Z");
  const found = verifySession(
    await sample(true, () => {
      time -= 1000;
      return time;
    }),
  );
  assert.equal(found.status, "intact", JSON.stringify(found.findings));
});

test("every single byte of the log counts", async () => {
  const folder = await sample();
  const file = join(folder, "events.jsonl");
  const bytes = readFileSync(file);
  for (let at = 0; at < bytes.length; at += 7) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    writeFileSync(file, changed);
    assert.equal(verifySession(folder).status, "broken", `byte ${at}`);
  }
});

test("a log cut at any byte is never intact", async () => {
  const folder = await sample();
  const file = join(folder, "events.jsonl");
  for (let size = readFileSync(file).length - 1; size >= 0; size -= 5) {
    truncateSync(file, size);
    assert.equal(verifySession(folder).status, "broken", `${size} bytes`);
  }
});
