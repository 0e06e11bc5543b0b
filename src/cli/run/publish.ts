// `--publish [ADDR:]PORT`, `[ADDR:]HOST:CELL`: what the words mean, and how a run's published ports are told and recorded.

import type { EventLog } from "#audit/log/event-log.ts";
import { Failure } from "#core/failure.ts";
import { normalAddress } from "#lib/address.ts";
import { addressClass } from "#lib/address-class.ts";
import { hostAndPort, hostLoopback } from "#lib/host-name.ts";
import { NameUnresolved } from "#proxy/upstream/resolve.ts";
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

export interface RunPublisher extends Pick<Publisher, "attach" | "close"> {
  /** `told`: a line for the person. @throws Failure usage, port_unavailable */
  add(text: string): Promise<{
    readonly addresses: readonly string[];
    readonly port: number;
    readonly cell_port: number;
    readonly told: string;
  }>;
  /** A rejection for what would lead back into the cell; null for all else. */
  refuse(host: string, port: number): Promise<never> | null;
  /** Logs the ports that were opened before the agent, and from now on each when it is opened. */
  ready(): void;
}

export function createRunPublisher(log: EventLog): RunPublisher {
  const publisher = createPublisher({
    onConnection: ({ port, cellPort, from, outcome }, then) =>
      void log.append(
        { type: "publish.connection", detail: { port, cell_port: cellPort, from, outcome } },
        { written: then, unwritten: () => undefined },
      ),
  });
  const waiting: PublishedPort[] = [];
  let isReady = false;
  const record = ({ addresses, port, cellPort }: PublishedPort) =>
    void log.append({ type: "publish.opened", detail: { addresses: [...addresses], port, cell_port: cellPort } });
  return {
    attach: publisher.attach,
    close: publisher.close,
    add: async (text) => {
      const opened = await publisher.open(parsePublish(text));
      if (isReady) record(opened);
      else waiting.push(opened);
      const { addresses, port, cellPort } = opened;
      return { addresses, port, cell_port: cellPort, told: told(opened) };
    },
    refuse: (host, port) =>
      host === hostLoopback && publisher.owns(port) ? Promise.reject(new NameUnresolved(host, "not_found")) : null,
    ready: () => {
      isReady = true;
      for (const port of waiting.splice(0)) record(port);
    },
  };
}

function told({ addresses, port, cellPort }: PublishedPort): string {
  const [address = ""] = addresses;
  const local = addressClass(address) === "loopback";
  const where = addresses.length > 1 ? `localhost:${port}` : hostAndPort(address, port);
  return `published: ${where} leads to port ${cellPort} in the cell${local ? "" : " · also for other machines"}`;
}
