// The file of `run --summary`. It may stand where an agent has written before, and what an agent left there must not decide
// which file of the person's is written: no link is followed, no second name of another file is taken, and what was put in
// its place during the run is replaced, not followed.
// Rules: Markdown is added to what is there (GitHub's $GITHUB_STEP_SUMMARY holds what earlier steps said); SARIF replaces SARIF.

import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { Failure } from "#core/failure.ts";
import { isWithin } from "#lib/file-path.ts";
import { writeWhole } from "#lib/whole-file.ts";

export interface SummaryFile {
  /** Its real path. */
  readonly path: string;
  readonly format: "markdown" | "sarif";
  /** Once. @throws Failure summary_unwritable */
  write(text: string): void;
  /** In place of writing. */
  close(): void;
}

/** `workspace`: the folder whose contents an agent may have made. @throws Failure usage, summary_unwritable */
export function openSummaryFile(file: string, workspace: string): SummaryFile {
  const asked = resolve(file);
  const format = formatOf(file);
  const folder = realFolder(dirname(asked), file);
  const root = realpathSync(workspace);
  if ((isWithin(asked, root) || isWithin(asked, workspace)) && !isWithin(folder, root))
    throw refused(file, "a link in the workspace leads out of it");
  const path = join(folder, basename(asked));
  const before = format === "sarif" ? readExisting(path) : "";
  const fd = openNew(path, file);
  const found = fstatSync(fd);
  const unfit = !found.isFile()
    ? "it is no ordinary file"
    : found.nlink > 1
      ? "it is another file's second name"
      : before.trim() !== "" && !isSarif(before)
        ? "it holds something else than SARIF"
        : null;
  if (unfit !== null) {
    closeSync(fd);
    throw refused(file, unfit);
  }
  return {
    path,
    format,
    close: () => closeSync(fd),
    write(text) {
      try {
        const now = lstatSync(path, { throwIfNoEntry: false });
        if (now?.ino === found.ino && now.dev === found.dev) {
          if (format === "sarif") ftruncateSync(fd);
          writeFileSync(fd, format === "markdown" && fstatSync(fd).size > 0 ? `\n${text}` : text);
        } else if (realpathSync(dirname(path)) === folder) {
          // Somebody put another there. A rename replaces whatever it is, a link too, and follows nothing.
          writeWhole(path, text, 0o644);
        } else throw new Error("its folder was replaced by another while the run went on");
      } catch (cause) {
        throw unwritable(path, cause as Error);
      } finally {
        closeSync(fd);
      }
    },
  };
}

function formatOf(file: string): "markdown" | "sarif" {
  const ending = extname(file).toLowerCase();
  if (ending === ".sarif" || ending === ".json") return "sarif";
  if (ending === ".toml" || ending === ".yaml" || ending === ".yml")
    throw refused(file, "a summary is Markdown (.md) or SARIF (.sarif, .json)");
  return "markdown";
}

function realFolder(folder: string, file: string): string {
  try {
    return realpathSync(folder);
  } catch (cause) {
    throw new Failure("summary_unwritable", "the summary's folder is not there", {
      place: file,
      remedy: "Make the folder, or name a file in another one.",
      cause,
    });
  }
}

function openNew(path: string, file: string): number {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o644);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ELOOP") throw refused(file, "it is a link");
    throw unwritable(file, cause as Error);
  }
}

/** What is there now, to be replaced; a link is seen when it is opened. */
function readExisting(path: string): string {
  try {
    return lstatSync(path).isFile() ? readFileSync(path, "utf8") : "";
  } catch {
    return ""; // nothing yet, or not for us to read: opening it says so
  }
}

function isSarif(text: string): boolean {
  try {
    const found = JSON.parse(text) as { version?: unknown; runs?: unknown };
    return found.version === "2.1.0" && Array.isArray(found.runs);
  } catch {
    return false; // no JSON, so no SARIF
  }
}

function refused(place: string, message: string): Failure {
  const remedy = "Name another file for --summary, e.g. outside of the workspace.";
  return new Failure("usage", `the summary cannot be written there: ${message}`, { place, remedy });
}

function unwritable(place: string, cause: Error): Failure {
  return new Failure("summary_unwritable", `the summary cannot be written: ${cause.message}`, {
    place,
    remedy: "Name a file that this user can write.",
    cause,
  });
}
