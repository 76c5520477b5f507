/**
 * Events as lines of JSON.
 *
 * @module
 */
import { describeError } from "../../core/errors.ts";
import type { PipelineEvent } from "../../pipeline/events.ts";

/**
 * An event as a line of JSON.
 *
 * @param event The event. The error of a `trouble` becomes its text.
 * @returns The line, with its newline.
 */
export function jsonLine(event: PipelineEvent): string {
  if (event.type !== "trouble") return JSON.stringify(event) + "\n";
  return JSON.stringify({ ...event, error: event.error === undefined ? null : describeError(event.error) }) +
    "\n";
}
