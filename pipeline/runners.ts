/**
 * The runners of tasks: each made ready when it is first needed, all given back together.
 *
 * @module
 */
import type { Runner, RunnerOpen } from "../tasks/runner.ts";

/** Runners, made ready one by one. */
export class Runners implements AsyncDisposable {
  readonly #options: RunnerOpen;
  readonly #ready = new Map<Runner, Promise<void>>();

  /** @param options What runners get. */
  constructor(options: RunnerOpen) {
    this.#options = options;
  }

  /**
   * Makes a runner ready, once however often it is asked for. What has failed is tried again by who asks next.
   *
   * @param runner Which.
   */
  async open(runner: Runner): Promise<void> {
    let opening = this.#ready.get(runner);
    if (!opening) this.#ready.set(runner, opening = Promise.resolve(runner.open?.(this.#options)));
    try {
      await opening;
    } catch (error) {
      if (this.#ready.get(runner) === opening) this.#ready.delete(runner);
      throw error;
    }
  }

  /** Gives back what was taken, also when some of it cannot be. */
  async [Symbol.asyncDispose](): Promise<void> {
    await using stack = new AsyncDisposableStack();
    for (const [runner, opening] of this.#ready) {
      stack.defer(async () => {
        if (await opening.then(() => true, () => false)) await runner.close?.();
      });
    }
  }
}
