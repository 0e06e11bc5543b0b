// A place with one server outside the cell that a policy allows: `api.example.com` is the test's own server, by a certificate
// that the policy's own authority vouches for. What most scenarios about requests begin with.

import { createTestAuthority } from "../servers/certificate-authority.ts";
import { startServer, type TestServer } from "../servers/https-server.ts";
import { placedPolicy } from "../servers/placed.ts";
import { openPlace, type Place } from "./program.ts";

export interface Scene extends Place {
  readonly server: TestServer;
  /** The file of the policy that allows the server, and nothing else. */
  readonly served: string;
  /** The same policy with more in it; what stands before TOML's first table header must not be in `more`. */
  policyWith(more: string): string;
  close(): Promise<void>;
}

type Answer = Parameters<typeof startServer>[0]["answer"];

export async function openScene(name: string, answer?: Answer): Promise<Scene> {
  const place = openPlace(name);
  const authority = createTestAuthority(place.root);
  const server = await startServer({
    leaf: authority.issue(["api.example.com"]),
    ...(answer === undefined ? {} : { answer }),
  });
  const placed = { caFile: authority.caFile, hosts: { "api.example.com": server.port } };
  const policyWith = (more: string) => place.policy(placedPolicy({ ...placed, more }));
  return {
    ...place,
    server,
    served: policyWith(""),
    policyWith,
    async close() {
      await server.close();
      place.close();
    },
  };
}
