/**
 * Ending a run with all it has started: politely, then by force.
 *
 * @module
 */
import { hasBegun, send, sessionMembers } from "./process_identity.ts";

/** How often force looks for processes that were born meanwhile, before the watching shell goes too. */
const ROUNDS = 20;

/** How long a run may take to begin before it is asked to end, in milliseconds. */
const BEGIN_MS = 1000;

/** A run to be ended. */
export interface Ending {
  /** Its session and process group, and the pid of its watching shell. */
  readonly session: number;
  /** How long a polite end may take, in milliseconds. */
  readonly graceMs: number;
  /** Whether it has ended. Asked right before each signal: a pid means nothing later on. */
  over(): boolean;
  /** Waits until it has ended, or the time is over. */
  within(ms: number): Promise<boolean>;
  /** Records that it was killed, when its watching shell could not. */
  record(code: number): void;
}

/**
 * Ends a run.
 *
 * @param run Which.
 */
export async function endSession(run: Ending): Promise<void> {
  if (run.graceMs > 0) {
    const begin = performance.now();
    while (!run.over() && !await hasBegun(run.session) && performance.now() - begin < BEGIN_MS) {
      if (await run.within(2)) return;
    }
    const apart = (await sessionMembers(run.session)).filter((row) => row.group !== run.session);
    if (run.over()) return;
    // A stopped process sees the signal once it goes on.
    for (const signal of ["SIGTERM", "SIGCONT"] as const) {
      send(-run.session, signal);
      for (const { pid } of apart) send(pid, signal);
    }
    if (await run.within(run.graceMs)) return;
  }
  for (let round = 1; round <= ROUNDS; round++) {
    const members = await sessionMembers(run.session);
    if (run.over()) return;
    for (const { pid } of members) send(pid, "SIGKILL");
    send(run.session, "SIGCONT");
    if (await run.within(10 * round)) return;
  }
  if (run.over()) return;
  // It breeds faster than it is killed, or its shell is stuck: all at once, the shell included.
  send(-run.session, "SIGKILL");
  run.record(137);
  await run.within(1000);
}
