import type { SshExecutorOptions } from "../../../executors/ssh/mod.ts";
import { testExecutor } from "../../../testing/executor_suite.ts";
import { BIG, noLimits } from "../suite.ts";
import { OwnServer } from "./own_server.ts";
import { available, busybox, Place, program } from "./server.ts";

function suite(name: string, options: Partial<SshExecutorOptions>, there: boolean): void {
  const places = new WeakMap<object, Place>();
  const servers = new WeakMap<object, OwnServer>();
  testExecutor(name, {
    async make(stack, fault) {
      const place = new Place(stack);
      const server = fault && await OwnServer.start(stack);
      const executor = place.executor({ ...options, ...server?.options });
      places.set(executor, place);
      if (server) servers.set(executor, server);
      return { executor, state: place.state, leftovers: () => place.leftovers() };
    },
    cut: ({ executor }) => servers.get(executor)!.cut(),
    async restart({ executor }) {
      await servers.get(executor)!.stop();
      await servers.get(executor)!.up();
    },
    except: [noLimits],
    big: BIG,
    reopen: (first) => places.get(first.executor)!.executor(options),
    test: (name, fn, ignored, fault) =>
      Deno.test({
        name,
        fn,
        ignore: !there || ignored !== undefined || (fault !== undefined && program === ""),
      }),
  });
}

suite("sshExecutor()", { sharesFiles: true }, available);
suite("sshExecutor() with bash", { shell: "/bin/bash", sharesFiles: true }, available);
suite(
  "sshExecutor() with busybox",
  { shell: `${busybox} sh`, sharesFiles: true },
  available && busybox !== "",
);
