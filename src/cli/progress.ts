// A line that says what is being waited for: only to a person, only after a second, and gone without a trace when it is over.

import type { WriteStream } from "node:tty";

/** Milliseconds. */
const shownAfter = 1_000;

export interface Progress {
  /** Before something else is printed; the line comes back a second later. */
  clear(): void;
  end(): void;
}

export interface ProgressPlace {
  readonly stream: Pick<WriteStream, "write" | "isTTY">;
  readonly env: { readonly [name: string]: string | undefined };
  /** False holds the line back, e.g. while the agent draws. */
  readonly visible?: () => boolean;
}

/** `text`: what is waited for. Silent where nobody looks: no terminal, a dumb one, CI. */
export function startProgress(
  text: string,
  place: ProgressPlace = { stream: process.stderr, env: process.env },
): Progress {
  const { stream, env, visible = () => true } = place;
  if (!stream.isTTY || env.TERM === "dumb" || (env.CI !== undefined && env.CI !== "" && env.CI !== "false"))
    return { clear() {}, end() {} };
  let shown = false;
  const show = () => {
    if (!visible()) return;
    shown = true;
    // Within one row whatever its width, so that erasing the row erases the line.
    stream.write(`\r\u001b[K\u001b[?7lsallyport: ${text} …\u001b[?7h`);
  };
  let timer = setTimeout(show, shownAfter).unref();
  const clear = () => {
    clearTimeout(timer);
    if (shown) stream.write("\r\u001b[K");
    shown = false;
  };
  return {
    clear() {
      clear();
      timer = setTimeout(show, shownAfter).unref();
    },
    end: clear,
  };
}
