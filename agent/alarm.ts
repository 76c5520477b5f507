/**
 * Tells a person of requests that were refused as nobody who means well makes them, without being flooded by them.
 *
 * @module
 */

/** For so long after one was told, more of the same are only counted, in milliseconds. */
const QUIET_MS = 60_000;

/** So many kinds are told apart. */
const MOST = 1000;

/** How much of a target is shown. */
const SHOWN = 120;

/** Which refusals are told: a link that is not theirs, a token that is none, an upload that is too long. Others are part of the work. */
const TOLD: ReadonlySet<number> = new Set([400, 401, 403, 405, 408, 413, 431]);

/** A request that was refused. */
export interface Refused {
  readonly status: number;
  readonly why: string;
  readonly method: string;
  /** What it asked for, as it was sent; nothing where it could not even be read. */
  readonly target: string;
  /** Where it came from. */
  readonly from: string;
  /** Which attempt, where its token was ours. */
  readonly attempt: string | undefined;
}

/** Tells of refused requests: at once, and then once a minute how many more there were. */
export class Alarm {
  readonly #tell: (message: string) => void;
  readonly #seen = new Map<string, { since: number; more: number }>();

  /** @param tell Told, a sentence each. */
  constructor(tell: (message: string) => void) {
    this.#tell = tell;
  }

  /** Takes note of a request. */
  note({ status, why, method, target, from, attempt }: Refused, now: number): void {
    if (!TOLD.has(status)) return;
    const kind = `${status} ${from} ${attempt ?? ""}`;
    const seen = this.#seen.get(kind);
    if (seen && now - seen.since < QUIET_MS) {
      seen.more++;
      return;
    }
    if (this.#seen.size >= MOST) this.#seen.clear();
    this.#seen.set(kind, { since: now, more: 0 });
    const start = target.length > SHOWN ? `${target.slice(0, SHOWN)}…` : target;
    const shown = target === "" ? "a request" : `${method} ${JSON.stringify(start)}`;
    const more = seen && seen.more > 0 ? ` (and ${seen.more} more like it before)` : "";
    this.#tell(
      `The agent has refused ${shown} from ${from}${
        attempt === undefined ? "" : ` with the token of ${attempt}`
      }: ${status} ${why}${more}`,
    );
  }
}
