/**
 * A way between two servers that is cut again and again.
 *
 * @module
 */
import { Way } from "./front.ts";

/** Passes bytes on, and cuts connections after as many as it was told. */
export class CuttingProxy extends Way {
  /** How many connections it has cut. */
  cuts = 0;
  readonly #budgets: number[];

  /**
   * Listens.
   *
   * @param target The port of this machine that it leads to.
   * @param budgets How many bytes the first connections pass on before they are cut, in either direction; those after them are left alone.
   * @param hostname Where it listens.
   */
  constructor(target: () => number, budgets: readonly number[], hostname = "127.0.0.1") {
    super(
      Deno.listen({ hostname, port: 0 }),
      () => Deno.connect({ hostname: "127.0.0.1", port: target() }),
      () => {
        let left = this.#budgets.shift() ?? Infinity;
        const may = (chunk: Uint8Array): boolean => {
          if (left <= 0) return false;
          left -= chunk.length;
          if (left <= 0) this.cuts++;
          return left > 0;
        };
        return { asks: may, answers: may };
      },
    );
    this.#budgets = [...budgets];
  }

  /** Whether there are connections to come that it will cut. */
  get more(): boolean {
    return this.#budgets.length > 0;
  }
}
