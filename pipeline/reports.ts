/**
 * What a pipeline can say of itself: status, traces, explanations and plans, as plain data.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { Outcome } from "../tasks/outcome.ts";
import type { Direction, Gate, ManyView } from "../tasks/link.ts";
import type { Repository, RepositoryKind } from "../repositories/repository.ts";
import type { LeaseHolder, TaskCounts } from "./events.ts";

/** The state of one job of one task. */
export type JobState =
  | "unknown"
  | "waiting"
  | "ready"
  | "running"
  | "retrying"
  | "done"
  | "failed"
  | "blocked";

/** How many keys a link's repository holds. */
export interface LinkStatus {
  /** `task.link` */
  readonly name: string;
  /** Which way data flows. */
  readonly direction: Direction;
  /** What kind of value. */
  readonly kind: RepositoryKind;
  /** The repository. */
  readonly repository: string;
  /** How many keys. */
  readonly count: number;
  /** The first few keys, in order. */
  readonly first: readonly Key[];
}

/** How a task stands. */
export interface TaskStatus {
  /** Its name. */
  readonly name: string;
  /** Its kind. */
  readonly kind: string;
  /** Whether it is left out. */
  readonly disabled: boolean;
  /** How many jobs are in which state. */
  readonly counts: TaskCounts;
  /** Its links. */
  readonly links: readonly LinkStatus[];
  /** Jobs that run now, where another process runs them. */
  readonly running: readonly {
    readonly job: Key;
    readonly replica: number;
    readonly attempt: number;
    readonly where: string;
    readonly since: number;
    /** Why it has not begun, where it has not, or does not go on. */
    readonly waiting?: string;
  }[];
  /** Why it cannot be told which jobs run, where it cannot. */
  readonly unseen: string | undefined;
  /** Which records of attempts cannot be read, a sentence each. They count as none. */
  readonly unread: readonly string[];
}

/** How a pipeline stands. */
export interface PipelineStatus {
  /** Its name. */
  readonly name: string;
  /** Who runs it now. */
  readonly coordinator: LeaseHolder | undefined;
  /** Its tasks, in the order of the flow. */
  readonly tasks: readonly TaskStatus[];
}

/** One condition for a job to start. */
export interface Condition {
  /** `met`, `unmet`, or `never`: it will not be met by itself. */
  readonly state: "met" | "unmet" | "never";
  /** What is required, as a sentence: `"moby-dick" is in books (files ./books/*.txt)`. */
  readonly text: string;
  /** What to do about it, where something can be done. */
  readonly advice?: string | undefined;
  /** The link it comes from. */
  readonly link?: string | undefined;
  /** What must hold. */
  readonly gate?: Gate | undefined;
}

/** Why a job is in the state it is in. */
export interface Explanation {
  /** The task. */
  readonly task: string;
  /** The job. */
  readonly job: Key;
  /** Its state. */
  readonly state: JobState;
  /** The state, as a sentence. */
  readonly text: string;
  /** Every condition for its start. */
  readonly conditions: readonly Condition[];
  /** How it ended, when it has. */
  readonly outcome: Outcome | undefined;
  /** Attempts so far, when it will be tried again. */
  readonly attempts: readonly Outcome[];
  /** When the next attempt may begin, in milliseconds since 1970. */
  readonly retryAt: number | undefined;
  /** Which of its documents cannot be read, and what to do, a sentence each. */
  readonly problems: readonly string[];
}

/** Why the jobs of a task are in the states they are in. */
export interface TaskExplanation {
  /** The task. */
  readonly task: string;
  /** How many are in which state. */
  readonly counts: TaskCounts;
  /** Each required or inhibiting repository, with how many jobs it lets through. */
  readonly conditions: readonly {
    readonly text: string;
    readonly link: string;
    readonly gate: Gate;
    readonly count: number;
    readonly missing: readonly Key[];
  }[];
  /** A few jobs that have failed, with how, and a few that wait, with the condition that keeps them. */
  readonly examples: readonly { readonly job: Key; readonly state: JobState; readonly text: string }[];
}

/** Where one job is to be found. */
export interface Trace {
  /** The job. */
  readonly job: Key;
  /** By task, in the order of the flow. */
  readonly tasks: readonly {
    readonly name: string;
    readonly state: JobState;
    readonly links: readonly {
      readonly name: string;
      readonly key: Key | undefined;
      readonly present: boolean;
      readonly direction: Direction;
      readonly repository: string;
    }[];
    readonly outcome: Outcome | undefined;
    /** Why its outcome cannot be read, where it cannot, and what to do. */
    readonly problem: string | undefined;
  }[];
}

/** What a run would do now. */
export interface PlanReport {
  /** Jobs that would be started at once, in order. */
  readonly start: readonly {
    readonly task: string;
    readonly job: Key;
    readonly replica: number;
    readonly attempt: number;
    readonly priority: number;
  }[];
  /** Jobs that are ready and would have to wait, and for what. */
  readonly wait: readonly {
    readonly task: string;
    readonly job: Key;
    readonly for: string;
    /** How much it needs of it, and how much there is when nothing runs, where it is a resource: in cores, bytes, units. */
    readonly needs?: number;
    readonly of?: number;
  }[];
  /** How many ready jobs there are in all. */
  readonly ready: number;
  /** What follows, by task, if all of that succeeds: how many more jobs would become ready. */
  readonly downstream: Readonly<Record<string, number>>;
  /** How things stand. */
  readonly tasks: Readonly<Record<string, TaskCounts>>;
}

/** A task or a repository in the graph of a pipeline. */
export type GraphNode =
  | {
    readonly type: "task";
    readonly id: string;
    readonly label: string;
    readonly kind: string;
    readonly counts?: TaskCounts | undefined;
  }
  | {
    readonly type: "repository";
    readonly id: string;
    readonly label: string;
    readonly kind: RepositoryKind;
    readonly count?: number | undefined;
  };

/** The graph that follows from the repositories tasks share. */
export interface PipelineGraph {
  /** Tasks and repositories. */
  readonly nodes: readonly GraphNode[];
  /** Who reads and writes what: from a repository to a task or the other way. */
  readonly edges: readonly {
    readonly from: string;
    readonly to: string;
    readonly link: string;
    readonly direction: Direction;
    /** How the key is found where it is not the job; of items, which job they are for, or how their keys are made. */
    readonly key?: string | undefined;
    /** How the link stands for many values, when it does. */
    readonly many?: ManyView | undefined;
  }[];
}

/** One value that `rm` would delete. */
export interface Removal {
  /** `task.link` names under which the repository is known. */
  readonly names: readonly string[];
  /** The repository. */
  readonly repository: string;
  /** The key. */
  readonly key: Key;
  /** Whether a job is running that must be stopped first. */
  readonly running: boolean;
  /** The job whose outcome, log or output it is, where it was found by way of one. */
  readonly owner?: { readonly task: string; readonly job: Key } | undefined;
  /** Where it is stored. */
  readonly store: Repository;
}
