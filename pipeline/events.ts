/**
 * What happens in a pipeline, as one typed stream that the command line, logs and tests read.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Key } from "../core/key.ts";
import type { Outcome } from "../tasks/outcome.ts";

/** How many jobs of a task are in which state. */
export interface TaskCounts {
  /** Known to the task, but something that it requires is missing. */
  readonly waiting: number;
  /** Could start now. */
  readonly ready: number;
  /** Running now. */
  readonly running: number;
  /** Waiting for their next attempt. */
  readonly retrying: number;
  /** Succeeded. */
  readonly done: number;
  /** Failed for good. */
  readonly failed: number;
  /** Will never start, because what they need has failed upstream. */
  readonly blocked: number;
}

/** Something that happened. `at` is in milliseconds since 1970. */
export type PipelineEvent =
  & { readonly at: number }
  & (
    /** The run has begun; all repositories were listed. */
    | {
      readonly type: "opened";
      readonly tasks: Readonly<Record<string, TaskCounts>>;
      readonly adopted: number;
    }
    /** Another coordinator holds the lease. */
    | { readonly type: "lease-waiting"; readonly holder: LeaseHolder }
    /** The run listens: everything that could be started was. */
    | { readonly type: "idle" }
    /** An attempt begins. */
    | { readonly type: "started"; readonly attempt: Attempt }
    /** It is known where an attempt runs. */
    | { readonly type: "located"; readonly attempt: Attempt; readonly where: string }
    /** An attempt waits where it was started, and what for; without `why` it goes on. Told when it is new, and not at once. */
    | { readonly type: "waiting"; readonly attempt: Attempt; readonly why: string | undefined }
    /** A run of an earlier coordinator was taken over. */
    | { readonly type: "adopted"; readonly attempt: Attempt; readonly where: string }
    /** A line that a body has logged. */
    | { readonly type: "log"; readonly attempt: Attempt; readonly line: string }
    /** An attempt has failed and the job will be tried again. `retryAt` is in milliseconds since 1970. */
    | {
      readonly type: "retrying";
      readonly attempt: Attempt;
      readonly outcome: Outcome;
      readonly retryAt: number;
    }
    /** The job is over, and recorded. */
    | { readonly type: "finished"; readonly attempt: Attempt; readonly outcome: Outcome }
    /** An attempt was ended without an outcome: it gave way, the coordinator leaves, or trouble that is not the work's fault. */
    | { readonly type: "released"; readonly attempt: Attempt; readonly why: string }
    /** Trouble that is not a job's fault. The pipeline goes on. */
    | {
      readonly type: "trouble";
      readonly task?: string;
      readonly job?: Key;
      readonly message: string;
      readonly error: unknown;
    }
    /** Names in a repository that are no valid keys were skipped. */
    | {
      readonly type: "skipped-names";
      readonly repository: string;
      readonly names: readonly string[];
      readonly count: number;
    }
    /** No more jobs are started; running ones are waited for (`drain`) or stopped (`stop`). */
    | { readonly type: "stopping"; readonly how: "drain" | "stop" }
    /** The run is over. */
    | { readonly type: "closed"; readonly summary: RunSummary }
  );

/** What a run has done. */
export interface RunSummary {
  /** How many jobs succeeded in this run. */
  readonly succeeded: number;
  /** How many failed for good in this run. */
  readonly failed: number;
  /** How many attempts were started. */
  readonly started: number;
  /** How many runs of an earlier coordinator were taken over. */
  readonly adopted: number;
  /** How many jobs were left for the next run because of trouble that is not their fault. */
  readonly stuck: number;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** How things stand at the end. */
  readonly tasks: Readonly<Record<string, TaskCounts>>;
  /** Why it ended: nothing was left to do, it was asked to, or a job failed and `failFast` was set. */
  readonly ended: "complete" | "stopped" | "fail-fast" | "once";
}

/** Who holds the lease of a pipeline. */
export interface LeaseHolder {
  /** The process. */
  readonly pid: number;
  /** Its host. */
  readonly host: string;
  /** Since when, in ISO 8601. */
  readonly since: string;
  /** What it runs. */
  readonly command: string;
}
