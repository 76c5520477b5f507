/**
 * A proxy before a server that lets a user do less: the server of the tests gives every user all rights.
 *
 * @module
 */
import { BSON } from "../../../deps/mongodb.ts";
import { close, ServerProxy, writeAll } from "./proxy.ts";

/** The kind of message in which commands and answers come. */
const OP_MSG = 2013;

/** Where the document of a message begins: after its header, its flags, and the kind of its section. */
const DOCUMENT = 16 + 4 + 1;

/** Passes commands on, and answers some as a server does that does not allow them. */
export class RefusingProxy extends ServerProxy {
  readonly #denied: ReadonlySet<string>;

  /**
   * @param target Where the server is.
   * @param denied Which commands are not allowed.
   */
  constructor(target: string, denied: readonly string[]) {
    super(target);
    this.#denied = new Set(denied);
  }

  protected override async serve(client: Deno.Conn, server: Deno.Conn): Promise<void> {
    const up = (async () => {
      for await (const message of messages(client)) {
        const answer = this.#answer(message);
        await writeAll(answer ? client : server, answer ?? message);
      }
    })().catch(() => {}).finally(() => close(server));
    const down = (async () => {
      for await (const message of messages(server)) await writeAll(client, message);
    })().catch(() => {}).finally(() => close(client));
    await Promise.all([up, down]);
  }

  /** The answer to a command that is not allowed; nothing for others. */
  #answer(message: Uint8Array<ArrayBuffer>): Uint8Array | undefined {
    const view = new DataView(message.buffer);
    if (view.getInt32(12, true) !== OP_MSG) return undefined;
    const size = view.getInt32(DOCUMENT, true);
    const command = BSON.deserialize(message.slice(DOCUMENT, DOCUMENT + size));
    const [name] = Object.keys(command);
    if (!this.#denied.has(name!)) return undefined;
    const errmsg = `not authorized on ${command.$db} to execute command { ${name}: "${command[name!]}" }`;
    const document = BSON.serialize({ ok: 0, errmsg, code: 13, codeName: "Unauthorized" });
    const answer = new Uint8Array(DOCUMENT + document.length);
    const header = new DataView(answer.buffer);
    header.setInt32(0, answer.length, true);
    header.setInt32(8, view.getInt32(4, true), true); // in answer to
    header.setInt32(12, OP_MSG, true);
    answer.set(document, DOCUMENT);
    return answer;
  }
}

/** The messages of a connection, each whole. */
async function* messages(from: Deno.Conn): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let held = new Uint8Array();
  for await (const chunk of from.readable.values({ preventCancel: true })) {
    const joined = new Uint8Array(held.length + chunk.length);
    joined.set(held);
    joined.set(chunk, held.length);
    held = joined;
    for (;;) {
      const size = held.length < 4 ? Infinity : new DataView(held.buffer).getInt32(0, true);
      if (held.length < size) break;
      yield held.slice(0, size);
      held = held.slice(size);
    }
  }
}
