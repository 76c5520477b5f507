/**
 * Seeing whether a lease still stands: where its file was removed, somebody else can take a lease of the same name.
 *
 * @module
 */
import type { Lease } from "./lease.ts";

/** How often a lease is looked at, in milliseconds. */
const LOOK_MS = 2000;

/** So long, in milliseconds, what was seen of it is taken to be so. */
const RECENT_MS = 50;

/** Looks at a lease, until it is disposed of. */
export class LeaseGuard implements Disposable {
  readonly #lease: Lease;
  readonly #onLost: () => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #looked = performance.now();
  #lost = false;

  /**
   * Begins to look.
   *
   * @param lease Which.
   * @param onLost Told once that it is gone.
   */
  constructor(lease: Lease, onLost: () => void) {
    this.#lease = lease;
    this.#onLost = onLost;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Whether it is ours alone. This process may be stopped for a while, at any time: the timer would then come too late. */
  ours(): boolean {
    return !this.#lost && (performance.now() - this.#looked < RECENT_MS || this.#look());
  }

  #look(): boolean {
    this.#looked = performance.now();
    if (this.#lost || stands(this.#lease)) return !this.#lost;
    this.#lost = true;
    clearInterval(this.#timer);
    this.#onLost();
    return false;
  }

  /** Looks no more. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Whether a lease stands; it does as long as nothing tells that it does not. */
function stands(lease: Lease): boolean {
  try {
    return lease.stands();
  } catch {
    return true;
  }
}
