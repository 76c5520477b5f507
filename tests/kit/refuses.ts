import assert from "node:assert/strict";
import { type ErrorCode, isDatataskError } from "../../core/errors.ts";

/**
 * Sees that something fails with an error of ours.
 *
 * @param call What is to fail: a promise, or what makes one.
 * @param code The code of the error.
 * @param message What it says.
 */
export async function refuses(
  call: Promise<unknown> | (() => unknown),
  code: ErrorCode,
  message: RegExp,
): Promise<void> {
  const failing = typeof call === "function" ? async () => await call() : call;
  await assert.rejects(failing, (error) => {
    assert(isDatataskError(error), String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code, error.message);
    return true;
  });
}
