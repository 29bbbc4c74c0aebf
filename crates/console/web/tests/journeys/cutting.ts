// A network between browser and server that can be cut.

import { connect, createServer, type Socket } from "node:net";
import { listening } from "./upstream";

export interface Network {
  url: string;
  /** Ends all connections, and refuses new ones until `mend`. */
  cut: () => void;
  mend: () => void;
  stop: () => Promise<void>;
}

export async function network(target: string): Promise<Network> {
  const { port } = new URL(target);
  const open = new Set<Socket>();
  let isCut = false;
  const proxy = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const server = connect(Number(port), "127.0.0.1");
    for (const [from, into] of [[client, server], [server, client]] as const) {
      open.add(from);
      from.pipe(into);
      from.on("error", () => into.destroy());
      from.on("close", () => {
        open.delete(from);
        into.destroy();
      });
    }
  });
  const own = await listening(proxy);
  return {
    url: `http://127.0.0.1:${own}`,
    cut: () => {
      isCut = true;
      for (const socket of open) socket.destroy();
    },
    mend: () => {
      isCut = false;
    },
    stop: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

