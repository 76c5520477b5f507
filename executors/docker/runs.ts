/**
 * The containers of one state folder on one engine: making, finding, ending and removing them.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import { sleep, systemClock, within } from "../../core/clock.ts";
import { ExecutorError } from "../../core/errors.ts";
import type { Quota } from "../../core/quota.ts";
import type { ContainerWork } from "../container_work.ts";
import { containerOf, nameOf, type Owner } from "./container.ts";
import { type Engine, EngineFault, isAway } from "./engine.ts";
import type { Images } from "./images.ts";
import { type Archive, archiveOf, type Command, commandOf, ROOT } from "./script.ts";
import { maybeBegun, runs, runsUnknown, startFault } from "./run_faults.ts";
import type { Inspected } from "./status.ts";

/** How long to wait before an engine is asked again whether a run has ended that it does not know of, in milliseconds. */
const UNKNOWN_PAUSE = 200;

/** What `start` needs. */
export interface Start {
  readonly attempt: Attempt;
  readonly work: ContainerWork;
  readonly quota: Quota;
  /** What is being done, for errors: `start a/b on docker`. */
  readonly action: string;
  readonly signal: AbortSignal | undefined;
}

/** The containers of one state folder. */
export class ContainerRuns {
  /** Where they are. */
  readonly engine: Engine;
  /** Whose they are. */
  readonly owner: Owner;
  readonly #images: Images;
  readonly #spool: string;
  /** Names of containers that this process is about to start, and when that is over. */
  readonly #starting = new Map<string, Promise<void>>();
  /** Images, by name, and programs that are known to be in them. */
  readonly #programs = new Set<string>();

  /**
   * @param engine Where they are.
   * @param owner Whose they are.
   * @param images What pulls images.
   * @param spool A folder for what must be measured before it is sent.
   */
  constructor(engine: Engine, owner: Owner, images: Images, spool: string) {
    this.engine = engine;
    this.owner = owner;
    this.#images = images;
    this.#spool = spool;
  }

  /** Whether this process is about to start a container. */
  starting(name: string): boolean {
    return this.#starting.has(name);
  }

  /** Makes and starts a container; when it throws there is none. */
  async start(run: Start): Promise<void> {
    const command = commandOf(run.work, run.action);
    const name = await nameOf(this.owner, run.attempt);
    if (this.#starting.has(name)) throw this.#exists(run);
    const started = this.#make(name, run, command);
    const over = started.catch(() => {});
    this.#starting.set(name, over);
    try {
      await started;
    } finally {
      this.#starting.delete(name);
    }
  }

  async #make(name: string, run: Start, command: Command): Promise<void> {
    const { work, signal, action } = run;
    let archive: Archive | undefined;
    try {
      if (!command.carried) archive = await archiveOf(command, work.stdin, this.#spool);
      signal?.throwIfAborted();
      if (work.pull === "always") await this.#pull(run);
      const id = await this.#create(name, run, command);
      try {
        signal?.throwIfAborted();
        await this.#checkProgram(id, work.image, command.argv[0]!, action);
        archive ??= await this.#isRoot(id, work)
          ? undefined
          : await archiveOf(command, undefined, this.#spool);
        if (archive) {
          const to = { path: `/containers/${id}/archive`, query: { path: "/" } };
          await this.engine.call({ method: "PUT", ...to, file: archive.file, signal });
        }
        await this.#begin(id, run, command);
        signal?.throwIfAborted();
      } catch (error) {
        await this.remove(id, true).catch(() => {});
        throw error;
      }
    } catch (error) {
      throw this.engine.explain(error, action, startFault(error));
    } finally {
      archive?.close();
    }
  }

  /** Starts a container, and once: an engine that is killed before it answers may have started it, and not know that. */
  async #begin(id: string, { action, signal }: Start, { once }: Command): Promise<void> {
    let asked = false;
    // Not cut short: an aborted call may start it all the same.
    const start = (): Promise<void> =>
      this.engine.patiently(async () => {
        if (asked) {
          if ((await this.find(id))?.State.Status !== "created") return;
          if (!once) throw maybeBegun(action);
        }
        asked = true;
        await this.engine.call({ method: "POST", path: `/containers/${id}/start`, fresh: true });
      }, undefined);
    for (;;) {
      try {
        return await start();
      } catch (error) {
        // It runs, and the engine does not know that. Nobody can end it; when it has ended it is started, and says that it has begun before.
        if (!runsUnknown(error)) throw error;
      }
      await sleep(systemClock, UNKNOWN_PAUSE, signal);
    }
  }

  async #pull({ work, action, signal }: Start): Promise<void> {
    await this.#images.pull(work.image, action, signal);
    for (const program of this.#programs) {
      if (program.startsWith(`${work.image} `)) this.#programs.delete(program);
    }
  }

  async #create(name: string, run: Start, command: Command): Promise<string> {
    const { attempt, work, quota, action } = run;
    const made = crypto.randomUUID();
    const body = containerOf(this.owner, attempt, work, command, quota, made);
    const create = async (): Promise<{ readonly Id: string }> => {
      try {
        return await this.engine.call({
          method: "POST",
          path: "/containers/create",
          query: { name },
          body,
          fresh: true,
        });
      } catch (error) {
        if (!isAway(error)) throw error;
        // It may have been made before the engine went away, or the connection.
        const found = await this.#unanswered(error, name, run.signal);
        if (found?.Config.Labels[`${this.owner.label}.made`] !== made) throw error;
        return found;
      }
    };
    try {
      return (await create().catch(async (error) => {
        if (!(error instanceof EngineFault) || error.status !== 404) throw error;
        if (!/no such image/i.test(error.message)) throw error;
        if (work.pull === "never") {
          throw new ExecutorError(
            "cannot-start",
            `Cannot ${action}: the engine does not have the image ${work.image}, and it is never to be pulled; bring it there, or change the pull policy`,
            { operation: "start", cause: error },
          );
        }
        await this.#pull(run);
        return await create();
      })).Id;
    } catch (error) {
      if (error instanceof EngineFault && error.status === 409) throw this.#exists(run, error);
      throw error;
    }
  }

  /** The container of that name after a call was not answered; nothing when the call did not get there. */
  async #unanswered(
    error: unknown,
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<Inspected | undefined> {
    const { errno, status } = error as EngineFault;
    if (status !== undefined || errno === "ECONNREFUSED" || errno === "ENOENT") return undefined;
    return await this.engine.patiently(() => this.find(name, signal), signal);
  }

  #exists({ attempt, action }: Start, cause?: unknown): ExecutorError {
    return new ExecutorError(
      "already-exists",
      `Cannot ${action}: ${formatAttempt(attempt)} was started before; forget it first`,
      { operation: "start", subject: attempt.task, key: attempt.job, cause },
    );
  }

  /** The small process that starts the program would only fail afterwards, and look like the program. */
  async #checkProgram(id: string, image: string, program: string, action: string): Promise<void> {
    const known = `${image} ${program}`;
    if (this.#programs.has(known)) return;
    const folders = program.includes("/") ? [""] : (await this.find(id))?.Config.Env
      ?.find((line) => line.startsWith("PATH="))?.slice(5).split(":").map((folder) => `${folder}/`) ??
      ["/usr/local/bin/", "/usr/bin/", "/bin/"];
    for (const folder of folders) {
      const path = folder + program;
      const found = await this.engine.find({
        method: "HEAD",
        path: `/containers/${id}/archive`,
        query: { path },
      });
      if (found !== undefined) {
        this.#programs.add(known);
        return;
      }
    }
    throw new ExecutorError(
      "cannot-start",
      `Cannot ${action}: the image ${image} has no program ${program}; name one that it has as entrypoint, or in the first line of the script`,
      { operation: "start" },
    );
  }

  /** Whether a container runs as one who may write anywhere in it. */
  async #isRoot(id: string, { user }: ContainerWork): Promise<boolean> {
    return ROOT.has(user || (await this.find(id))?.Config.User || "");
  }

  /** A container, by its name or identity. */
  find(name: string, signal?: AbortSignal): Promise<Inspected | undefined> {
    return this.engine.find({ method: "GET", path: `/containers/${name}/json`, signal });
  }

  /** The container of an attempt, once it is no longer about to be started. */
  async of(attempt: Attempt, signal?: AbortSignal): Promise<Inspected | undefined> {
    const name = await nameOf(this.owner, attempt);
    await this.#starting.get(name);
    return await this.find(name, signal);
  }

  /** Removes the container of an attempt, unless it runs. */
  async forget(attempt: Attempt): Promise<"removed" | "running"> {
    const name = await nameOf(this.owner, attempt);
    await this.#starting.get(name);
    return await this.remove(name);
  }

  /** Waits until a container does not run; goes on when the engine is away for a while. Returns it, or nothing when it was removed. */
  async ended(id: string, signal: AbortSignal | undefined): Promise<Inspected | undefined> {
    while (true) {
      try {
        await this.engine.find({ method: "POST", path: `/containers/${id}/wait`, signal });
      } catch (error) {
        if (!isAway(error)) throw error;
      }
      const found = await this.engine.patiently(() => this.find(id, signal), signal);
      if (!found || !runs(found)) return found;
      signal?.throwIfAborted();
    }
  }

  /** Ends a container: politely, then by force. */
  async stop(found: Inspected, graceMs: number, signal: AbortSignal | undefined): Promise<void> {
    const id = found.Id;
    // A frozen process takes no signal.
    if (found.State.Status === "paused") await this.#tell(id, "unpause");
    await this.#tell(id, "kill", { signal: "SIGTERM" });
    await this.#tell(id, "kill", { signal: "SIGCONT" });
    if (await within(systemClock, graceMs, signal, (signal) => this.ended(id, signal))) return;
    await this.#tell(id, "kill", { signal: "SIGKILL" });
    await this.ended(id, signal);
  }

  /** What does not run any more need not be told. */
  async #tell(id: string, what: string, query: Readonly<Record<string, string>> = {}): Promise<void> {
    try {
      await this.engine.find({ method: "POST", path: `/containers/${id}/${what}`, query });
    } catch (error) {
      if (!(error instanceof EngineFault) || ![409, 500].includes(error.status ?? 0)) throw error;
      if (!/not running|is not paused|already finished|no such process/i.test(error.message)) throw error;
    }
  }

  /** Removes a container and the volumes that were made for it alone. */
  async remove(name: string, force = false): Promise<"removed" | "running"> {
    try {
      await this.engine.find({
        method: "DELETE",
        path: `/containers/${name}`,
        query: { v: "1", ...(force && { force: "1" }) },
      });
      return "removed";
    } catch (error) {
      if (!(error instanceof EngineFault) || error.status !== 409) throw error;
      if (!/in progress/i.test(error.message)) return "running";
      await this.engine.find({
        method: "POST",
        path: `/containers/${name}/wait`,
        query: { condition: "removed" },
      });
      return "removed";
    }
  }
}
