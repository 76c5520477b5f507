/**
 * How a driver heeds its signal, and what to say when it does not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { describeError } from "../core/errors.ts";

/** How long an operation may go on after its signal was aborted, in milliseconds: long enough for a slow machine. */
const PATIENCE = 60_000;

const PROMISED = "must stop soon after its signal is aborted";

/**
 * Sees that an operation whose signal was aborted throws the signal's reason.
 *
 * @param what The operation, for the failure.
 * @param reason The reason.
 * @param operation The operation, under way.
 */
export async function stopsWith(what: string, reason: unknown, operation: Promise<unknown>): Promise<void> {
  let thrown: { readonly error: unknown } | undefined;
  try {
    await stops(what, operation);
  } catch (error) {
    if (error instanceof Unheeded) throw error;
    thrown = { error };
  }
  if (thrown === undefined) {
    assert.fail(
      `${what} ${PROMISED} and throw the signal's reason, and it went on as if nothing had happened; begin with options?.signal?.throwIfAborted(), and hand the signal to whatever waits`,
    );
  }
  if (thrown.error !== reason) {
    assert.fail(
      `${what} ${PROMISED} and throw the signal's reason, ${
        describeError(reason)
      }, and it threw something else: ${
        describeError(thrown.error)
      }; when options.signal.aborted, throw options.signal.reason`,
    );
  }
}

/**
 * Sees that an operation whose signal was aborted ends, however it ends.
 *
 * @param what The operation, for the failure.
 * @param operation The operation, under way.
 */
export async function stops(what: string, operation: Promise<unknown>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () =>
      reject(
        new Unheeded(
          `${what} ${PROMISED}, and it still went on ${
            PATIENCE / 1000
          } s later; hand the signal to whatever waits, or listen for its "abort"`,
        ),
      ),
    PATIENCE,
  );
  try {
    await Promise.race([operation, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The failure of an operation that does not end. */
class Unheeded extends assert.AssertionError {
  constructor(message: string) {
    super({ message });
  }
}
