/**
 * What is known of a run while its executor is open.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import type { RunStatus } from "../executor.ts";
import type { Judged } from "./status.ts";

/** How a run has ended. */
export type Ended = RunStatus & { state: "finished" | "lost" };

/** What is known of a run. */
export interface Entry {
  /** The name of the run. */
  readonly name: string;
  /** The name of its pod. */
  pod: string;
  uid: string;
  judged: Judged;
  /** The container of the script. */
  container: string;
  merged: boolean;
  headed: boolean;
  /** Whether it is on every node. */
  everywhere: boolean;
  /** Whether this process is ending it. */
  stopping: boolean;
  /** What a run on every node had written when it was stopped. */
  kept: Bytes | undefined;
  /** Whether its pod is gone. */
  gone: boolean;
  /** How it has ended, once it has: that does not change any more. */
  ended: Ended | undefined;
  /** The version of the pod that was seen last. */
  version: number;
  /** In which listing, or after which, it was seen last. */
  round: number;
  trouble: ReturnType<typeof setTimeout> | undefined;
  /** Told of every change. */
  readonly listeners: Set<() => void>;
}
