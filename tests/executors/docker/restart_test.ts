import assert from "node:assert/strict";
import { dockerExecutor } from "../../../executors/docker/mod.ts";
import type { Attempt } from "../../../core/attempt.ts";
import { needs } from "../../../testing/needs.ts";
import { work } from "./kit.ts";

const program = needs("docker-program", ["DOCKER_PROGRAMS"]);
const script = new URL("../../../.ci/services/docker.sh", import.meta.url).pathname;

/** An engine of one's own. */
async function service(state: string, what: "up" | "down"): Promise<void> {
  const env = {
    DATATASK_SERVICES: state,
    DOCKER_PROGRAMS: program.get("DOCKER_PROGRAMS"),
    DOCKER_BRIDGE: `dt${state.slice(-8).toLowerCase().replace(/[^a-z0-9]/g, "x")}`,
    DOCKER_SUBNET: "172.31.254.1/24",
  };
  const args = what === "down" ? [script, "down", "--wipe"] : [script];
  const { success, stderr } = await new Deno.Command("bash", { args, env, stdout: "null", stderr: "piped" })
    .output();
  assert(success, new TextDecoder().decode(stderr));
}

Deno.test({
  ...program.test,
  name: "dockerExecutor tells an engine that was restarted from a script that failed",
  async fn() {
    await using stack = new AsyncDisposableStack();
    const state = await Deno.makeTempDir({ prefix: "dt" });
    stack.defer(() => Deno.remove(state, { recursive: true }).catch(() => {}));
    stack.defer(() => service(state, "down"));
    await service(state, "up");
    const executor = dockerExecutor({ socket: `${state}/docker/docker.sock` });
    await executor.open({ state: `${state}/pipeline` });
    const attempt = (job: string): Attempt => ({ task: "t", job, replica: 0, attempt: 1 });
    const start = (job: string, text: string): Promise<void> =>
      executor.start(attempt(job), work(text, { image: "datatask-test:1" }), { quota: {} });
    await start("polite", "trap 'exit 9' TERM; while :; do sleep 0.05; done");
    await start("plain", "sleep 600");
    const pid = Number(await Deno.readTextFile(`${state}/docker/pid`));
    Deno.kill(pid, "SIGTERM");
    while (await Deno.stat(`/proc/${pid}/exe`).then(() => true, () => false)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await service(state, "up");
    for (const job of ["polite", "plain"]) {
      const status = await executor.wait(attempt(job));
      assert(status.state === "finished" && status.infrastructure, JSON.stringify(status));
      assert.match(status.reason!, /the Docker Engine was restarted while it ran/);
    }
    await start("after", "exit 4");
    const after = await executor.wait(attempt("after"));
    assert(
      after.state === "finished" && after.exitCode === 4 && !after.infrastructure,
      JSON.stringify(after),
    );
  },
});
