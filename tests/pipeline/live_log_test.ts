import assert from "node:assert/strict";
import { Flight } from "../../pipeline/flight.ts";
import { liveLog, type LogPart } from "../../pipeline/live_log.ts";
import { serveRequests } from "../../pipeline/requests.ts";
import { until } from "../kit/waiting.ts";
import type { TaskState } from "../../pipeline/task_state.ts";

const ROOT = new URL("../../", import.meta.url);

const PIPELINE = `import { functionTask } from "${ROOT}tasks/function.ts";
import { input } from "${ROOT}tasks/link.ts";
import { FileRepository } from "${ROOT}repositories/files.ts";
import { YamlMetadataRepository } from "${ROOT}repositories/yaml.ts";
import { Pipeline } from "${ROOT}pipeline/pipeline.ts";
const step = async (name) => {
  while (!await Deno.stat(name).then(() => true, () => false)) await new Promise((go) => setTimeout(go, 5));
};
export default new Pipeline({
  tasks: [functionTask("talk", {
    done: YamlMetadataRepository.files("./done"),
    retry: { attempts: 2, delay: 1 },
    links: { given: input(new FileRepository("./in")) },
  }, async ({ log, attempt }) => {
    log("one of", attempt);
    await step("go-" + attempt);
    log("two\\nthree");
    if (attempt === 1) throw new Error("not yet");
  })],
});
`;

/** A folder with a pipeline, the run of it, and what can be asked of it from elsewhere. */
class Talk implements AsyncDisposable {
  readonly #dir: string;
  #run: Deno.ChildProcess | undefined;

  constructor() {
    this.#dir = Deno.realPathSync(Deno.makeTempDirSync());
    Deno.mkdirSync(`${this.#dir}/in`);
    this.write("in/emma");
    Deno.writeTextFileSync(`${this.#dir}/pipeline.ts`, PIPELINE);
  }

  write(name: string): void {
    Deno.writeTextFileSync(`${this.#dir}/${name}`, "");
  }

  start(...args: string[]): Deno.ChildProcess {
    return new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-lock", "--no-config", "--quiet", "-A", new URL("cli.ts", ROOT).pathname, ...args],
      cwd: this.#dir,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Follows the log of the job that runs, to its end. */
  async followed(heard: (text: string) => unknown): Promise<string> {
    const child = this.start("logs", "-f", "talk", "emma");
    const errors = new Response(child.stderr).text();
    let text = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) heard(text += chunk);
    assert.deepEqual([(await child.status).code, await errors], [0, ""]);
    return text;
  }

  run(): Deno.ChildProcess {
    return this.#run = this.start("run");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#run?.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await Deno.remove(this.#dir, { recursive: true });
  }
}

async function said(child: Deno.ChildProcess): Promise<string> {
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 0, text + new TextDecoder().decode(stderr));
  return text;
}

Deno.test("what a function logs is read from another process while it runs, and followed to the end of the attempt", async () => {
  await using talk = new Talk();
  const run = talk.run();
  const ran = run.output();
  let now = "";
  while (now === "") {
    const { code, stdout } = await talk.start("logs", "talk", "emma").output();
    if (code === 0) now = new TextDecoder().decode(stdout);
  }
  assert.equal(now, "one of 1\n");
  const first = await talk.followed((text) => text === "one of 1\n" && talk.write("go-1"));
  assert.match(first, /^one of 1\ntwo\nthree\nError: not yet\n {4}at /);
  // The second attempt runs: the first one's log is kept beside. With its end the run is over, and nobody answers any more.
  const kept = await said(talk.start("logs", "--attempt", "1", "talk", "emma"));
  assert.equal(kept, first);
  assert.equal(
    await talk.followed((text) => text === "one of 2\n" && talk.write("go-2")),
    "one of 2\ntwo\nthree\n",
  );
  assert.equal((await ran).code, 0);
  assert.equal(await said(talk.start("logs", "-f", "talk", "emma")), "one of 2\ntwo\nthree\n");
});

Deno.test("the log of a function that goes with its process ends where it was", async () => {
  await using talk = new Talk();
  const run = talk.run();
  const ran = run.output();
  while ((await talk.start("logs", "talk", "emma").output()).code !== 0);
  assert.equal(await talk.followed(() => run.kill("SIGKILL")), "one of 1\n");
  await ran;
  const { stderr } = await talk.start("logs", "talk", "emma").output();
  assert.match(
    new TextDecoder().decode(stderr),
    /There is no log for job "emma" of task talk: it is ready; see "/,
  );
});

Deno.test("a log that is followed is left at once, also when nothing is said", async () => {
  const dir = await Deno.makeTempDir();
  const requests = `${dir}/requests`;
  const part = { attempt: 1, lines: ["one"], next: 1, more: false };
  let asked = 0;
  const serving = await serveRequests(requests, (request) => {
    asked++;
    return request.do === "log" && { ...part, lines: part.lines.slice(request.from) };
  });
  const log = await liveLog({
    ...{ requests, task: "t", job: "j", follow: true, logs: undefined },
    signal: new AbortController().signal,
    runs: () => Promise.resolve(true),
  });
  const reader = log!.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "one\n");
  const next = reader.read();
  await until("more is asked for", () => asked > 1);
  await reader.cancel();
  assert.equal((await next).done, true);
  await serving[Symbol.asyncDispose]();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a log in parts is the whole log, with the lines in its middle that were not kept counted", () => {
  const attempt = { task: "t", job: "j", replica: 0, attempt: 2 };
  const flight = new Flight(attempt, {} as TaskState, 0, 0, false);
  const parts = (from: number): string[] => {
    const lines: string[] = [];
    for (let next: number | undefined = from; next !== undefined;) {
      const part: LogPart = flight.logPart({ from: next, attempt: 2 })!;
      lines.push(...part.lines);
      next = part.more ? part.next : undefined;
    }
    return lines;
  };
  assert.deepEqual(parts(0), []);
  assert.equal(flight.logPart({ from: 0, attempt: 1 }), undefined);
  for (let i = 0; i < 3000; i++) flight.log(`${i} ${"x".repeat(1000)}`);
  const whole = flight.logText()!.split("\n").slice(0, -1);
  const gap = whole.findIndex((line) => line.startsWith("... "));
  assert.match(whole[gap]!, /^\.\.\. \d+ lines left out \.\.\.$/);
  assert.deepEqual(parts(0), whole);
  assert.deepEqual(parts(10), whole.slice(10));
  assert.deepEqual(parts(2990), whole.slice(-10));
});
