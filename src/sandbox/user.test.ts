import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#core/failure.ts";
import { hostUser, reservedIds, type UserFacts } from "./user.ts";

const passwd = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n";
const uidMap = "0 0 4294967295";
const root: UserFacts = { uid: 0, gid: 0, workspace: "/", passwd, uidMap };

const chosen: [title: string, facts: UserFacts, expected: [uid: number, gid: number, name: string]][] = [
  ["an ordinary user is itself", { ...root, uid: 1000, gid: 1001 }, [1000, 1001, "alice"]],
  ["an ordinary user without an account is itself", { ...root, uid: 77, gid: 78 }, [77, 78, "agent"]],
  ["root with a name", { ...root, user: "alice", sudoUid: "5" }, [1000, 1001, "alice"]],
  ["root with a number", { ...root, user: "1234" }, [1234, 1234, "agent"]],
  ["root by sudo", { ...root, sudoUid: "1000", sudoGid: "1001" }, [1000, 1001, "alice"]],
  ["root by sudo without an account", { ...root, sudoUid: "44", sudoGid: "55" }, [44, 55, "agent"]],
  ["root alone", root, [reservedIds[0], reservedIds[0], "agent"]],
  ["root by root's sudo", { ...root, sudoUid: "0", sudoGid: "0" }, [reservedIds[0], reservedIds[0], "agent"]],
  ["a damaged SUDO_UID", { ...root, sudoUid: "1000x" }, [reservedIds[0], reservedIds[0], "agent"]],
  ["a container with 65,536 ids", { ...root, uidMap: "0 100000 65536" }, [reservedIds[1], reservedIds[1], "agent"]],
];

for (const [title, facts, [uid, gid, name]] of chosen)
  test(`${title}: the cell is ${uid}`, () => {
    assert.deepEqual(hostUser(facts), { uid, gid, name });
  });

for (const [title, facts] of [
  ["an unknown name", { ...root, user: "nobody-here" }],
  ["root by name", { ...root, user: "root" }],
  ["root by number", { ...root, user: "0" }],
  ["root by another name", { ...root, user: "toor" }],
  ["someone else, without being root", { ...root, uid: 1000, gid: 1001, user: "1234" }],
] as [string, UserFacts][])
  test(`${title} is refused`, () => {
    assert.throws(
      () => hostUser(facts),
      (error) => error instanceof Failure && error.code === "sandbox_unavailable",
    );
  });
