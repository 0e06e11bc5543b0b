// `--publish [ADDR:]PORT`, `[ADDR:]HOST:CELL`: what the words mean, and how a run's published ports are told and recorded.

import type { EventLog } from "#audit/log/event-log.ts";
import { Failure } from "#core/failure.ts";
import { normalAddress } from "#lib/address.ts";
import { addressClass } from "#lib/address-class.ts";
import { hostAndPort, hostLoopback } from "#lib/host-name.ts";
import { NameUnresolved, type ResolveUpstream } from "#proxy/upstream/resolve.ts";
import { createPublisher, type PortWish, type PublishedPort, type Publisher } from "#supervisor/publish.ts";

/** Both of the host's own, so that `localhost` leads there however it is resolved. */
const loopback = ["127.0.0.1", "::1"] as const;

/** @throws Failure usage */
export function parsePublish(text: string): PortWish {
  const parts = /^(?:(\[[^\]]*\]|[^:]*?[^:\d][^:]*|\d+(?:\.\d+)+):)?(\d{1,5})(?::(\d{1,5}))?$/.exec(text);
  if (parts === null) throw wrong(text, "it is no [ADDRESS:]PORT");
  const [, address, first = "", second] = parts;
  const port = Number(first);
  const cellPort = Number(second ?? first);
  if (port > 65_535 || cellPort > 65_535 || cellPort < 1) throw wrong(text, "a port is a number from 1 to 65535");
  if (address === undefined || address === "localhost") return { addresses: loopback, port, cellPort };
  if (address === "*")
    throw wrong(text, '"*" is no address', "Write 0.0.0.0 or [::] for every address of this machine.");
  const literal = normalAddress(address.replace(/^\[(.*)\]$/, "$1"));
  if (literal === null) throw wrong(text, `"${address}" is no literal address`);
  return { addresses: [literal], port, cellPort };
}

/** @throws Failure usage */
export function checkPublish(flags: readonly string[]): void {
  for (const text of flags) parsePublish(text);
}

function wrong(text: string, why: string, remedy?: string): Failure {
  return new Failure("usage", `${text} cannot be published: ${why}`, {
    place: `--publish ${text}`,
    remedy: remedy ?? "Write --publish 3000, --publish 8080:3000 (HOST:CELL), or --publish 127.0.0.1:8080:3000.",
  });
}

export interface RunPublisher extends Publisher {
  /** Logs the ports that were opened before the agent; MUST be called when the cell is ready. */
  announce(): void;
  /** A cell does not come back to itself by way of the host's loopback: its requests would go round for ever. */
  withoutOwnPorts(resolve: ResolveUpstream): ResolveUpstream;
}

/** Opens what the flags ask for; everything is closed again when one port cannot be had. @throws Failure */
export async function openPublished(
  flags: readonly string[],
  log: EventLog,
  tell: (line: string) => void,
): Promise<RunPublisher> {
  const publisher = createPublisher({
    onConnection: ({ port, cellPort, from, outcome }, then) =>
      void log.append(
        { type: "publish.connection", detail: { port, cell_port: cellPort, from, outcome } },
        { written: then, unwritten: () => undefined },
      ),
  });
  const opened: PublishedPort[] = [];
  const record = ({ addresses, port, cellPort }: PublishedPort) =>
    void log.append({ type: "publish.opened", detail: { addresses: [...addresses], port, cell_port: cellPort } });
  try {
    for (const wish of flags.map(parsePublish)) {
      const port = await publisher.open(wish);
      opened.push(port);
      tell(told(port));
    }
  } catch (error) {
    publisher.close();
    throw error;
  }
  return {
    ...publisher,
    announce: () => opened.forEach(record),
    withoutOwnPorts: (resolve) => (host, port) =>
      host === hostLoopback && publisher.owns(port)
        ? Promise.reject(new NameUnresolved(host, "not_found"))
        : resolve(host, port),
  };
}

function told({ addresses, port, cellPort }: PublishedPort): string {
  const [address = ""] = addresses;
  const local = addressClass(address) === "loopback";
  const where = addresses.length > 1 ? `localhost:${port}` : hostAndPort(address, port);
  return `published: ${where} leads to port ${cellPort} in the cell${local ? "" : " · also for other machines"}`;
}
