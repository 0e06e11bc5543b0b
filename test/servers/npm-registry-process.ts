// Runs verdaccio as a process of its own: argv is the folder of the installed packages and a JSON configuration; prints the port
// it listens on as the only line of stdout, and ends when its stdin does, so that it cannot outlive the test.

import type { Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const [modules = "", configuration = "{}"] = process.argv.slice(2);
const { runServer } = createRequire(join(modules, "verdaccio", "package.json"))("verdaccio") as {
  runServer(configuration: object): Promise<Server>;
};
const server = await runServer(JSON.parse(configuration) as object);
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.stdin.on("end", () => process.exit(0)).resume();
