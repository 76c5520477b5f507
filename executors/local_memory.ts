/**
 * How much memory runs hold: looked at once a second, so that short runs pay nothing. Linux only.
 *
 * @module
 */
import { processes } from "./process_identity.ts";

/** How often is looked, in milliseconds. */
const INTERVAL = 1000;

/** Looks at the memory of sessions. */
export class MemoryWatch {
  readonly #peaks = new Map<number, number>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Begins to look at a session. */
  add(session: number): void {
    this.#peaks.set(session, 0);
    if (this.#timer !== undefined || Deno.build.os !== "linux") return;
    this.#timer = setInterval(() => void this.look().catch(() => {}), INTERVAL);
    Deno.unrefTimer(this.#timer);
  }

  /**
   * Stops looking.
   *
   * @param session At which.
   * @returns The most that was seen, in bytes; nothing when it was never seen.
   */
  take(session: number): number | undefined {
    const peak = this.#peaks.get(session);
    this.#peaks.delete(session);
    if (this.#peaks.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    return peak || undefined;
  }

  /** Looks now. */
  async look(): Promise<void> {
    const sums = new Map<number, number>();
    for (const { pid, session } of await processes()) {
      if (pid === session || !this.#peaks.has(session)) continue;
      sums.set(session, (sums.get(session) ?? 0) + highWater(pid));
    }
    for (const [session, sum] of sums) {
      const before = this.#peaks.get(session);
      if (before !== undefined) this.#peaks.set(session, Math.max(before, sum));
    }
  }
}

function highWater(pid: number): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
