// A small npm registry on loopback that serves the packages of this checkout's node_modules, so that installing the
// packed program is the real thing (npm, its resolver, its optional dependencies, its links) without the internet.
// Only what package-lock.json has outside of development is served: a dependency that the manifest forgot is a 404.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export interface Registry {
  readonly url: string;
  close(): Promise<void>;
}

interface Locked {
  readonly version: string;
  readonly dev?: boolean;
  readonly [field: string]: unknown;
}

/** Serves the non-development packages of the checkout at `root`. */
export async function openRegistry(root: string): Promise<Registry> {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Locked>;
  };
  /** By name, then by the folder in node_modules: a name may be there in several versions. */
  const served = new Map<string, Map<string, Locked>>();
  for (const [path, entry] of Object.entries(lock.packages)) {
    const name = path.split("node_modules/").at(-1) ?? "";
    if (path !== "" && entry.dev !== true) served.set(name, (served.get(name) ?? new Map()).set(path, entry));
  }

  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "").slice(1);
    const folder = /^tarball\/(.*)\.tar$/.exec(path)?.[1];
    const versions = served.get(folder?.split("node_modules/").at(-1) ?? path);
    if (versions === undefined || (folder !== undefined && !versions.has(folder))) {
      response.writeHead(404, { "content-type": "application/json" }).end('{"error":"not found"}');
    } else if (folder !== undefined) {
      const tar = spawn("tar", tarArguments(join(root, folder)));
      tar.stdout.pipe(response);
    } else {
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(packument(root, path, versions, server.address() as AddressInfo));
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => new Promise((closed) => server.close(() => closed())),
  };
}

/** The same bytes each time, uncompressed: npm reads both, and a Node binary takes seconds to compress. */
function tarArguments(folder: string): string[] {
  const sorted = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  return ["-c", ...sorted, "--exclude=./node_modules", "--transform=s,^\\.,package,", "-C", folder, "."];
}

function packument(root: string, name: string, kept: ReadonlyMap<string, Locked>, { port }: AddressInfo): string {
  const versions: { [version: string]: unknown } = {};
  for (const [path, entry] of kept) {
    const folder = join(root, path);
    // A package for another processor is not here; its entry is enough for npm to leave it out.
    const manifest = existsSync(folder)
      ? (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, unknown>)
      : { name, version: entry.version, os: entry.os, cpu: entry.cpu };
    const bytes = existsSync(folder)
      ? spawnSync("tar", tarArguments(folder), { maxBuffer: 1 << 29, encoding: "buffer" }).stdout
      : Buffer.alloc(0);
    const dist = {
      tarball: `http://127.0.0.1:${port}/tarball/${path}.tar`,
      integrity: `sha512-${createHash("sha512").update(bytes).digest("base64")}`,
    };
    versions[entry.version] = { ...manifest, dist };
  }
  const [latest] = kept.values();
  return JSON.stringify({ name, "dist-tags": { latest: latest?.version }, versions });
}
