/**
 * Making the pod, or the Job, of a run.
 *
 * A pod is made first and held back by a scheduling gate; then comes its Secret, which belongs to it and so goes with it; then the gate is taken away.
 * Whoever finds a pod that is still held back knows that its maker was cut off. A Job comes before its Secret likewise, and says so until that is there.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import { ExecutorError } from "../../core/errors.ts";
import type { Quota } from "../../core/quota.ts";
import type { ContainerWork } from "../container_work.ts";
import type { PodWork } from "../pod_work.ts";
import type { Api } from "./api.ts";
import { ApiFault } from "./fault.ts";
import { nameOf, type Owner, readIdentity } from "./identity.ts";
import { isEverywhere, podOf, type PodOrder, secretData, secretOf } from "./manifest.ts";
import { daemonSetOf, spread, standIn } from "./everywhere.ts";
import { type Form, jobForm, podForm } from "./form.ts";
import type { Carrier } from "./objects.ts";
import type { KubernetesExecutorOptions } from "./options.ts";
import type { Pace } from "./pace.ts";
import { removeRun } from "./removal.ts";
import type { Runs } from "./runs.ts";
import { commandOf } from "./script.ts";

/** Where pods are made. */
export interface Maker {
  readonly api: Api;
  readonly owner: Owner;
  readonly runs: Runs;
  readonly pace: Pace;
  readonly options: KubernetesExecutorOptions;
}

/** What `start` needs. */
export interface Start {
  readonly attempt: Attempt;
  readonly work: ContainerWork | PodWork;
  readonly quota: Quota;
  /** What is being done, for errors: `start a/b on kubernetes`. */
  readonly action: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Starts a run: when it throws nothing is there.
 *
 * @param maker Where.
 * @param run What.
 * @throws {ApiFault | ExecutorError} When it cannot be started.
 */
export async function startRun(maker: Maker, run: Start): Promise<void> {
  const name = await nameOf(maker.owner, run.attempt);
  const { attempt, work, quota, action, signal } = run;
  const command = commandOf(name, work, action);
  if (!maker.runs.claim(name)) throw exists(run);
  try {
    const { owner, options } = maker;
    const order: PodOrder = {
      owner,
      name,
      attempt,
      work,
      command,
      quota,
      options,
      action,
      start: crypto.randomUUID(),
    };
    const body = await podOf(order);
    const data = await secretData(order);
    await maker.pace.turn(signal);
    signal?.throwIfAborted();
    const everywhere = isEverywhere(work);
    const form = options.as === "job" && !everywhere ? jobForm : podForm;
    const document = form.document(owner, name, everywhere ? standIn(body) : body);
    const made = await create(maker, run, order, form, document);
    try {
      await begin(maker, order, form, made, data, everywhere ? body : undefined);
      signal?.throwIfAborted();
    } catch (error) {
      await removeRun(maker.api, maker.runs, form.parts(made)).catch(() => {});
      maker.runs.drop(name);
      throw error;
    }
  } finally {
    maker.runs.release(name);
  }
}

/** Not cut short: an aborted call may be carried out all the same. */
async function create(
  { api, owner, runs }: Maker,
  run: Start,
  order: PodOrder,
  form: Form,
  body: unknown,
): Promise<Carrier> {
  const path = form.path(api);
  return await runs.patiently(async (again) => {
    try {
      return await api.call<Carrier>({ method: "POST", path, body });
    } catch (error) {
      if (!(error instanceof ApiFault) || error.status !== 409) throw error;
      // The answer to the call before may have been lost on the way.
      const there = again ? await api.find<Carrier>({ path: form.path(api, order.name) }) : undefined;
      if (there && readIdentity(owner, there)?.start === order.start) return there;
      throw exists(run, error);
    }
  }, run.signal);
}

async function begin(
  { api, owner, runs }: Maker,
  order: PodOrder,
  form: Form,
  made: Carrier,
  data: Readonly<Record<string, unknown>>,
  everywhere: Readonly<Record<string, unknown>> | undefined,
): Promise<void> {
  form.seen(runs, made);
  const { uid } = made.metadata;
  const body = secretOf(order, data, { ...form, uid });
  await runs.patiently(async (again) => {
    try {
      await api.call({ method: "POST", path: api.path("secrets"), body });
    } catch (error) {
      if (!(again && error instanceof ApiFault && error.status === 409)) throw error;
    }
  });
  if (everywhere) await spread(api, runs, daemonSetOf(order, everywhere, uid));
  const ready = await runs.patiently(() =>
    api.call<Carrier>({ method: "PATCH", path: form.path(api, order.name), body: form.ready(owner, made) })
  );
  form.seen(runs, ready);
}

function exists({ attempt, action }: Start, cause?: unknown): ExecutorError {
  return new ExecutorError(
    "already-exists",
    `Cannot ${action}: ${formatAttempt(attempt)} was started before; forget it first`,
    { operation: "start", subject: attempt.task, key: attempt.job, cause },
  );
}
