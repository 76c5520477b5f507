/**
 * The displays of a run: live, plain, as JSON, or none.
 *
 * @module
 */
import type { PipelineEvent, RunSummary } from "../../pipeline/events.ts";
import type { Run } from "../../pipeline/run.ts";
import type { Io } from "../io.ts";
import { quote } from "../program.ts";
import type { Context } from "../spec.ts";
import { JsonProgress } from "./json.ts";
import { LiveProgress } from "./live.ts";
import { PlainProgress } from "./plain.ts";
import { summaryLines } from "./summary.ts";

/** What shows the progress of a run. */
export interface Display {
  /** Takes an event in. */
  apply(event: PipelineEvent): void;
  /** Says something to the person at the terminal. */
  say(text: string): void;
  /** The last words. */
  end(summary: RunSummary): void;
  /** Ends it in any case. */
  close(): void;
}

/**
 * Streams that fall silent when nobody reads the output any more.
 *
 * @param io The streams.
 * @param onUnread Called once, when that is found out.
 * @returns The same streams, without the error.
 */
export function heard(io: Io, onUnread: () => void): Io {
  let unread = false;
  const out = (text: string): void => {
    if (unread) return;
    try {
      io.out(text);
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      unread = true;
      onUnread();
    }
  };
  return { ...io, out };
}

/**
 * What shows a run, as the flags and the output want it.
 *
 * @param going The run.
 * @param context The streams and styles.
 * @param flags How to show it.
 * @returns The display.
 */
export function displayFor(
  going: Run,
  context: Context,
  flags: { readonly json: boolean; readonly quiet: boolean; readonly progress: string | undefined },
): Display {
  const { io, style } = context;
  const next = {
    retry: `${context.program} retry${context.repeat} --failed`,
    why: (task: string) => `${context.program} why${context.repeat} ${task}`,
  };
  const logsCommand = (task: string, job: string): string =>
    `${context.program} logs${context.repeat} ${quote(task)} ${quote(job)}`;
  const end = (summary: RunSummary): void => io.out(summaryLines(summary, next).join("\n") + "\n");
  const toErr = (text: string): void => io.err(`${text}\n`);
  if (flags.json) {
    const json = new JsonProgress(io.out);
    return {
      apply: (event) => json.apply(event),
      say: toErr,
      end: () => json.flush(),
      close: () => json.flush(),
    };
  }
  if (flags.progress === "none") return { apply: () => {}, say: toErr, end, close: () => {} };
  if (io.terminal.out && !flags.quiet && flags.progress !== "plain") {
    const live = new LiveProgress({ io, style, counts: () => going.counts(), logsCommand });
    return {
      apply: (event) => live.apply(event),
      say: (text) => live.say(text),
      end(summary) {
        live.finish(summary.tasks);
        end(summary);
      },
      close: () => live.close(),
    };
  }
  const plain = new PlainProgress({ write: (line) => io.out(`${line}\n`), quiet: flags.quiet, logsCommand });
  const timer = setInterval(() => plain.tick(Date.now()), 1000);
  return {
    apply: (event) => plain.apply(event),
    say: toErr,
    end(summary) {
      plain.flush(Date.now());
      end(summary);
    },
    close: () => clearInterval(timer),
  };
}
