/**
 * The contract of whoever runs work somewhere: this machine, another host, a container engine, a cluster.
 *
 * Executors answer, they do not call back, and they remember by themselves: whatever was started is found again by `list()`, also by
 * another process after this one was killed. What is written here as a duty has a case of the same words in `testing/`.
 *
 * @module
 */
import type { Attempt } from "../core/attempt.ts";
import type { Bytes } from "../core/bytes.ts";
import type { Quota } from "../core/quota.ts";

/** Something to run. Each kind of work brings its own interface; no list of kinds exists. */
export interface Work {
  /** Which kind: `"process"`, `"container"`. */
  readonly kind: string;
  /** Small texts kept with the run and given back by `list()`: what the next coordinator needs in order to finish it. */
  readonly notes: Readonly<Record<string, string>>;
}

/** A script to run as a process. */
export interface ProcessWork extends Work {
  /** Which kind. */
  readonly kind: "process";
  /** The script. Its first line may name an interpreter (`#!/usr/bin/env python3`); otherwise `/bin/sh` runs it. */
  readonly script: string;
  /** What is added to the environment that the executor gives. */
  readonly environment: Readonly<Record<string, string>>;
  /** What it reads from its standard input. Default: nothing. */
  readonly stdin?: ReadableStream<Bytes> | undefined;
  /** Whether standard error is written into the same log as standard output, in the order of writing. */
  readonly mergeStderr: boolean;
}

/** What a run used. */
export interface ResourceUse {
  /** Processor time of all its processes, in seconds. */
  readonly cpuSeconds?: number | undefined;
  /** The most memory it held, in bytes, as far as it was seen. */
  readonly peakMemoryBytes?: number | undefined;
}

/** What an executor says of a run. */
export type RunStatus =
  & {
    /** Which run. */
    readonly attempt: Attempt;
    /** When it was started, in milliseconds since 1970. */
    readonly since: number;
    /** Where it is, for a person: `pid 4711`, `pod summary-x2x`. */
    readonly where: string;
    /** The notes it was started with. */
    readonly notes: Readonly<Record<string, string>>;
  }
  & (
    | {
      /** It is there. `waiting` says why it has not begun, where it has not, or does not go on. */
      readonly state: "running";
      readonly waiting?: string | undefined;
    }
    | {
      /** It has ended by itself or was stopped. */
      readonly state: "finished";
      /** When it ended, in milliseconds since 1970. */
      readonly until: number;
      /** Its exit code; nothing when a signal ended it. */
      readonly exitCode?: number | undefined;
      /** The signal that ended it: `SIGKILL`. */
      readonly signal?: string | undefined;
      /** What it used, as far as it is known. */
      readonly resources?: ResourceUse | undefined;
      /** What else is known of its end: `"out of memory"`. */
      readonly reason?: string | undefined;
      /** The end is not the work's fault: the host or the node went away, the engine failed. */
      readonly infrastructure?: boolean | undefined;
    }
    | {
      /** It was started and is gone without a word: the machine was restarted, the container removed by hand. */
      readonly state: "lost";
      readonly reason: string;
    }
  );

/** Options that every call takes. */
export interface CallOptions {
  /** Ends the call early; what was asked for may still happen. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `start`. */
export interface StartOptions extends CallOptions {
  /** What the run may use; enforced where the executor can. */
  readonly quota: Quota;
}

/** Options of `logs`. */
export interface LogOptions extends CallOptions {
  /** Which: `stdout` also holds standard error when they were merged. Default: `stdout`. */
  readonly stream?: "stdout" | "stderr" | undefined;
  /** Go on until the run has ended. Default: end where the log ends now. */
  readonly follow?: boolean | undefined;
}

/** Where a server of this machine listens. */
export interface AgentServer {
  /** The address it is bound to: `127.0.0.1`, `0.0.0.0`. */
  readonly hostname: string;
  /** Its port. */
  readonly port: number;
  /** The address under which others are to find it, where its owner has said so: `https://gate.example/datatask`. */
  readonly url?: string | undefined;
  /** Certificates of the authorities that vouch for it, as PEM, when it speaks TLS with one that is not known everywhere. */
  readonly authorities?: string | undefined;
}

/** How an executor whose work does not see the files of this machine brings the two together. */
export interface Reach {
  /**
   * A folder for the values of a run, as the run sees it: absolute, writable for the run, its own, and gone once the run is forgotten.
   * It need not be there before the run starts: the work makes it. `quota` is what the run will be started with.
   */
  folder(attempt: Attempt, options?: CallOptions & { readonly quota?: Quota | undefined }): Promise<string>;
  /**
   * The address under which runs find a server of this machine: `http://…`, without a slash at the end; or `file:///…`, a file where the
   * run finds the address at any time, for addresses that may change. Throws with code `unavailable` when they cannot: no attempt is used up by
   * how a place is set up. `network` is the one that the run is on, where its work says so; `attempt` is the run, whose folder was asked for
   * before.
   */
  address(
    server: AgentServer,
    options?: CallOptions & {
      readonly network?: string | undefined;
      readonly attempt?: Attempt | undefined;
    },
  ): Promise<string>;
  /** Reads and writes the values of a run while it waits, where that is quicker than its own ways. Absent: nobody does. */
  readonly files?: RunFiles | undefined;
}

/**
 * Reads and writes files of runs on their behalf. Each is named by its path below `folder(attempt)`: parts of `A-Za-z0-9._-`, none of them `.` or `..`.
 * Whoever asks has another way: all that goes wrong here is an error, of whatever kind.
 */
export interface RunFiles {
  /** From how many bytes on it is worth while. */
  readonly least: number;
  /**
   * Writes into a file that is there, from `start` on, in order: what is there of it when it fails is its beginning, but for writes that
   * the place has refused. Nothing is read of the content when the file cannot be written at all.
   */
  write(
    attempt: Attempt,
    path: string,
    content: ReadableStream<Bytes>,
    options: CallOptions & { readonly start: number },
  ): Promise<void>;
  /** Reads a file from `start` to before `end`; fails where it is shorter. */
  read(
    attempt: Attempt,
    path: string,
    options: CallOptions & { readonly start: number; readonly end: number },
  ): ReadableStream<Bytes>;
}

/**
 * Where work runs.
 *
 * `in W` makes an executor of one kind of work unfit for a task of another, at compile time.
 */
export interface Executor<in W extends Work = never> {
  /** What people call it: `local`, `ssh worker-1`. Tasks on executors of one name share its capacity. */
  readonly name: string;
  /** The kinds of work it takes. */
  readonly accepts: ReadonlySet<string>;
  /** What all its runs together may use. A resource that is not named has no limit. */
  readonly capacity: Quota;
  /** What one run may use at the most, where that is less than the capacity: that of the largest of several machines. */
  readonly most?: Quota | undefined;
  /** What of this machine the work sees: its files under the same paths, or nothing. */
  readonly sees: "files" | "nothing";
  /** Whether its logs are for text only: some bytes are changed, and long logs lose their beginning. Published streams then travel as outputs do. */
  readonly textLogs?: boolean | undefined;
  /** How its work gets at values through the agent. Absent: it cannot. */
  readonly reach?: Reach | undefined;
  /**
   * Makes ready: folders, connections. `state` is a folder for what must outlive the coordinator. With `look` it is opened to see what is there:
   * what can wait for the first run that is started is not made before. Who opens it again shares it.
   */
  open(options: CallOptions & { readonly state: string; readonly look?: boolean | undefined }): Promise<void>;
  /** Gives back connections and timers, when all who have opened it have closed it. Runs go on. */
  close(): Promise<void>;
  /** Whether work can be started now. */
  probe(options?: CallOptions): Promise<{ readonly healthy: boolean; readonly reason?: string }>;
  /**
   * Starts a run. Once this returns `list()` shows it, in any process; when it throws, nothing was started, or what was is gone again.
   * Starting an attempt that is already there throws with code `already-exists`.
   */
  start(attempt: Attempt, work: W, options: StartOptions): Promise<void>;
  /** Every run that was started and not forgotten. After `open()` it also shows runs of earlier coordinators. */
  list(options?: CallOptions & { readonly task?: string }): AsyncIterable<RunStatus>;
  /** Waits until a run is no longer `running`, without polling where the platform can. Throws `unknown-run` when there is none. */
  wait(attempt: Attempt, options?: CallOptions): Promise<RunStatus & { state: "finished" | "lost" }>;
  /** Ends a run and all it has started: politely, and by force `graceMs` milliseconds later. Returns when it has ended. Nothing to end is fine. */
  stop(attempt: Attempt, options: CallOptions & { readonly graceMs: number }): Promise<void>;
  /** What a run has written. Throws `unknown-run` when there is none. Where a part is gone it gives the rest, and then fails with code `lost`. */
  logs(attempt: Attempt, options?: LogOptions): Promise<ReadableStream<Bytes>>;
  /** Gives back all that is kept of a run that has ended. Nothing to forget is fine. */
  forget(attempt: Attempt, options?: CallOptions): Promise<void>;
}
