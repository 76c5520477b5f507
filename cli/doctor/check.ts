/**
 * What `doctor` has found.
 *
 * @module
 */

/** Something that was looked at. */
export interface Check {
  /** What. */
  readonly name: string;
  /** How it is. */
  readonly state: "ok" | "warn" | "fail";
  /** What was found. */
  readonly text: string;
  /** What to do about it. */
  readonly advice?: string;
}
