/**
 * Starting a run on a host: what is small goes with the request, what is large is sent before it.
 *
 * @module
 */
import { type Attempt, formatAttempt } from "../../core/attempt.ts";
import { encodeText, toStream } from "../../core/bytes.ts";
import { ExecutorError } from "../../core/errors.ts";
import type { ProcessWork } from "../executor.ts";
import { interpreterOf, UNFIT } from "../local_interpreter.ts";
import { jobText } from "../local_wrapper.ts";
import { pour } from "./channels.ts";
import { hostError, LostError } from "./fault.ts";
import { type Host, quote } from "./host.ts";
import type { RunHead } from "./record.ts";
import { folderOf, type SshRuns } from "./runs.ts";

/** What fits into a request, in characters. */
const SMALL = 32_768;

/** What a request to start a run needs. */
interface Start {
  readonly runs: SshRuns;
  readonly attempt: Attempt;
  readonly work: ProcessWork;
  readonly environment: Readonly<Record<string, string>>;
  readonly interpreter: readonly string[] | undefined;
  readonly uid: string;
  readonly since: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Starts a run.
 *
 * @param runs The runs of the host.
 * @param attempt Which.
 * @param work What to run.
 * @param environment What is added to the environment of all.
 * @param signal When to stop.
 * @throws {ExecutorError} When it was not started.
 */
export async function startRun(
  runs: SshRuns,
  attempt: Attempt,
  work: ProcessWork,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const all = { ...environment, ...work.environment };
  const subject = formatAttempt(attempt);
  const interpreter = interpreterOf({ subject, script: work.script, environment: all }, () => undefined);
  // Short, since shells read it letter by letter; it tells apart what was asked for under one name.
  const uid = crypto.randomUUID().slice(-12);
  const start: Start = {
    runs,
    attempt,
    work,
    environment: all,
    interpreter,
    uid,
    since: Date.now(),
    signal,
  };
  await runs.link.use(`start ${subject}`, (host) => request(host, start), signal);
  if (!signal?.aborted) return;
  await runs.link.use(`end ${subject}`, async (host) => {
    const shell = await runs.shell(attempt, undefined);
    if (shell !== undefined) await host.ask("force", folderOf(attempt), shell);
    await runs.ended(attempt, undefined);
  });
  await runs.drop(attempt);
  throw signal.reason;
}

async function request(host: Host, start: Start): Promise<void> {
  const { runs, attempt, work, interpreter, uid } = start;
  const name = folderOf(attempt);
  const job = jobText({}, {
    folder: `${host.facts.root}/${name}`,
    script: work.script,
    environment: start.environment,
    stdin: work.stdin !== undefined,
    splitStderr: !work.mergeStderr,
    interpreter,
  });
  const head: RunHead = {
    version: 1,
    uid,
    since: start.since,
    by: host.facts.me,
    boot: host.facts.boot,
    notes: work.notes,
  };
  // In letters that every locale of the host takes for text.
  const headText = JSON.stringify(head).replace(
    /[^ -~]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const small = job.length <= SMALL && !interpreter && !work.stdin;
  const staged = small ? "" : await stage(host, start, job);
  runs.begun(name, head);
  const answer = await host.begin([name, uid, headText, small ? job : "", staged, interpreter?.[0] ?? ""]);
  if (answer.code === 0) return;
  runs.doubt(name);
  if (staged) await host.ask("drop", staged);
  // Of a request that was made before the connection was lost.
  if (answer.code === 3 && answer.lines.some((line) => line.includes(`"uid":"${uid}"`))) return;
  throw refusal(runs, attempt, answer.code, answer.lines, interpreter);
}

function refusal(
  runs: SshRuns,
  attempt: Attempt,
  code: number,
  lines: readonly string[],
  interpreter: readonly string[] | undefined,
): ExecutorError {
  const context = { operation: "start", subject: attempt.task, key: attempt.job };
  const subject = formatAttempt(attempt);
  if (code === 3) {
    return new ExecutorError(
      "already-exists",
      `Cannot start ${runs.text(attempt)}: it was started before; wait for it, or stop and forget it`,
      context,
    );
  }
  if (code === 4) {
    const why = UNFIT[lines[0] as keyof typeof UNFIT];
    return new ExecutorError(
      "cannot-start",
      `Cannot start ${subject}: the interpreter ${
        interpreter![0]
      } of its first line ${why} (on ${runs.link.name})`,
      context,
    );
  }
  return hostError(runs.link.name, `start ${subject}`, lines.join("\n"));
}

/** Sends what is too large for a request, or must be a file, into a folder of its own. */
async function stage(host: Host, start: Start, job: string): Promise<string> {
  const { runs, attempt, work, interpreter, signal } = start;
  const staged = `.new/${host.facts.me}/${crypto.randomUUID()}`;
  const folder = `${host.facts.root}/${staged}`;
  const files = [
    ["job", toStream(encodeText(job))],
    ...(interpreter ? [["script", toStream(encodeText(work.script))] as const] : []),
    ...(work.stdin ? [["stdin", work.stdin] as const] : []),
  ] as const;
  try {
    for (const [file, content] of files) {
      const path = `${folder}/${file}`;
      const command = `umask 077; mkdir -p "\${0%/*}" && exec cat >"$0"`;
      const channel = await host.channels.run(
        `exec ${host.shell} -c ${quote(command)} ${quote(path)}`,
        signal,
      );
      channel.stream.resume();
      await pour(channel, content, signal);
      const code = await channel.closed;
      if (code === undefined) throw new LostError("the connection was closed");
      if (code !== 0) throw hostError(runs.link.name, `start ${formatAttempt(attempt)}`, channel.said());
    }
    return staged;
  } catch (error) {
    await host.ask("drop", staged).catch(() => {});
    if (!(error instanceof LostError) || work.stdin === undefined) throw error;
    throw new ExecutorError(
      "unavailable",
      `Cannot start ${
        runs.text(attempt)
      }: the connection was lost while its standard input was sent, which can be read only once; start it again`,
      { operation: "start", subject: attempt.task, key: attempt.job, retry: "later", cause: error },
    );
  }
}
