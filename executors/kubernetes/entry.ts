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

/** What is known of a run that is a Job, besides its pod. */
export interface JobPart {
  readonly uid: string;
  /** How the run stands as the Job alone tells: this counts as long as it has no pod. */
  judged: Judged;
  /** Whether somebody has suspended it. */
  suspended: boolean;
  /** Whether it may be that its maker was cut off before its Secret was there. */
  unsure: boolean;
  /** Which call has made it. */
  readonly start: string;
  /** The version that was seen last. */
  version: number;
  /** In which listing, or after which, it was seen last. */
  round: number;
  /** What is being asked about it now. */
  asked: Promise<void> | undefined;
}

/** What is known of a run. */
export interface Entry {
  /** The name of the run. */
  readonly name: string;
  /** The name of its pod; empty while its Job has made none. */
  pod: string;
  /** The identity of that pod. */
  uid: string;
  /** Its Job, where it is one. */
  readonly job: JobPart | undefined;
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
