/**
 * How quick containers are, as ratios to the bare calls (create, start, wait, remove) in the same minutes: run by
 * `deno run -A bench/docker.ts [jobs]` with `DOCKER_SOCKET` and `TEST_IMAGE` set. Rounds are interleaved, so that whatever else the machine does falls
 * on all alike.
 *
 * @module
 */
import { dockerode } from "../deps/dockerode.ts";
import { dockerExecutor } from "../executors/docker/mod.ts";
import { MemoryMetadataRepository } from "../repositories/memory.ts";
import { containerTask } from "../tasks/container.ts";
import { idleContainer, UNWATCHED } from "./context.ts";
import { figure, say } from "./figure.ts";
import { inRounds } from "./rounds.ts";

const socket = Deno.env.get("DOCKER_SOCKET");
const image = Deno.env.get("TEST_IMAGE");
if (!socket || !image) throw new Error('set DOCKER_SOCKET and TEST_IMAGE: eval "$(.ci/services/docker.sh)"');

/** How many rounds of each; the median of the ratios counts. */
const ROUNDS = 5;
const SCRIPT = ":";

const state = await Deno.makeTempDir();
const executor = dockerExecutor({ socket });
await executor.open({ state: `${state}/executor` });
const task = containerTask("bench", {
  done: new MemoryMetadataRepository("done"),
  executor: dockerExecutor({ socket }),
  image,
  network: "none",
  script: SCRIPT,
});
await task.runner.open!({ state: `${state}/task` });

const modem = dockerode({ socketPath: socket });
function api<T>(method: "POST" | "DELETE", path: string, body: unknown = {}): Promise<T> {
  const statusCodes = { 200: true, 201: true, 204: true };
  return new Promise((resolve, reject) =>
    modem.dial(
      { method, path: `${path}?`, options: { _query: {}, _body: body }, statusCodes },
      (error, answer) => error ? reject(error) : resolve(answer as T),
    )
  );
}

let next = 0;
const fresh = () => ({ task: "bench", job: `job-${next++}`, replica: 0, attempt: 1 });

const ways = {
  async "bare API"() {
    const { Id } = await api<{ Id: string }>("POST", "/containers/create", {
      Image: image,
      Entrypoint: ["/bin/sh", "-c", SCRIPT],
      HostConfig: { NetworkMode: "none", Init: true },
    });
    await api("POST", `/containers/${Id}/start`);
    await api("POST", `/containers/${Id}/wait`);
    await api("DELETE", `/containers/${Id}`);
  },
  async "dockerExecutor"() {
    const attempt = fresh();
    await executor.start(attempt, { ...idleContainer(image, SCRIPT), network: "none" }, { quota: {} });
    await executor.wait(attempt);
    await executor.forget(attempt);
  },
  async "containerTask"() {
    const ending = await task.runner.run(fresh(), UNWATCHED);
    if (ending.reason !== "succeeded") throw new Error(`A job ended as ${ending.reason}`);
    await ending.release!();
  },
};

const jobs = Number(Deno.args[0] ?? 120);
for (const call of Object.values(ways)) await call();
for (const width of [1, 4]) {
  const paces = await inRounds(ways, { jobs, width, rounds: ROUNDS });
  const what = `containers, ${width} at a time`;
  for (const [name, { ms }] of Object.entries(paces)) say(`${what}: ${name}`, `${ms.toFixed(0)} ms per job`);
  const share = "throughput as a part of that of the bare API";
  say(`${what}: containerTask, ${share}`, `${paces.containerTask.ratio.toFixed(2)} x`);
  figure(`${what}: ${share}`, paces.dockerExecutor.ratio, "x", { atLeast: 0.8 });
}
await task.runner.close!();
await executor.close();
await Deno.remove(state, { recursive: true });
