// `sallyport replay SESSION`: the exact bytes that the agent printed, to the streams it printed them to, at its pace.

import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { Failure } from "#core/failure.ts";
import { type Chunk, replay } from "#session/replay.ts";
import { findSession } from "#session/store.ts";
import { openHome } from "./home.ts";
import { printJson, writeBytes } from "./output.ts";

export function register(program: Command): void {
  program
    .command("replay")
    .description("play a session's output again")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--speed <n>", "n times as fast", factor, 1)
    .option("--no-delay", "do not wait at all")
    .option("--json", "print each chunk as a line of JSON, its bytes in base64, without waiting")
    .action(run);
}

async function run(text: string, options: { speed: number; delay: boolean; json?: boolean }): Promise<void> {
  const { sessions } = openHome(process.env);
  const folder = findSession(sessions, text);
  const speed = options.delay && !options.json ? options.speed : Number.POSITIVE_INFINITY;
  const streams = { stdout: process.stdout, stderr: process.stderr };
  const write = options.json ? writeJson : (chunk: Chunk) => writeBytes(streams[chunk.stream], chunk.bytes);
  try {
    await replay({ folder, speed, write, sleep: (ms) => sleep(ms), clock: () => performance.now() });
  } catch (error) {
    // Whoever read along has gone: nobody is left to replay for.
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}

async function writeJson({ stream, at, offset, bytes, sha256 }: Chunk): Promise<void> {
  printJson({ stream, at_ms: at, offset, length: bytes.length, sha256, base64: bytes.toString("base64") });
}

function factor(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Failure("usage", "not a number above 0", { place: text, remedy: "For example: --speed 4" });
}
