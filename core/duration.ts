/**
 * Durations as people write them.
 *
 * @module
 */
import { DefinitionError } from "./errors.ts";

/** A length of time: milliseconds as a number, or text such as `"90s"`, `"10m"`, `"1h30m"`, `"250ms"`, `"2d"`. */
export type Duration = number | string;

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads a duration.
 *
 * @param duration Milliseconds, or text such as `"1h30m"`.
 * @param what What it is for, for the error.
 * @returns Milliseconds.
 * @throws {DefinitionError} When it is neither.
 * @example
 * ```ts
 * import { parseDuration } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * assert.equal(parseDuration("1m30s"), 90_000);
 * ```
 */
export function parseDuration(duration: Duration, what = "duration"): number {
  if (typeof duration === "number" && duration >= 0 && Number.isFinite(duration)) return duration;
  const text = String(duration).trim();
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (typeof duration === "string" && parts.length > 0 && parts.map((p) => p[0]).join("") === text) {
    const sum = parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit!]!, 0);
    if (Number.isFinite(sum)) return sum;
  }
  throw new DefinitionError(
    `Cannot read ${what} ${
      typeof duration === "string" ? JSON.stringify(duration) : String(duration)
    }; write milliseconds or text such as "250ms", "90s", "10m", "1h30m", "2d"`,
  );
}

/**
 * Writes a duration for a person.
 *
 * @param ms Milliseconds.
 * @returns Text such as `"1m30s"`; two units at the most.
 */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return "?";
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)}s`;
  const s = Math.round(ms / 1000);
  if (s < 3600) return `${Math.floor(s / 60)}m${s % 60 ? `${s % 60}s` : ""}`;
  if (s < 86_400) {
    return `${Math.floor(s / 3600)}h${Math.floor((s % 3600) / 60) ? `${Math.floor((s % 3600) / 60)}m` : ""}`;
  }
  return `${Math.floor(s / 86_400)}d${
    Math.floor((s % 86_400) / 3600) ? `${Math.floor((s % 86_400) / 3600)}h` : ""
  }`;
}
