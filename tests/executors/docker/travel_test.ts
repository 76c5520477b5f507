/** Values travel to and from containers while their engine is killed and started again, and while connections to the agent are cut. */
import assert from "node:assert/strict";
import { dockerExecutor, type DockerExecutorOptions } from "../../../executors/docker/mod.ts";
import { containerTask, type Links, type ProcessTaskOptions, type Task } from "../../../mod.ts";
import type { ContainerTaskOptions } from "../../../tasks/container.ts";
import { CuttingProxy } from "../../kit/cutting_proxy.ts";
import { freePort } from "../../kit/own_process.ts";
import { pause } from "../../kit/waiting.ts";
import type { Runs } from "../places.ts";
import { random, travels } from "../travel.ts";
import { api, docker, image, socket } from "./kit.ts";
import { OwnEngine, programs } from "./own_engine.ts";

/** Containers of an engine. */
const containers = (image: string, options: DockerExecutorOptions): Runs => ({
  script: <const L extends Links>(name: string, all: Omit<ProcessTaskOptions<L>, "executor">): Task<L> =>
    containerTask(
      name,
      {
        ...all,
        image,
        executor: dockerExecutor({ sharesFiles: false, ...options }),
      } as unknown as ContainerTaskOptions<L>,
    ),
});

for (const live of [true, false]) {
  Deno.test({
    ...programs.test,
    name: `values arrive once, whole, and use up no attempt, while an engine that ${
      live ? "keeps" : "ends"
    } its containers is killed and started again`,
    async fn() {
      await using stack = new AsyncDisposableStack();
      const engine = await OwnEngine.start(stack, { "live-restore": live });
      let restarts = 0;
      const meanwhile = async (over: AbortSignal): Promise<void> => {
        while (!over.aborted) {
          await pause(500 + random() * 1500, over);
          if (over.aborted || restarts === 3) break;
          await engine.end("SIGKILL");
          await pause(random() * 500);
          await engine.up();
          restarts++;
        }
      };
      const { socket, image } = engine;
      await travels(containers(image, { socket }), { hostname: "0.0.0.0" }, meanwhile);
      assert(restarts > 0, "all was over before the engine was killed");
      const left = await api<object[]>("GET", "/containers/json", { all: "1" }, {}, socket);
      assert.deepEqual(left, []);
    },
  });
}

Deno.test({
  ...docker.test,
  name:
    "values of containers arrive once, whole, and use up no attempt, while connections to the agent are cut",
  async fn() {
    await using stack = new AsyncDisposableStack();
    const port = freePort();
    const network = await api<{ IPAM: { Config: { Gateway: string }[] } }>("GET", "/networks/bridge");
    const gateway = network.IPAM.Config[0]!.Gateway;
    const budgets = Array.from({ length: 40 }, () => Math.round(300 * 10_000 ** random()));
    const proxy = stack.use(new CuttingProxy(() => port, budgets, gateway));
    const options = { socket, agentAddress: `http://${gateway}:${proxy.port}` };
    await travels(containers(image, options), { port }, async () => {});
    assert(proxy.cuts > 10, `${proxy.cuts} cuts`);
  },
});
