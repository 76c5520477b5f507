/**
 * When to try again, and how fast to ask a store that says that it is too much.
 *
 * @module
 */
import { type Clock, sleep, systemClock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import type { RetryErrorInfo, RetryStrategyV2, RetryToken } from "../../deps/aws_s3.ts";

/** The wait before the second try, and the longest, in milliseconds. */
const FIRST_WAIT = 100;
const LONGEST_WAIT = 5_000;

/** The distance between requests after the first complaint, the largest, and the one that counts as none, in milliseconds. */
const FIRST_DISTANCE = 5;
const LARGEST_DISTANCE = 1_000;
const NO_DISTANCE = 1;

/** What a success leaves of the distance, and from which distance on it leaves less, in milliseconds. */
const SHRINK = 0.95;
const LARGE_DISTANCE = 50;

/** How {@linkcode PacedRetries} tries. */
export interface PaceOptions {
  /** How many times to try in all. */
  readonly maxAttempts: number;
  /** Whether to slow down when the store complains. */
  readonly adaptive: boolean;
  /** By which clock to wait. @default systemClock */
  readonly clock?: Clock | undefined;
  /** Where chance comes from. @default Math.random */
  readonly random?: Random | undefined;
}

/**
 * Tries again after waits that double, each left to chance so that many do not come back at once. When the store says that it is too much,
 * all requests of the client keep a distance that doubles with each complaint and shrinks with each success. What was under way when it
 * doubled says nothing new: a hundred complaints at once count as one.
 */
export class PacedRetries implements RetryStrategyV2 {
  readonly #options: PaceOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sent = new WeakMap<RetryToken, number>();
  #distance = 0;
  #next = 0;
  /** When the distance grew last. */
  #grown = -Infinity;

  /** @param options How often to try, and whether to slow down. */
  constructor(options: PaceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  /** The distance between two requests, in milliseconds. */
  get distance(): number {
    return this.#distance;
  }

  /** Called before the first try of a request: waits for its turn. */
  async acquireInitialRetryToken(): Promise<RetryToken> {
    const wait = this.#turn();
    if (wait > 0) await sleep(this.#clock, wait);
    return this.#token(0, 0);
  }

  /** Called after a failure: says how long to wait, or throws when it was the last try. */
  refreshRetryTokenForRetry(
    token: RetryToken,
    { error, errorType, retryAfterHint }: RetryErrorInfo,
  ): Promise<RetryToken> {
    const tried = token.getRetryCount() + 1;
    if (errorType === "CLIENT_ERROR" || tried >= this.#options.maxAttempts) {
      return Promise.reject(error ?? new Error("no more tries"));
    }
    if (errorType === "THROTTLING" && this.#options.adaptive) {
      if ((this.#sent.get(token) ?? 0) >= this.#grown) {
        this.#distance = Math.min(LARGEST_DISTANCE, Math.max(FIRST_DISTANCE, this.#distance * 2));
        this.#grown = this.#clock.monotonic();
      }
    }
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tried - 1));
    const told = retryAfterHint ? Math.max(0, retryAfterHint.getTime() - this.#clock.now()) : 0;
    const wait = Math.max(longest * this.#random(), Math.min(told, LONGEST_WAIT), this.#turn());
    return Promise.resolve(this.#token(tried, wait));
  }

  /** Called after a success. */
  recordSuccess(): void {
    // At a large distance there are few successes, so each counts for more.
    this.#distance *= SHRINK ** Math.max(1, this.#distance / LARGE_DISTANCE);
    if (this.#distance < NO_DISTANCE) this.#distance = 0;
  }

  /** A token for a request that is sent after a wait. */
  #token(count: number, delay: number): RetryToken {
    const token = { getRetryCount: () => count, getRetryDelay: () => delay };
    this.#sent.set(token, this.#clock.monotonic() + delay);
    return token;
  }

  /** How long to wait for the next turn, in milliseconds. */
  #turn(): number {
    const now = this.#clock.monotonic();
    if (this.#distance === 0) return 0;
    const at = Math.max(now, this.#next);
    this.#next = at + this.#distance;
    return at - now;
  }
}
