/**
 * What a container's state says of a run.
 *
 * @module
 */
import { sleep, systemClock } from "../../core/clock.ts";
import type { RunStatus } from "../executor.ts";
import { signalName } from "../signals.ts";
import type { Labelled } from "./container.ts";
import type { Engine } from "./engine.ts";
import { CODE, CUT, CUT_CODE } from "./script.ts";

/** A container, as the engine shows one. */
export interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly Config: {
    readonly Labels: Readonly<Record<string, string>>;
    readonly Env?: readonly string[];
    /** Who it runs as. */
    readonly User: string;
  };
  readonly HostConfig: { readonly Memory?: number };
  readonly State: {
    readonly Status: "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";
    readonly OOMKilled: boolean;
    readonly ExitCode: number;
    readonly Error: string;
    readonly StartedAt: string;
    readonly FinishedAt: string;
  };
}

/** The exit code of what was killed. */
const KILLED = 137;

/** What is said of a run in every state. */
export type StatusBase = Pick<RunStatus, "attempt" | "since" | "where" | "notes">;

/** How long after its own start an engine may take to record what ended while it was away, in milliseconds. */
const SETTLING = 30_000;
/** How long after the end of a container an engine may hear that its memory had run out, which somebody else tells it, in milliseconds. */
const HEARSAY = 1000;
/** How often it is asked meanwhile, in milliseconds. */
const AGAIN = 50;
/** How long before its end an engine may begin to stop containers, in milliseconds. */
const LEAVING = 20_000;

/**
 * The state of a run that has a container.
 *
 * @param engine Where it is.
 * @param container The container.
 * @param labelled What its labels say.
 * @param starting Whether this process is about to start it.
 * @returns The state.
 */
export async function statusOf(
  engine: Engine,
  container: Inspected,
  { attempt, notes }: Labelled,
  starting: boolean,
): Promise<RunStatus> {
  const { State: state } = container;
  const begun = Date.parse(state.StartedAt);
  const since = begun > 0 ? begun : Date.parse(container.Created);
  const base = { attempt, notes, since, where: `container ${container.Name.replace(/^\//, "")}` };
  switch (state.Status) {
    case "created":
      return created(base, starting);
    case "exited":
      return await finished(engine, container, base);
    case "dead":
    case "removing":
      return {
        ...base,
        state: "lost",
        reason: "its container is being removed, and somebody else has asked for that",
      };
    case "paused":
      return {
        ...base,
        state: "running",
        waiting: 'its container is paused; resume it with "docker unpause"',
      };
    default:
      return { ...base, state: "running" };
  }
}

/** The state of a run whose container is there and does not run. */
export function created(base: StatusBase, starting: boolean): RunStatus {
  if (starting) return { ...base, state: "running", waiting: "it is being started" };
  return {
    ...base,
    state: "lost",
    reason: "its container was made and never started: whoever did that was cut off",
  };
}

async function finished(
  engine: Engine,
  container: Inspected,
  base: StatusBase,
): Promise<RunStatus> {
  const { ExitCode: code, FinishedAt, Error: error } = container.State;
  const end = { ...base, state: "finished" as const, until: Date.parse(FinishedAt) };
  if (code === 0) return { ...end, exitCode: 0 };
  // A shell that left with such a code by itself has noted that.
  const signal = code > 128 && code <= 192 && !await has(engine, container.Id, CODE)
    ? signalName(code - 128)
    : undefined;
  const how = signal === undefined ? { exitCode: code } : { signal };
  if (await outOfMemory(engine, container)) {
    const limit = container.HostConfig.Memory;
    return {
      ...end,
      ...how,
      reason: `out of memory${limit ? `: it may use ${limit} bytes; give it a larger quota` : ""}`,
    };
  }
  if (code === CUT_CODE && await has(engine, container.Id, CUT)) {
    const reason = "the Docker Engine was killed as it started it, and does not know how it went";
    return { ...end, ...how, reason, infrastructure: true };
  }
  // What ended while an engine that keeps its containers was away has lost its code; it may have kept its network, too.
  if (code === 255 && engine.wasAway(end.until, SETTLING)) {
    return { ...end, ...how, reason: "the Docker Engine was away when it ended", infrastructure: true };
  }
  if (await cutByRestart(engine, container, signal !== undefined || code === 255)) {
    return { ...end, ...how, reason: "the Docker Engine was restarted while it ran", infrastructure: true };
  }
  return { ...end, ...how, ...(error !== "" && { reason: error }) };
}

/** Whether the memory of a container that has ended had run out. */
async function outOfMemory(engine: Engine, { Id, State, HostConfig }: Inspected): Promise<boolean> {
  if (State.OOMKilled) return true;
  if (State.ExitCode !== KILLED || !HostConfig.Memory) return false;
  const left = Math.min(HEARSAY, Date.parse(State.FinishedAt) + HEARSAY - Date.now());
  for (const late = performance.now() + left; performance.now() < late;) {
    await sleep(systemClock, AGAIN);
    const now = await engine.find<Inspected>({ method: "GET", path: `/containers/${Id}/json` });
    if (now?.State.OOMKilled) return true;
  }
  return false;
}

/** Whether there is a file in a container. */
async function has(engine: Engine, id: string, path: string): Promise<boolean> {
  const found = await engine.find({ method: "HEAD", path: `/containers/${id}/archive`, query: { path } });
  return found !== undefined;
}

/**
 * Whether the engine has left or come back while a container ran. It does not say so itself, but it makes its default network anew
 * whenever it starts.
 */
async function cutByRestart(engine: Engine, { State: state }: Inspected, cut: boolean): Promise<boolean> {
  const network = await engine.find<{ readonly Created: string }>({
    method: "GET",
    path: "/networks/bridge",
  });
  if (network === undefined) return false;
  const start = Date.parse(network.Created);
  const end = Date.parse(state.FinishedAt);
  if (!(Date.parse(state.StartedAt) < start) || end > start + SETTLING) return false;
  return cut || end > start - LEAVING;
}
