/**
 * The entry of a worker that is a process: it connects to its pool, gives back the permission to do so, and serves.
 *
 * @module
 */
import { encodeText } from "../../core/bytes.ts";
import { ConnWire } from "./conn_wire.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import { serve } from "./runtime.ts";

/**
 * Runs a worker.
 *
 * @param path The socket of its pool.
 * @param revoked Which permissions it was given for the socket alone.
 * @param module The namespace of the module of the body.
 */
export async function main(
  path: string,
  revoked: readonly ("read" | "write" | "net")[],
  module: { readonly default?: unknown },
): Promise<void> {
  const conn = await Deno.connect({ transport: "unix", path });
  for (const name of revoked) {
    Deno.permissions.revokeSync(name === "net" ? { name, host: `unix:${path}` } : { name, path });
  }
  const exit = Deno.exit;
  await serve({
    wire: new ConnWire<ToWorker, FromWorker>(Promise.resolve(conn)),
    log: (line) => void write(`${line}\n`),
    mark: (mark) => write(`${mark}\n`),
    leave: () => exit(0),
  }, module);
}

/** Writes to standard output now; `false` when there is none any more. */
function write(text: string): boolean {
  try {
    const bytes = encodeText(text);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    return true;
  } catch {
    return false;
  }
}
