/**
 * What is known of a run while it goes on: fed with events, it says what a display should show.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import type { PipelineEvent, TaskCounts } from "../../pipeline/events.ts";
import { outcomeText } from "../outcome_text.ts";
import { type FailureView, NO_JOBS, type ProgressView, type RunningView } from "./view.ts";

/** How long the rate looks back, in milliseconds. */
const WINDOW = 20_000;
/** How often a sample for the rate is taken, in milliseconds. */
const SAMPLE_EVERY = 500;
/** How many failures are kept. */
const KEPT = 3;

interface Sample {
  readonly at: number;
  readonly ended: ReadonlyMap<string, number>;
}

/** What is known of a run. */
export class ProgressModel {
  readonly #logsCommand: (task: string, job: string) => string;
  readonly #running = new Map<string, { readonly attempt: Attempt; readonly since: number; where: string }>();
  readonly #failures: FailureView[] = [];
  readonly #ended = new Map<string, number>();
  #samples: Sample[] = [];
  #start: number | undefined;
  #note: string | undefined;

  /** @param logsCommand What a person types to see the log of a job. */
  constructor(logsCommand: (task: string, job: string) => string) {
    this.#logsCommand = logsCommand;
  }

  /** Takes an event in. */
  apply(event: PipelineEvent): void {
    this.#start ??= event.at;
    switch (event.type) {
      case "started":
        this.#begin(event.attempt, event.at, "");
        break;
      case "adopted":
        this.#begin(event.attempt, event.at, event.where);
        break;
      case "located": {
        const running = this.#running.get(formatAttempt(event.attempt));
        if (running) running.where = event.where;
        break;
      }
      case "waiting": {
        const running = this.#running.get(formatAttempt(event.attempt));
        if (running) running.where = event.why ?? "";
        break;
      }
      case "retrying":
      case "released":
        this.#running.delete(formatAttempt(event.attempt));
        break;
      case "finished":
        this.#finish(event);
        break;
      case "lease-waiting":
        this.#note =
          `Waiting for ${event.holder.command} (process ${event.holder.pid} on ${event.holder.host}) to end`;
        break;
      case "opened":
        this.#note = undefined;
        break;
      case "stopping":
        this.#note = stoppingText(event.how, this.#running.size);
        break;
    }
  }

  /** Puts a note beneath the display. */
  note(text: string): void {
    this.#note = text;
  }

  /** How many jobs run. */
  get runningCount(): number {
    return this.#running.size;
  }

  /**
   * What a display should show.
   *
   * @param now The time, in milliseconds since 1970.
   * @param counts How many jobs of each task are in which state.
   * @returns All that is shown.
   */
  view(now: number, counts: Readonly<Record<string, TaskCounts>>): ProgressView {
    this.#sample(now);
    return {
      ms: now - (this.#start ?? now),
      tasks: Object.entries(counts).map(([name, count]) => ({
        name,
        counts: count ?? NO_JOBS,
        perSecond: this.#rate(name, now),
      })),
      running: this.#longest(now),
      failures: this.#failures,
      note: this.#note,
    };
  }

  #begin(attempt: Attempt, since: number, where: string): void {
    this.#running.set(formatAttempt(attempt), { attempt, since, where });
  }

  #finish(event: PipelineEvent & { readonly type: "finished" }): void {
    const { attempt, outcome } = event;
    this.#running.delete(formatAttempt(attempt));
    this.#ended.set(attempt.task, (this.#ended.get(attempt.task) ?? 0) + 1);
    if (outcome.success) return;
    this.#failures.push({
      label: `${attempt.task}/${attempt.job}`,
      text: outcomeText(outcome),
      command: this.#logsCommand(attempt.task, attempt.job),
    });
    if (this.#failures.length > KEPT) this.#failures.shift();
  }

  #sample(now: number): void {
    const last = this.#samples.at(-1);
    if (last && now - last.at < SAMPLE_EVERY) return;
    this.#samples.push({ at: now, ended: new Map(this.#ended) });
    this.#samples = this.#samples.filter(({ at }) => now - at <= WINDOW);
  }

  #rate(task: string, now: number): number | undefined {
    const first = this.#samples[0];
    if (!first || now - first.at < SAMPLE_EVERY) return undefined;
    const ended = (this.#ended.get(task) ?? 0) - (first.ended.get(task) ?? 0);
    return ended === 0 ? undefined : ended / ((now - first.at) / 1000);
  }

  /** A map keeps the order of its entries, so the first are the oldest: no sort over thousands of running jobs. */
  #longest(now: number): RunningView[] {
    return [...this.#running.values().take(5)].map(({ attempt, since, where }) => ({
      label: formatAttempt(attempt),
      where,
      ms: now - since,
    }));
  }
}

/**
 * What a person is told while a run comes to its end.
 *
 * @param how How it ends.
 * @param running How many jobs run.
 * @returns A sentence on what happens, and one on how to force it.
 */
export function stoppingText(how: "drain" | "stop", running: number): string {
  if (running === 0) return "Stopping: no job is running. Ctrl-C again to leave at once.";
  const jobs = running === 1 ? "1 running job" : `${running} running jobs`;
  return how === "drain"
    ? `Stopping: nothing more is started; waiting for ${jobs}. Ctrl-C again to stop ${
      running === 1 ? "it" : "them"
    }.`
    : `Stopping ${jobs} politely; ${
      running === 1 ? "it runs" : "they run"
    } again next time. Ctrl-C again to leave at once.`;
}
