/**
 * How quick runs over SSH are, as ratios to bare commands of ssh2 over one connection in the same minutes: run by
 * `eval "$(.ci/services/sshd.sh)"; deno run -A bench/ssh.ts [jobs...]`. Rounds of both are interleaved, so that whatever else the machine does falls
 * on both alike. A bare command starts a shell on the host; a run also has a folder, a session, a log, a record and an end that is told.
 *
 * @module
 */
import { Client } from "../deps/ssh2.ts";
import type { ProcessWork } from "../executors/executor.ts";
import { sshExecutor } from "../executors/ssh/mod.ts";
import { figure } from "./figure.ts";
import { inRounds } from "./rounds.ts";

/** What each job runs. */
const SCRIPT = ":";

/** How many rounds of each; the median of the ratios counts. */
const ROUNDS = 5;

const variable = (name: string): string => {
  const value = Deno.env.get(name);
  if (value) return value;
  throw new Error(`${name} is not set: eval "$(.ci/services/sshd.sh)" first`);
};
const host = variable("SSH_HOST");
const port = Number(variable("SSH_PORT"));
const user = variable("SSH_USER");
const identity = variable("SSH_KEY");

const state = await Deno.makeTempDir();
const executor = sshExecutor({
  host,
  port,
  user,
  identity,
  knownHosts: variable("SSH_KNOWN_HOSTS"),
  root: `${state}/host`,
});
await executor.open({ state: `${state}/executor` });

const client = new Client();
const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
client.on("ready", () => resolve()).on("error", reject);
client.connect({ host, port, username: user, privateKey: await Deno.readTextFile(identity) });
client.setNoDelay(true);
await ready;

const work: ProcessWork = { kind: "process", script: SCRIPT, environment: {}, mergeStderr: true, notes: {} };
let next = 0;

const ways = {
  "ssh2 exec": () =>
    new Promise<void>((resolve, reject) => {
      const go = (): unknown =>
        client.exec(SCRIPT, (error, stream) => {
          // A channel that was closed a moment ago may still count against the ten of the server.
          if ((error as { reason?: unknown } | undefined)?.reason === 2) return setTimeout(go, 1);
          if (error) return reject(error);
          stream.on("close", () => resolve()).resume();
        });
      go();
    }),
  async "sshExecutor"() {
    const attempt = { task: "bench", job: `job-${next++}`, replica: 0, attempt: 1 };
    await executor.start(attempt, work, { quota: {} });
    const status = await executor.wait(attempt);
    if (status.state !== "finished" || status.exitCode !== 0) throw new Error(`it ended as ${status.state}`);
    await executor.forget(attempt);
  },
};

const sizes = Deno.args.length > 0 ? Deno.args.map(Number) : [200];
for (const width of [1, 10]) {
  for (const jobs of sizes) {
    const paces = await inRounds(ways, { jobs, width, rounds: ROUNDS });
    for (const [name, { ms, ratio }] of Object.entries(paces)) {
      console.log(
        `width ${String(width).padStart(2)}  ${String(jobs).padStart(5)} jobs  ${name.padEnd(11)} ${
          ms.toFixed(2).padStart(7)
        } ms/job  ${(1000 / ms).toFixed(0).padStart(5)} jobs/s  ratio ${ratio.toFixed(2)}`,
      );
    }
    if (width === 1) continue;
    const { ms, ratio } = paces.sshExecutor;
    figure(`${jobs} jobs over SSH, ${width} at a time`, 1000 / ms, "jobs/s", { atLeast: 100 });
    figure("the same beside bare commands of ssh2", ratio, "x", { atLeast: 0.67 });
  }
}
const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
client.end();
await closed;
await executor.close();
await Deno.remove(state, { recursive: true });
