// Who the cell is on the host. An ordinary user's cell runs as that user. Started as root, a cell never does: it is
// the user that was named, else the one who called sudo, else the owner of the workspace, else a reserved id that
// no account has. The change happens before the cell's user namespace is entered, supplementary groups cleared.

import { readFileSync, statSync } from "node:fs";
import { Failure } from "#core/failure.ts";

export interface HostUser {
  readonly uid: number;
  readonly gid: number;
  /** The name inside the cell. */
  readonly name: string;
}

/** Between systemd's container ranges and 2^31, where nothing assigns ids; and one below every assigned range, for
 * containers that map 65,536 ids. */
export const reservedIds = [2_000_000_000, 65_530] as const;

export interface UserFacts {
  /** The effective uid and gid of sallyport. */
  readonly uid: number;
  readonly gid: number;
  /** SUDO_UID and SUDO_GID as they stand in the environment. */
  readonly sudoUid?: string | undefined;
  readonly sudoGid?: string | undefined;
  /** `[execution] user`: a name or a number; only root can choose another than itself. */
  readonly user?: string | undefined;
  readonly workspace: string;
  /** Text of /etc/passwd and /proc/self/uid_map; read from there when not given. */
  readonly passwd?: string;
  readonly uidMap?: string;
}

/** Throws Failure sandbox_unavailable when `user` is unknown, is root, or is not ours to become. */
export function hostUser(facts: UserFacts): HostUser {
  const accounts = parsePasswd(facts.passwd ?? read("/etc/passwd"));
  const byUid = (uid: number) => accounts.find((account) => account.uid === uid);
  if (facts.user !== undefined) {
    const account = /^\d+$/.test(facts.user)
      ? (byUid(Number(facts.user)) ?? { uid: Number(facts.user), gid: Number(facts.user), name: "agent" })
      : accounts.find((candidate) => candidate.name === facts.user);
    if (account === undefined)
      throw refused(`there is no user ${facts.user}`, "Name an account of /etc/passwd or a numeric id.");
    if (account.uid === 0 || account.uid > 4_294_967_294)
      throw refused("the cell's user cannot be root", "Name an ordinary account, or none for a reserved id.");
    if (facts.uid !== 0 && account.uid !== facts.uid)
      throw refused(`only root can run a cell as ${facts.user}`, `Run as ${facts.user}, with sudo, or without a user.`);
    return account;
  }
  if (facts.uid !== 0) return byUid(facts.uid) ?? { uid: facts.uid, gid: facts.gid, name: "agent" };
  const sudo = id(facts.sudoUid);
  if (sudo !== null) return byUid(sudo) ?? { uid: sudo, gid: id(facts.sudoGid) ?? sudo, name: "agent" };
  const owner = statSync(facts.workspace, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0 && isMapped(owner.uid, facts))
    return byUid(owner.uid) ?? { uid: owner.uid, gid: owner.gid === 0 ? owner.uid : owner.gid, name: "agent" };
  const reserved = reservedIds.find((candidate) => isMapped(candidate, facts)) ?? 65_534;
  return { uid: reserved, gid: reserved, name: "agent" };
}

function isMapped(uid: number, facts: UserFacts): boolean {
  return (facts.uidMap ?? read("/proc/self/uid_map"))
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first = 0, , count = 0]) => uid >= first && uid < first + count);
}

/** A decimal id above 0, or null: 0 must not come back through the environment. */
function id(text: string | undefined): number | null {
  return text !== undefined && /^[1-9]\d{0,9}$/.test(text) && Number(text) <= 4_294_967_294 ? Number(text) : null;
}

function parsePasswd(text: string): HostUser[] {
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .filter((fields) => fields.length >= 7 && /^\d+$/.test(fields[2] ?? "") && /^\d+$/.test(fields[3] ?? ""))
    .map((fields) => ({ name: fields[0] ?? "", uid: Number(fields[2]), gid: Number(fields[3]) }));
}

function read(path: string): string {
  return readFileSync(path, "utf8");
}

function refused(message: string, remedy: string): Failure {
  return new Failure("sandbox_unavailable", message, { place: "[execution] user", remedy });
}
