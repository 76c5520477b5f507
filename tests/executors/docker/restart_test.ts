import assert from "node:assert/strict";
import { dockerExecutor } from "../../../executors/docker/mod.ts";
import type { Attempt } from "../../../core/attempt.ts";
import { work } from "./kit.ts";
import { OwnEngine, programs } from "./own_engine.ts";

Deno.test({
  ...programs.test,
  name: "dockerExecutor tells an engine that was restarted from a script that failed",
  async fn() {
    await using stack = new AsyncDisposableStack();
    const engine = await OwnEngine.start(stack);
    const state = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(state, { recursive: true }));
    const executor = dockerExecutor({ socket: engine.socket });
    await executor.open({ state });
    const attempt = (job: string): Attempt => ({ task: "t", job, replica: 0, attempt: 1 });
    const start = (job: string, text: string): Promise<void> =>
      executor.start(attempt(job), work(text, { image: engine.image }), { quota: {} });
    await start("polite", "trap 'exit 9' TERM; while :; do sleep 0.05; done");
    await start("plain", "sleep 600");
    await engine.end("SIGTERM");
    await engine.up();
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
