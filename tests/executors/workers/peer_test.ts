/** Tests of the conversation between a pool and its workers, without a worker: what travels, what stays, and what is refused. */
import assert from "node:assert/strict";
import { StopError } from "../../../core/attempt.ts";
import type { Bytes } from "../../../core/bytes.ts";
import { isDatataskError, NotFoundError } from "../../../core/errors.ts";
import { givesAtOnce } from "../../../executors/workers/marshal.ts";
import { Peer, type PeerMessage } from "../../../executors/workers/peer.ts";

/** Two ends that hear each other, and all that they have said. */
function conversation(): { readonly here: Peer; readonly there: Peer; readonly said: PeerMessage[] } {
  const said: PeerMessage[] = [];
  const to = (other: () => Peer) => (message: PeerMessage, parts: readonly Uint8Array[]): void => {
    const text = JSON.stringify(message);
    said.push(JSON.parse(text));
    queueMicrotask(() =>
      other().handle(JSON.parse(text), parts.map((part) => new Uint8Array(part) as Bytes))
    );
  };
  const here: Peer = new Peer(to(() => there));
  const there: Peer = new Peer(to(() => here));
  return { here, there, said };
}

/** What the other end gets of a value. */
function handed(value: unknown, { here, there } = conversation()): unknown {
  const parts: Uint8Array[] = [];
  const json = JSON.parse(JSON.stringify(here.encode(value, parts)));
  return there.decode(json, parts as Bytes[]);
}

Deno.test("Data arrives as it was, whatever JSON makes of it", () => {
  const values = [
    null,
    undefined,
    true,
    0,
    -0,
    NaN,
    -Infinity,
    2n ** 70n,
    "",
    "long ".repeat(5000),
    new Date(12),
    new Uint8Array([1, 2, 3]),
    new Map([["a", new Set([1])]]),
    { $: "text", v: 0 },
    { nested: [{ a: undefined }, [1, [2]]] },
  ];
  assert.deepEqual(handed(values), values);
});

Deno.test("Errors arrive with their class, code and cause", () => {
  const cause = new NotFoundError('Cannot read "x"', { operation: "read", key: "x" });
  const error = handed(new RangeError("too far", { cause })) as RangeError;
  assert(error instanceof RangeError);
  assert.match(error.stack!, /peer_test\.ts/);
  assert(isDatataskError(error.cause, "not-found"));
  assert.deepEqual([error.cause.name, error.cause.context.key], ["NotFoundError", "x"]);
  assert(handed(new Deno.errors.NotCapable("no")) instanceof Deno.errors.NotCapable);
  assert.equal((handed(new StopError("timeout")) as StopError).why, "timeout");
});

Deno.test("Functions stay where they are and are called from afar, methods of classes too", async () => {
  class Counter {
    #n = 0;
    add(n: number): number {
      return this.#n += n;
    }
    fail(): never {
      throw new TypeError("not this one");
    }
  }
  const counter = handed(new Counter()) as Record<string, (...args: unknown[]) => Promise<unknown>>;
  assert.equal(await counter.add!(2), 2);
  assert.equal(await counter.add!(3), 5);
  await assert.rejects(counter.fail!(), { name: "TypeError", message: "not this one" });
  const call = handed((fn: (n: number) => Promise<number>) => fn(20)) as (fn: unknown) => Promise<number>;
  assert.equal(await call((n: number) => n + 1), 21);
});

Deno.test("An iterable is asked for one value at a time, from the first on each time, and told when its reader leaves", async () => {
  const told: string[] = [];
  const iterable = {
    async *[Symbol.asyncIterator]() {
      try {
        for (const n of [1, 2, 3]) {
          told.push(`asked for ${n}`);
          yield await Promise.resolve(n);
        }
      } finally {
        told.push("left");
      }
    },
  };
  const remote = handed(iterable) as AsyncIterable<number>;
  for await (const n of remote) if (n === 2) break;
  assert.deepEqual(told, ["asked for 1", "asked for 2", "left"]);
  assert.deepEqual(await Array.fromAsync(remote), [1, 2, 3]);
  const keys = (): AsyncIterable<number> => iterable;
  givesAtOnce(keys, "iterable");
  assert.deepEqual(await Array.fromAsync((handed(keys) as () => AsyncIterable<number>)()), [1, 2, 3]);
});

Deno.test("Streams keep their order and their pace, and end with their error", async () => {
  let read = 0;
  const stream = new ReadableStream<Bytes>({
    pull(controller) {
      controller.enqueue(new Uint8Array(300_000).fill(++read));
      if (read === 40) controller.error(new Error("cut"));
    },
  }, { highWaterMark: 0 });
  const reader = (handed(stream) as ReadableStream<Bytes>).getReader();
  const first = await reader.read();
  assert.equal(first.value![0], 1);
  assert(read < 20, `${read} pieces were read ahead`);
  await assert.rejects(async () => {
    while (!(await reader.read()).done);
  }, { message: "cut" });
});

Deno.test("What cannot travel is refused, and what was not handed over cannot be called", async () => {
  assert.throws(() => handed(Symbol("s")), { message: "A symbol cannot be handed to a worker" });
  assert.throws(() => handed(new Float64Array(1)), {
    message: "A Float64Array cannot be handed to a worker; use a Uint8Array",
  });
  const ends = conversation();
  await assert.rejects(ends.there.take(4711)(), {
    message: "A function was called that was not handed over",
  });
  const late = handed(() => 1, ends) as () => Promise<unknown>;
  ends.here.close(new Error("over"));
  ends.there.close(new Error("over"));
  await assert.rejects(late(), { message: "over" });
});
