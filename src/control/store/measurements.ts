// What an agent is made of: files that were read once, hashed, and kept as they were (`agents/<id>/measured/<sha256>`). A run
// shows the kept ones, so what is executed is what was measured, whatever happens to the originals meanwhile.

import { createHash, hash, randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import type { MeasuredFile, Measurement } from "#identity/attestation/statement.ts";
import { canonicalJson } from "#lib/canonical-json.ts";

const chunkBytes = 1_048_576;

/** The entry point first. Keeps a copy of each. @throws Failure usage */
export function measure(agents: string, agent: string, paths: readonly string[]): Measurement {
  const folder = keptFolder(agents, agent);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const files = paths.map((path): MeasuredFile => {
    const real = realFile(path);
    return { path: real, sha256: keep(folder, real) };
  });
  return { digest: measurementDigest(files), files };
}

export function measurementDigest(files: readonly MeasuredFile[]): string {
  const said = files.map(({ path, sha256 }) => ({ path, sha256 }));
  return `sha256:${hash("sha256", canonicalJson(said), "hex")}`;
}

/** Why the machine's files are not those that were measured; null where they are. */
export function changedSince({ files }: Measurement): string | null {
  for (const { path, sha256 } of files) {
    const found = digestOf(path);
    if (found !== sha256) return found === null ? `${path} is not there` : `${path} is not what was measured`;
  }
  return null;
}

/** Where the kept copies are, by the path that each is to be shown at. @throws Failure home_damaged */
export function keptFiles(agents: string, agent: string, { files }: Measurement): ReadonlyMap<string, string> {
  return new Map(
    files.map(({ path, sha256 }) => {
      const kept = join(keptFolder(agents, agent), sha256);
      if (digestOf(kept) === sha256) return [path, kept];
      throw new Failure("home_damaged", "a measured file is not what was kept", {
        place: kept,
        remedy: `Measure the agent again: sallyport auth measure-agent --agent-id ${agent}.`,
      });
    }),
  );
}

function keptFolder(agents: string, agent: string): string {
  return join(agents, agent, "measured");
}

function realFile(path: string): string {
  try {
    const real = realpathSync(path);
    if (statSync(real).isFile()) return real;
  } catch {
    // Told below, with what is there and no file.
  }
  throw new Failure("usage", "there is no such file to measure", {
    place: path,
    remedy: "Name the entry point first, then the interpreter and what else belongs to the agent.",
  });
}

/** Copies while it hashes: what is kept is what the digest is of. */
function keep(folder: string, path: string): string {
  const next = join(folder, `.${randomUUID()}`);
  const from = openSync(path, "r");
  const to = openSync(next, "wx", 0o600);
  const digest = createHash("sha256");
  try {
    for (const chunk of chunks(from)) {
      digest.update(chunk);
      writeSync(to, chunk);
    }
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  } finally {
    closeSync(from);
    closeSync(to);
  }
  const sha256 = digest.digest("hex");
  chmodSync(next, 0o555);
  renameSync(next, join(folder, sha256));
  return sha256;
}

function digestOf(path: string): string | null {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return null;
  }
  try {
    const digest = createHash("sha256");
    for (const chunk of chunks(fd)) digest.update(chunk);
    return digest.digest("hex");
  } finally {
    closeSync(fd);
  }
}

function* chunks(fd: number): Generator<Uint8Array> {
  const buffer = Buffer.alloc(chunkBytes);
  for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) yield buffer.subarray(0, read);
}
