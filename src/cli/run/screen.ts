// The person's terminal while an agent has it: whether something draws there, and how a line of ours is put between what the
// agent prints without tearing it.

import type { RunningCell } from "#sandbox/process.ts";
import { createTerminalModes, type TerminalModes } from "#sandbox/terminal-modes.ts";
import type { OutputStream } from "#session/folder.ts";

export interface Screen {
  readonly modes: TerminalModes;
  /** MUST be shown what the agent prints. */
  see(stream: OutputStream, bytes: Uint8Array): void;
  running(cell: Pick<RunningCell, "takesLines">): void;
  /** The terminal is as it was before. */
  ended(): void;
  /**
   * A program draws: on the alternate screen, or with each key in its own hands (an editor of lines, such as a shell's
   * prompt, does that too).
   */
  drawing(): boolean;
  /** A text of whole lines as this terminal needs it now: in raw mode a line begins only where it is told to. */
  fit(text: string): string;
}

export function createScreen(): Screen {
  const modes = createTerminalModes();
  let cell: Pick<RunningCell, "takesLines"> | null = null;
  let ours = false;
  return {
    modes,
    see(_, bytes) {
      ours = false;
      modes.see(bytes);
    },
    running(running) {
      cell = running;
    },
    ended() {
      cell = null;
    },
    drawing: () => cell !== null && (modes.fullScreen || !cell.takesLines()),
    fit(text) {
      const begins = ours || modes.atLineStart ? "" : "\n";
      ours = true;
      return cell === null ? `${begins}${text}` : `${begins}${text}`.replaceAll("\n", "\r\n");
    },
  };
}
