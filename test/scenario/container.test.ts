// In containers as Docker makes them: what works, what is refused, and whether `doctor` names exactly what is missing. Made by a
// real container runtime (see container.ts); only root can start one, so elsewhere these say so and end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type ContainerOptions, inContainer } from "./container.ts";
import { program } from "./program.ts";

const run = [program, "run", "--quiet", "--", "sh", "-c", "id -u; echo written > file; cat file"];

interface Finding {
  readonly id: string;
  readonly ok: boolean;
  readonly remedy: string | null;
}

function doctor(options: ContainerOptions): { ok: boolean; findings: Finding[]; repairs: unknown[] } {
  const { stdout, stderr } = inContainer(options, [program, "doctor", "--json"]);
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout) as ReturnType<typeof doctor>;
}

const both = ["seccomp", "systempaths"] as const;
const profile = [
  "clone",
  "unshare",
  "mount",
  "umount2",
  "pivot_root",
  "sethostname",
  "open_tree",
  "move_mount",
  "mount_setattr",
];

const works: readonly (readonly [title: string, options: ContainerOptions, uid: string])[] = [
  ["an ordinary user, neither seccomp nor masked paths", { user: "ordinary", unconfined: both }, "1234"],
  [
    "an ordinary user, a seccomp profile that lets nine calls more through",
    { user: "ordinary", unconfined: ["systempaths"], allow: profile },
    "1234",
  ],
  [
    "root with SYS_ADMIN and SYS_PTRACE",
    { user: "root", unconfined: both, add: ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE"] },
    "2000000000",
  ],
];

const refused: readonly (readonly [title: string, options: ContainerOptions, remedy: string])[] = [
  [
    "an ordinary user, Docker's defaults",
    { user: "ordinary" },
    "Start the container with: --security-opt seccomp=unconfined --security-opt systempaths=unconfined.",
  ],
  [
    "an ordinary user, masked paths",
    { user: "ordinary", unconfined: ["seccomp"] },
    "Start the container with: --security-opt systempaths=unconfined.",
  ],
  [
    "an ordinary user, Docker's seccomp profile",
    { user: "ordinary", unconfined: ["systempaths"] },
    "Start the container with: --security-opt seccomp=unconfined.",
  ],
  [
    "a dev container, Docker's defaults",
    { user: "ordinary", env: { REMOTE_CONTAINERS: "true" } },
    'Put this into devcontainer.json: "runArgs": ["--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"].',
  ],
  [
    "a job's container of GitHub Actions, Docker's defaults",
    { user: "ordinary", env: { GITHUB_ACTIONS: "true" } },
    "Give the job's container these options: --security-opt seccomp=unconfined --security-opt systempaths=unconfined.",
  ],
  [
    "root without capabilities",
    { user: "root", unconfined: both },
    "Start the container with (or run as an ordinary user in it): --cap-add SYS_ADMIN --cap-add SYS_PTRACE.",
  ],
];

const here = process.geteuid?.() === 0 ? "" : "only root starts a container: looked at nothing";

for (const [title, options, uid] of works) {
  test(`a cell starts in a container of ${title}, and doctor agrees`, (t) => {
    if (here !== "") return t.diagnostic(here);
    const ran = inContainer(options, run);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout, `${uid}\nwritten\n`);
    const { ok, findings } = doctor(options);
    assert.deepEqual(
      findings.filter((finding) => !finding.ok),
      [],
    );
    assert.ok(ok);
  });
}

for (const [title, options, remedy] of refused) {
  test(`in a container of ${title} nothing runs, and doctor names what is missing`, (t) => {
    if (here !== "") return t.diagnostic(here);
    const ran = inContainer(options, run);
    assert.equal(ran.code, 125, ran.stderr);
    assert.equal(ran.stdout, "");
    assert.match(ran.stderr, /\((sandbox_\w+|workspace_refused)\)\n {2}.*sallyport doctor/);
    const { ok, findings, repairs } = doctor(options);
    assert.ok(!ok);
    const remedies = findings.filter((finding) => !finding.ok).map((finding) => finding.remedy);
    assert.ok(remedies.includes(remedy), remedies.join("\n"));
    assert.deepEqual(repairs, [], "a container's kernel is not for it to change");
  });
}
