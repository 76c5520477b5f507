/**
 * A coordinator in a process of its own, whose work is done elsewhere: by the test, through the agent.
 *
 * @module
 */
import { json } from "../../core/codec.ts";
import { Pipeline } from "../../pipeline/pipeline.ts";
import { FileRepository } from "../../repositories/files.ts";
import { YamlMetadataRepository } from "../../repositories/yaml.ts";
import type { Attempt } from "../../core/attempt.ts";
import type { Agent } from "../../tasks/agent.ts";
import { input, output } from "../../tasks/link.ts";
import type { Ending, FoundRun, RunContext, Runner, RunnerOpen } from "../../tasks/runner.ts";
import { defineTask } from "../../tasks/task.ts";

/** What the test needs in order to be the worker. */
export interface WorkerFile {
  readonly attempt: Attempt;
  readonly url: string;
  readonly token: string;
}

const folder = Deno.args[0]!;
const worker = `${folder}/worker.json`;
const books = new FileRepository(`${folder}/books`);
const reports = new FileRepository(`${folder}/reports`);

/** Lets the attempt in, and waits until the test has brought the report. */
class ElsewhereRunner implements Runner {
  readonly pool = { name: "elsewhere", capacity: {}, width: 4 };
  readonly defaultQuota = {};
  #agent: (() => Promise<Agent>) | undefined;

  open(options: RunnerOpen): Promise<void> {
    this.#agent = options.agent;
    return Promise.resolve();
  }

  run(attempt: Attempt, context: RunContext): Promise<Ending> {
    return this.#see(attempt, context);
  }

  adopt(attempt: Attempt, context: RunContext): Promise<Ending> {
    return this.#see(attempt, context);
  }

  async *find(): AsyncGenerator<FoundRun, void, void> {
    const text = await Deno.readTextFile(worker).catch(() => undefined);
    if (text === undefined) return;
    yield { attempt: (JSON.parse(text) as WorkerFile).attempt, since: Date.now(), where: "elsewhere" };
  }

  async #see(attempt: Attempt, context: RunContext): Promise<Ending> {
    const path = `${folder}/staged/report`;
    const agent = await this.#agent!();
    const { token, server, path: prefix, leave } = await agent.admit({
      attempt,
      documents: json,
      inputs: new Map([["books", { kind: "value", repository: books, key: attempt.job }]]),
      outputs: new Map([["reports", { kind: "file", path, tree: false }]]),
    });
    const url = `http://${server.hostname}:${server.port}${prefix}`;
    await Deno.writeTextFile(`${worker}.new`, JSON.stringify({ attempt, url, token } satisfies WorkerFile));
    await Deno.rename(`${worker}.new`, worker);
    while (await Deno.stat(path).catch(() => undefined) === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await leave();
    await reports.put(attempt.job, (await Deno.open(path)).readable);
    context.published(reports, attempt.job);
    return { reason: "succeeded", release: () => Deno.remove(worker) };
  }
}

if (import.meta.main) {
  const task = defineTask("count", "elsewhere", {
    done: YamlMetadataRepository.files(`${folder}/done`),
    links: { books: input(books), reports: output(reports) },
  }, new ElsewhereRunner());
  const { succeeded, started, adopted } = await new Pipeline({ tasks: [task], state: `${folder}/state` })
    .run().finished;
  console.log(JSON.stringify({ succeeded, started, adopted }));
}
