// Stopping and going on, together with the agent: Ctrl-Z in the person's shell stops the job that sallyport is in, and the agent,
// which lives in a session of its own, would run on behind a boundary that no longer answers.
// Rules: the agent is stopped before us and goes on after us; where no shell could ever let us go on (our process group is
// orphaned), nothing is stopped.

import { readFileSync } from "node:fs";
import type { RunningCell } from "./process.ts";

export interface Suspension {
  /** A shell is there that can let us go on. */
  possible(): boolean;
  /** Stops the whole job, as the terminal would for Ctrl-Z. */
  ask(): void;
  close(): void;
}

export interface Screen {
  /** Right before we stop, and right after we go on. */
  stop(): void;
  goOn(): void;
}

export function createSuspension(cell: Pick<RunningCell, "signal">, screen: Screen | null): Suspension {
  let stopped = false;
  const stop = () => {
    if (stopped || !isJob()) return;
    stopped = true;
    cell.signal("SIGSTOP");
    screen?.stop();
    process.once("SIGCONT", goOn);
    process.kill(process.pid, "SIGSTOP");
  };
  const goOn = () => {
    stopped = false;
    screen?.goOn();
    cell.signal("SIGCONT");
  };
  process.on("SIGTSTP", stop);
  return {
    possible: isJob,
    // To the group: what the person's shell started together with us (`time`, a script) stops as well.
    ask: () => void process.kill(0, "SIGTSTP"),
    close() {
      process.off("SIGTSTP", stop);
      process.off("SIGCONT", goOn);
    },
  };
}

/** True where an ancestor outside our process group is in our session: a shell with job control. */
function isJob(): boolean {
  const own = statOf("self");
  for (let pid = own?.parent ?? 0; pid > 0; ) {
    const ancestor = statOf(String(pid));
    if (ancestor === null || ancestor.session !== own?.session) return false;
    if (ancestor.group !== own.group) return true;
    pid = ancestor.parent;
  }
  return false;
}

function statOf(pid: string): { parent: number; group: number; session: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command name, in parentheses, may hold anything: fields are counted after its last parenthesis.
    const [, parent, group, session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(parent), group: Number(group), session: Number(session) };
  } catch {
    return null; // it has ended meanwhile
  }
}
