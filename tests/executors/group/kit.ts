import assert from "node:assert/strict";
import { DatataskError, type ErrorCode, ExecutorError } from "../../../core/errors.ts";

/** Tells whether an error has a code and a text. */
export function coded(code: ErrorCode, text: RegExp): (error: unknown) => true {
  return (error) => {
    assert(error instanceof DatataskError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  };
}

/** The error of an executor that does not answer. */
coded.error = (text: string): ExecutorError => new ExecutorError("unavailable", text, { retry: "later" });
