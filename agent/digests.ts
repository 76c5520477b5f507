/**
 * Digests of values, each computed once for as long as its version is known and remembered.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Representation } from "./values.ts";

/** What reading a value once tells. */
export interface Digest {
  /** SHA-256 of its bytes, in hex. */
  readonly sha256: string;
  /** How long it is, in bytes. */
  readonly size: number;
}

/** How many digests are remembered. */
const MOST = 10_000;

/** How much is hashed before others have a turn, in bytes. */
const TURN = 2 ** 22;

interface Computation {
  readonly result: Promise<Digest>;
  readonly controller: AbortController;
  waiting: number;
}

/** Digests of values. */
export class Digests {
  readonly #known = new Map<string, Digest>();
  readonly #running = new Map<string, Computation>();
  /** How often a digest was remembered, and how often it had to be computed. */
  readonly counts: { hits: number; misses: number } = { hits: 0, misses: 0 };

  /** The digest of a value, when it is remembered. */
  peek({ tag }: Representation): Digest | undefined {
    return tag === undefined ? undefined : this.#known.get(tag);
  }

  /**
   * The digest of a value.
   *
   * @param value Which.
   * @param signal When to stop waiting. Nothing is read for those who do not wait any more.
   * @returns Its digest.
   */
  async of(value: Representation, signal: AbortSignal): Promise<Digest> {
    signal.throwIfAborted();
    const { tag } = value;
    if (tag === undefined) {
      this.counts.misses++;
      return await compute(value, signal);
    }
    const known = this.#known.get(tag);
    if (known) {
      this.counts.hits++;
      // The one that was used last is forgotten last.
      this.#known.delete(tag);
      this.#known.set(tag, known);
      return known;
    }
    const running = this.#running.get(tag) ?? this.#begin(tag, value);
    return await shared(running, signal);
  }

  #begin(tag: string, value: Representation): Computation {
    this.counts.misses++;
    const controller = new AbortController();
    const result = compute(value, controller.signal);
    const computation = { result, controller, waiting: 0 };
    this.#running.set(tag, computation);
    const over = (): void => {
      if (this.#running.get(tag) === computation) this.#running.delete(tag);
    };
    result.then((digest) => {
      over();
      this.#known.set(tag, digest);
      if (this.#known.size > MOST) this.#known.delete(this.#known.keys().next().value!);
    }, over);
    controller.signal.addEventListener("abort", over);
    return computation;
  }
}

/** Waits with others; who leaves last ends the computation. */
function shared(computation: Computation, signal: AbortSignal): Promise<Digest> {
  computation.waiting++;
  return new Promise<Digest>((resolve, reject) => {
    const onAbort = (): void => {
      if (--computation.waiting === 0) computation.controller.abort(signal.reason);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const settled = (): void => signal.removeEventListener("abort", onAbort);
    computation.result.finally(settled).then(resolve, reject);
  });
}

async function compute(value: Representation, signal: AbortSignal): Promise<Digest> {
  const hash = createHash("sha256");
  let [size, turn] = [0, 0];
  for await (const chunk of await value.open(signal)) {
    signal.throwIfAborted();
    hash.update(chunk);
    size += chunk.length;
    turn += chunk.length;
    if (turn < TURN) continue;
    // A value in memory comes without a pause, and others want to be heard as well.
    turn = 0;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return { sha256: hash.digest("hex"), size };
}
